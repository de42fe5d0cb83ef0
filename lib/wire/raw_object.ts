import type { Json, JsonObject } from "../base/json.ts";
import { type Member, type Members, scanObject } from "./json_scan.ts";

/** For what was within the limits as a part of its message. */
const UNLIMITED = { depth: Infinity, members: Infinity };

/**
 * A JSON object as the text it came in: the `params` of a request, the `result` of a response. What is only passed on
 * is never parsed, and so reaches the other side byte for byte, numbers included.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readRawMessage } from "./raw_message.ts";
 *
 * const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0}}}';
 * const request = readRawMessage(text, { depth: 512, members: 1000 });
 * if (request?.kind !== "request") throw new Error("no request");
 * assertEquals(request.body!.get("name"), "a");
 * assertEquals(request.body!.with("name", "b").text, '{"name":"b","arguments":{"n":1.0}}');
 * ```
 */
export class RawObject {
  readonly #source: string;
  readonly #from: number;
  readonly #to: number;
  readonly #members: Members;
  /** Texts in place of the values of members. */
  readonly #replaced: ReadonlyMap<string, string>;
  #value: JsonObject | undefined;
  #text: string | undefined;

  /** @param member where the object is in `source`, with its members */
  constructor(source: string, member: Member, replaced: ReadonlyMap<string, string> = new Map()) {
    this.#source = source;
    this.#from = member.from;
    this.#to = member.to;
    this.#members = member.members!;
    this.#replaced = replaced;
  }

  /** The text, with what was replaced. */
  get text(): string {
    return this.#text ??= this.#build();
  }

  /** The whole object, parsed once. Numbers that a double cannot hold are rounded. */
  get value(): JsonObject {
    return this.#value ??= JSON.parse(this.text);
  }

  /** Characters of the text. */
  get length(): number {
    return this.#replaced.size === 0 ? this.#to - this.#from : this.text.length;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** The value of one member, parsed each time; undefined if there is none. */
  get(name: string): Json | undefined {
    const text = this.textOf(name);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** The value of one member as its text. */
  textOf(name: string): string | undefined {
    const found = this.#find(name);
    return found && (this.#replaced.get(name) ?? this.#source.slice(found.from, found.to));
  }

  /** The value of one member that is an object, without parsing it; undefined if there is none, or two of one name. */
  objectAt(name: string): RawObject | undefined {
    const text = this.textOf(name);
    const members = text === undefined ? undefined : scanObject(text, UNLIMITED, () => false);
    if (members === undefined || hasDuplicates(members)) return undefined;
    return new RawObject(text!, { name, from: 0, to: text!.length, members });
  }

  /** The object with `value` for its member `name`, which it must have. */
  with(name: string, value: Json): RawObject {
    return this.withText(name, JSON.stringify(value));
  }

  /** As {@linkcode with}, given the value's text. */
  withText(name: string, text: string): RawObject {
    const place = { name, from: this.#from, to: this.#to, members: this.#members };
    return new RawObject(this.#source, place, new Map([...this.#replaced, [name, text]]));
  }

  #find(name: string): Member | undefined {
    return this.#members.find((member) => member.name === name);
  }

  #build(): string {
    const edits: Edit[] = [];
    for (const { name, from, to } of this.#replaced.size === 0 ? [] : this.#members) {
      const text = this.#replaced.get(name);
      if (text !== undefined) edits.push({ from: from - this.#from, to: to - this.#from, text });
    }
    return splice(this.#source.slice(this.#from, this.#to), edits);
  }
}

/** A text in place of a part of another. */
export interface Edit {
  from: number;
  to: number;
  text: string;
}

/** `text` with `edits`, which are in its order and do not overlap. */
export function splice(text: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  for (const { from, to, text: replacement } of edits) {
    result += text.slice(at, from) + replacement;
    at = to;
  }
  return at === 0 ? text : result + text.slice(at);
}

/** Whether two of `members` have one name. Of such an object readers take different values. */
export function hasDuplicates(members: Members): boolean {
  return members.some(({ name }, index) => members.findIndex((member) => member.name === name) !== index);
}
