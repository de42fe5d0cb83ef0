import { isObject, type JsonObject } from "./json.ts";

/** Whitespace of JSON. */
const SPACE = /[ \t\r\n]*/y;

/** A JSON number, `true`, `false` or `null`. */
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** A part of a string up to a backslash, its end, or a character that must be escaped. */
// deno-lint-ignore no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y;

/** The beginning of an object with a key, or an empty object. */
const OBJECT_START = /\{[ \t\r\n]*["}]/g;

/**
 * Returns the JSON objects in `text`, whatever stands around them, in order. Objects within objects are not listed, nor
 * are those within an object that is broken. A comma before a closing bracket and raw line breaks in strings, both common
 * in what models write, are accepted. Takes time linear in the length of `text`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { jsonObjectsIn } from "./embedded_json.ts";
 *
 * assertEquals(jsonObjectsIn('Of {x} I say {"a": {"b": 1},} and {"c": 2}.'), [{ a: { b: 1 } }, { c: 2 }]);
 * ```
 */
export function jsonObjectsIn(text: string): JsonObject[] {
  const found: JsonObject[] = [];
  OBJECT_START.lastIndex = 0;
  for (let start; (start = OBJECT_START.exec(text)) !== null;) {
    const scan = new ObjectScan(text, start.index);
    const value = scan.isComplete ? parse(scan.json) : undefined;
    if (isObject(value)) found.push(value);
    OBJECT_START.lastIndex = Math.max(scan.resumeAt, start.index + 1);
  }
  return found;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One object, read until it ends or stops being JSON. No value is kept, so that deep nesting costs no stack. */
class ObjectScan {
  /** Where the object ends, or where it stops being JSON. */
  end: number;
  readonly isComplete: boolean;
  readonly #text: string;
  #start: number;
  /** Where the last string began: a quote in prose makes a string of what is none. */
  #stringStart: number;
  #repaired = "";

  constructor(text: string, start: number) {
    this.#text = text;
    this.#start = this.#stringStart = this.end = start;
    this.isComplete = this.#readValue();
  }

  /** Where to look for the next object. */
  get resumeAt(): number {
    return this.isComplete ? this.end : this.#stringStart + 1;
  }

  /** The object as strict JSON. */
  get json(): string {
    return this.#repaired + this.#text.slice(this.#start, this.end);
  }

  #readValue(): boolean {
    const open: string[] = [];
    for (;;) {
      const bracket = this.#text[this.end];
      if (bracket === "{" || bracket === "[") {
        open.push(bracket);
        this.end++;
        if (!this.#closes(open) && !this.#readKey(open)) return false;
        else if (!this.#isBetween(open)) continue;
      } else if (!this.#readScalar()) return false;
      // A value has ended: close what ends with it, or go on to the next one.
      for (;;) {
        if (open.length === 0) return true;
        this.#skip(SPACE);
        if (this.#text[this.end] === ",") {
          const comma = this.end++;
          if (this.#closes(open)) {
            this.#replace(comma, "");
            continue;
          }
          if (!this.#readKey(open)) return false;
          break;
        }
        if (!this.#closes(open)) return false;
      }
    }
  }

  /** Whether the last bracket was closed at once, so that a value has ended. */
  #isBetween(open: readonly string[]): boolean {
    const last = this.#text[this.end - 1];
    return open.length === 0 || last === "}" || last === "]";
  }

  /** Reads the closing bracket of the innermost value, if it comes next. */
  #closes(open: string[]): boolean {
    this.#skip(SPACE);
    if (this.#text[this.end] !== (open.at(-1) === "{" ? "}" : "]")) return false;
    open.pop();
    this.end++;
    return true;
  }

  /** Reads the key of the next value; in an array there is none. */
  #readKey(open: readonly string[]): boolean {
    this.#skip(SPACE);
    if (open.at(-1) !== "{") return true;
    if (this.#text[this.end] !== '"' || !this.#readString()) return false;
    this.#skip(SPACE);
    if (this.#text[this.end] !== ":") return false;
    this.end++;
    this.#skip(SPACE);
    return true;
  }

  #readScalar(): boolean {
    return this.#text[this.end] === '"' ? this.#readString() : this.#skip(LITERAL) > 0;
  }

  #readString(): boolean {
    this.#stringStart = this.end++;
    for (;;) {
      this.#skip(PLAIN);
      const char = this.#text[this.end];
      if (char === undefined) return false;
      if (char === '"') {
        this.end++;
        return true;
      }
      if (char === "\\") this.end += 2;
      else this.#replace(this.end++, JSON.stringify(char).slice(1, -1));
    }
  }

  #replace(at: number, by: string): void {
    this.#repaired += this.#text.slice(this.#start, at) + by;
    this.#start = at + 1;
  }

  #skip(pattern: RegExp): number {
    pattern.lastIndex = this.end;
    const length = pattern.exec(this.#text)?.[0].length ?? 0;
    this.end += length;
    return length;
  }
}
