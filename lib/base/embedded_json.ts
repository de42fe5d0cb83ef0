import { isObject, type JsonObject, ownEntry, parseJson } from "./json.ts";

/** Whitespace of JSON. */
const SPACE = /[ \t\r\n]*/y;

/** A JSON number, `true`, `false` or `null`. */
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Literals of Python, and what they are in JSON. */
const PYTHON_LITERAL = /True|False|None/y;
const JSON_LITERALS: Readonly<Record<string, string>> = { True: "true", False: "false", None: "null" };

/** A part of a string up to a backslash, its end, or a character that must be escaped. */
// deno-lint-ignore no-control-regex
const PLAIN = /[^"\\\u0000-\u001f]*/y;

/** The beginning of an object with a key, or an empty object. */
const OBJECT_START = /\{[ \t\r\n]*["}/]/g;

/**
 * Returns the JSON objects in `text`, whatever stands around them, in order. Objects within objects are not listed, nor
 * are those within an object that is broken. Accepted is what models often write: a comma before a closing bracket, raw
 * line breaks in strings, comments, literals of Python. Takes time linear in the length of `text`.
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
    const value = scan.isComplete ? parseJson(scan.json) : undefined;
    if (isObject(value)) found.push(value);
    OBJECT_START.lastIndex = Math.max(scan.resumeAt, start.index + 1);
  }
  return found;
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
        this.#skipSpace();
        if (this.#text[this.end] === ",") {
          this.#replace(this.end++, "");
          if (this.#isBeforeEnd(open)) continue;
          this.#repaired += ",";
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

  /** Whether only space stands before the closing bracket of the innermost value. */
  #isBeforeEnd(open: readonly string[]): boolean {
    this.#skipSpace();
    return this.#text[this.end] === (open.at(-1) === "{" ? "}" : "]");
  }

  /** Reads the closing bracket of the innermost value, if it comes next. */
  #closes(open: string[]): boolean {
    if (!this.#isBeforeEnd(open)) return false;
    open.pop();
    this.end++;
    return true;
  }

  /** Reads the key of the next value; in an array there is none. */
  #readKey(open: readonly string[]): boolean {
    this.#skipSpace();
    if (open.at(-1) !== "{") return true;
    if (this.#text[this.end] !== '"' || !this.#readString()) return false;
    this.#skipSpace();
    if (this.#text[this.end] !== ":") return false;
    this.end++;
    this.#skipSpace();
    return true;
  }

  #readScalar(): boolean {
    if (this.#text[this.end] === '"') return this.#readString();
    if (this.#skip(LITERAL) > 0) return true;
    const start = this.end;
    if (this.#skip(PYTHON_LITERAL) === 0) return false;
    this.#replace(start, ownEntry(JSON_LITERALS, this.#text.slice(start, this.end))!);
    return true;
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

  /** Skips whitespace and comments. */
  #skipSpace(): void {
    this.#skip(SPACE);
    while (this.#text[this.end] === "/") {
      const start = this.end;
      const isBlock = this.#text.startsWith("/*", start);
      if (!isBlock && !this.#text.startsWith("//", start)) return;
      const end = this.#text.indexOf(isBlock ? "*/" : "\n", start);
      if (end < 0) return;
      this.end = end + (isBlock ? 2 : 1);
      this.#replace(start, "");
      this.#skip(SPACE);
    }
  }

  /** Replaces the text from `at` to where the scan stands. */
  #replace(at: number, by: string): void {
    this.#repaired += this.#text.slice(this.#start, at) + by;
    this.#start = this.end;
  }

  #skip(pattern: RegExp): number {
    pattern.lastIndex = this.end;
    const length = pattern.exec(this.#text)?.[0].length ?? 0;
    this.end += length;
    return length;
  }
}
