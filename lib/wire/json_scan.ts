import { endOfString, isStringLiteral } from "./json_string.ts";

/** What a text may hold at most; the scan of a larger one fails. */
export interface ScanLimits {
  /** Levels of nesting. */
  depth: number;
  /** Members of all objects together. */
  members: number;
}

/** For what was within the limits already, as a part of its message. */
export const UNLIMITED: ScanLimits = { depth: Infinity, members: Infinity };

/** Why a text cannot be read: it is no JSON, or beyond one of the limits. */
export type ScanFault = "syntax" | keyof ScanLimits;

/** A JSON value as offsets in its text. */
type Scanned =
  | { readonly kind: "object"; readonly from: number; readonly to: number; readonly members: Members }
  | { readonly kind: "list"; readonly elements: readonly Extent[] }
  | { readonly kind: "scalar" };

/** Where a value begins, and the offset after its end. */
interface Extent {
  readonly from: number;
  readonly to: number;
}

/** A member of an object, as offsets in the text that was scanned. */
export interface Member {
  /** Its name, with escapes resolved. */
  readonly name: string;
  /** Where the quote before its name is. */
  readonly nameFrom: number;
  /** Where its value begins, and the offset after its end. */
  readonly from: number;
  readonly to: number;
  /** The members of the value, where they were asked for and it is an object. */
  readonly members: Members | undefined;
}

/** The members of an object in their order, those of one name included. */
export type Members = readonly Member[];

/** The value of a member is looked into when this says so. */
type IsWanted = (name: string) => boolean;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const LIST_BEGIN = 0x5b;
const LIST_END = 0x5d;
const BACKSLASH = 0x5c;
const OBJECT_BEGIN = 0x7b;
const OBJECT_END = 0x7d;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** Parts of one value that are listed; more than any reader takes. Each takes some 150 bytes. */
const MAX_LISTED = 100_000;

/** From this length on, the engine's own parser checks a string faster than a loop does. */
const LONG_STRING_CHARS = 64;

/**
 * Reads the JSON object in `text` in one pass, without making a value of it: RFC 8259 to the letter, as
 * `JSON.parse` has it. The members of the object are listed, and those of each value that `isWanted` names: an object of
 * more than 100,000 is beyond the limit of members, whatever that is.
 *
 * @returns undefined when `text` is anything but one JSON object, or beyond the limits
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scanObject } from "./json_scan.ts";
 *
 * const text = '{"id": 9007199254740993, "params": {"name": "a"}}';
 * const members = scanObject(text, { depth: 512, members: 1000 }, (name) => name === "params")!;
 * assertEquals(members.map(({ from, to }) => text.slice(from, to)), ["9007199254740993", '{"name": "a"}']);
 * assertEquals(members[1]!.members!.map(({ name }) => name), ["name"]);
 * ```
 */
export function scanObject(text: string, limits: ScanLimits, isWanted: IsWanted): Members | undefined {
  const scanned = scanJson(text, limits, isWanted);
  return typeof scanned === "object" && scanned.kind === "object" ? scanned.members : undefined;
}

/** As {@linkcode scanObject}, for any JSON text: of an array, the elements are listed. */
export function scanJson(text: string, limits: ScanLimits, isWanted: IsWanted): Scanned | ScanFault {
  const scanner = new Scanner(text, limits);
  scanner.skipSpace();
  const scanned = scanner.readValue(isWanted);
  scanner.skipSpace();
  return scanner.fault ?? (scanner.at === text.length ? scanned : "syntax");
}

class Scanner {
  at = 0;
  fault: ScanFault | undefined;
  readonly #text: string;
  readonly #limits: ScanLimits;
  #memberCount = 0;
  #depth = 0;
  /** Where the name read last ends. */
  #nameEnd = 0;

  constructor(text: string, limits: ScanLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  // The first fault counts: what follows it is no longer read right.
  #fail(fault: ScanFault): void {
    this.fault ??= fault;
  }

