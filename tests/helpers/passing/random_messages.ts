import type { Passed } from "./messages.ts";

/** Gives a number from 0 up to 1. */
type Random = () => number;

const SPACES = ["", "", "", " ", "  ", "\t", " \t "];
const NUMBERS = [
  "0",
  "-0",
  "1.0",
  "-1e2",
  "1E+2",
  "9007199254740993",
  "12345678901234567890",
  "0.10",
  "1e400",
];
const CHARS = ["a", "é", "€", "🎉", "\u2028", "{", "}", "[", ",", ":", "\u007f"];
const ESCAPES = [
  "n",
  "t",
  "b",
  "f",
  "r",
  "/",
  "\\",
  '"',
  "u0000",
  "u0061",
  "uD83D",
  "uDE00",
  "ud800",
  "u00E9",
];
const KEYS = ["id", "method", "params", "result", "name", "_meta", "jsonrpc", "a", "a", "__proto__", "1", ""];

/** Texts of JSON in all the forms in which it can be written. */
export class RandomMessages {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A call and its answer, with members that mean nothing beside those that do. */
  next(): Passed {
    const params = this.#object([['"name"', "<tool>"], ['"arguments"', this.#anyObject(4)]]);
    const request = this.#object([
      ['"jsonrpc"', '"2.0"'],
      ['"id"', "<id>"],
      [this.#pick(['"method"', '"m\\u0065thod"']), this.#pick(['"tools/call"', '"tools\\/call"'])],
      ['"params"', params],
    ]);
    const answer = this.#random() < 0.8
      ? [
        '"result"',
        this.#object([['"content"', this.#array(4)], ['"structuredContent"', this.#anyObject(4)]]),
      ]
      : ['"error"', `{"code":-32000,"message":${this.#text()},"data":${this.#value(4)}}`];
    const members: [string, string][] = [
      ['"jsonrpc"', '"2.0"'],
      ['"id"', "<id>"],
      answer as [string, string],
    ];
    return {
      what: "random",
      id: this.#pick(["1.0", "9007199254740993", '"\\u0061"', "-3", '"x"']),
      request,
      answer: this.#object(members),
    };
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }

  #space(): string {
    return this.#pick(SPACES);
  }

  /** `members` and others, in any order. */
  #object(members: [key: string, value: string][]): string {
    const others = this.#many(3, () => [`"x-${this.#random()}"`, this.#value(3)] as [string, string]);
    const all = [...members, ...others].map((member) => ({ member, at: this.#random() }));
    all.sort((a, b) => a.at - b.at);
    return this.#written(all.map(({ member }) => member));
  }

  #anyObject(depth: number): string {
    const key = () => this.#random() < 0.5 ? JSON.stringify(this.#pick(KEYS)) : this.#text();
    return this.#written(this.#many(4, () => [key(), this.#value(depth - 1)]));
  }

  #written(members: [string, string][]): string {
    const parts = members.map(([key, value]) =>
      `${this.#space()}${key}${this.#space()}:${this.#space()}${value}${this.#space()}`
    );
    return `{${parts.length === 0 ? this.#space() : parts.join(",")}}`;
  }

  #array(depth: number): string {
    const parts = this.#many(4, () => `${this.#space()}${this.#value(depth - 1)}${this.#space()}`);
    return `[${parts.length === 0 ? this.#space() : parts.join(",")}]`;
  }

  #value(depth: number): string {
    const kind = this.#random();
    if (depth > 0 && kind < 0.25) return this.#anyObject(depth);
    if (depth > 0 && kind < 0.45) return this.#array(depth);
    if (kind < 0.65) return this.#pick(NUMBERS);
    return kind < 0.9 ? this.#text() : this.#pick(["true", "false", "null"]);
  }

  #text(): string {
    return `"${
      this.#many(8, () => this.#random() < 0.5 ? this.#pick(CHARS) : `\\${this.#pick(ESCAPES)}`).join("")
    }"`;
  }

  #many<T>(most: number, make: () => T): T[] {
    return Array.from({ length: Math.floor(this.#random() * (most + 1)) }, make);
  }
}