  skipSpace(): void {
    for (;; this.at++) {
      const code = this.#text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  /** Reads a value and lists what is in it. */
  readValue(isWanted: IsWanted): Scanned {
    const from = this.at;
    const code = this.#text.charCodeAt(from);
    if (code === OBJECT_BEGIN) {
      const members = this.readObject(isWanted);
      return { kind: "object", from, to: this.at, members };
    }
    if (code === LIST_BEGIN) return { kind: "list", elements: this.#readList() };
    this.#skipScalar(code);
    return { kind: "scalar" };
  }

  #readList(): Extent[] {
    const elements: Extent[] = [];
    if (!this.#enter(LIST_BEGIN)) return elements;
    while (!this.fault && !this.#leaves(LIST_END, elements.length > 0)) {
      const from = this.at;
      this.#skipValue();
      // Where members are bounded (a client's text) no reader takes more; a server's batch is taken whole.
      if (elements.length < MAX_LISTED || this.#limits.members === Infinity) {
        elements.push({ from, to: this.at });
      }
    }
    return elements;
  }

  /** Reads an object and lists its members; those of the values that `isWanted` names are listed too. */
  readObject(isWanted?: IsWanted): Members {
    const members: Member[] = [];
    if (!this.#enter(OBJECT_BEGIN)) return members;
    while (!this.fault && !this.#leaves(OBJECT_END, members.length > 0)) {
      const nameFrom = this.at;
      const name = this.#readName();
      if (this.fault) break;
      const from = this.at;
      let inner: Members | undefined;
      if (isWanted?.(name) && this.#text.charCodeAt(from) === OBJECT_BEGIN) inner = this.readObject();
      else this.#skipValue();
      members.push({ name, nameFrom, from, to: this.at, members: inner });
      if (members.length > MAX_LISTED) this.#fail("members");
    }
    return members;
  }

  /** Moves past a value, however deep. */
  #skipValue(): void {
    const open: number[] = [];
    for (;;) {
      if (this.fault) return;
      const code = this.#text.charCodeAt(this.at);
      const isContainer = code === OBJECT_BEGIN || code === LIST_BEGIN;
      if (isContainer) {
        if (!this.#enter(code)) return;
        // `{` and `}`, `[` and `]` are two apart.
        open.push(code + 2);
      } else this.#skipScalar(code);
      if (!this.#toNextValue(open, isContainer)) return;
    }
  }

  /** Moves to the next value of the containers `open`, leaving those that end; false when none is open any more. */
  #toNextValue(open: number[], isFirst: boolean): boolean {
    while (open.length > 0 && !this.fault) {
      const end = open.at(-1)!;
      if (this.#leaves(end, !isFirst)) {
        open.pop();
        isFirst = false;
        continue;
      }
      if (end === OBJECT_END) this.#skipName();
      return !this.fault;
    }
    return false;
  }

  #enter(begin: number): boolean {
    if (this.#text.charCodeAt(this.at) !== begin) this.#fail("syntax");
    else if (++this.#depth > this.#limits.depth) this.#fail("depth");
    if (this.fault) return false;
    this.at++;
    this.skipSpace();
    return true;
  }

  /** Whether the container ends here; otherwise moves past the comma before its next element. */
  #leaves(end: number, hasElements: boolean): boolean {
    this.skipSpace();
    const code = this.#text.charCodeAt(this.at);
    if (code === end) {
      this.#depth--;
      this.at++;
      return true;
    }
    if (!hasElements) return false;
    if (code !== COMMA) this.#fail("syntax");
    this.at++;
    this.skipSpace();
    return false;
  }

  #readName(): string {
    const from = this.at;
    const isEscaped = this.#skipName();
    if (this.fault) return "";
    const literal = this.#text.slice(from, this.#nameEnd);
    return isEscaped ? JSON.parse(literal) : literal.slice(1, -1);
  }

  /** Moves past a name and its colon; returns whether the name holds a backslash. */
  #skipName(): boolean {
    if (this.#text.charCodeAt(this.at) !== QUOTE) this.#fail("syntax");
    const isEscaped = this.#skipString();
    this.#nameEnd = this.at;
    this.skipSpace();
    if (this.#text.charCodeAt(this.at) !== COLON) this.#fail("syntax");
    else if (++this.#memberCount > this.#limits.members) this.#fail("members");
    this.at++;
    this.skipSpace();
    return isEscaped;
  }

  #skipScalar(code: number): void {
    if (code === QUOTE) this.#skipString();
    else if (code === 0x74) this.#skipWord("true");
    else if (code === 0x66) this.#skipWord("false");
    else if (code === 0x6e) this.#skipWord("null");
    else this.#skipNumber();
  }

  #skipWord(word: string): void {
    if (!this.#text.startsWith(word, this.at)) this.#fail("syntax");
    this.at += word.length;
  }

  #skipNumber(): void {
    NUMBER.lastIndex = this.at;
    if (NUMBER.test(this.#text)) this.at = NUMBER.lastIndex;
    else this.#fail("syntax");
  }

  /** Moves past a string; returns whether it holds a backslash. */
  #skipString(): boolean {
    const from = this.at;
    for (let at = from + 1; at < from + LONG_STRING_CHARS; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) {
        this.at = at + 1;
        return false;
      }
      // The comparison is false at the end of the text, too.
      if (code === BACKSLASH || !(code >= 0x20)) break;
    }
    return this.#skipLongString(from);
  }

  #skipLongString(from: number): boolean {
    const end = endOfString(this.#text, from);
    const literal = this.#text.slice(from, end + 1);
    if (end < 0 || !isStringLiteral(literal)) this.#fail("syntax");
    this.at = end + 1;
    return literal.includes("\\");
  }
}
