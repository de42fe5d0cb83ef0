import { pick, type Random } from "./frames.ts";

/** Pieces of strings, between quotes: every escape, surrogates in and out of pairs, what no string may hold. */
const STRING_PIECES: readonly string[] = [
  "name",
  "a",
  "é",
  "😀",
  "\ud83d",
  "\u2028",
  "\u007f",
  "\ufeff",
  "long ".repeat(20),
  "é".repeat(70),
  '\\"',
  "\\\\",
  "\\/",
  "\\b",
  "\\f",
  "\\n",
  "\\r",
  "\\t",
  "\\u006e",
  "\\u0000",
  "\\uD83D\\uDE00",
  "\\ud800",
  "\\u2028",
  "\\u00fg",
  "\\u12",
  "\\x41",
  "\\'",
  "\\",
  "\n",
  "\t",
  "\u0000",
  "\u001f",
  '"',
];

/** How many of the pieces, from the first, a valid string may hold. */
const VALID_PIECES = STRING_PIECES.indexOf("\\u00fg");

const SCALARS: readonly string[] = [
  ..."0,-0,1,-1,1.0,1.50,0.1,9007199254740993,-9007199254740993,123456789012345678901234567890".split(","),
  ..."1e400,-1e400,1E+2,1e-2,1e2,true,false,null,2.5e0".split(","),
  // From here on none is valid.
  ..."01,-,+1,1.,.5,1e,1e+,0x1,1_0,--1,NaN,Infinity,-Infinity,tru,nul,True,undefined,1 2".split(","),
  ..."\u0660,1\u00a0,',/**/,0.0.0,1e1.5".split(","),
];

const VALID_SCALARS = SCALARS.indexOf("01");

const SPACES: readonly string[] = [
  " ",
  "\t",
  "\r\n",
  "\n",
  "  ",
  "\u00a0",
  "\ufeff",
  "\v",
  "\f",
  "\u2003",
  "//",
];
const VALID_SPACES = SPACES.indexOf("\u00a0");

/** Names of members that mean something; the escaped ones mean the same. */
const NAMES: readonly string[] = [
  ..."jsonrpc,id,method,params,result,error,name,uri,_meta,arguments,cursor,__proto__,1,toString".split(","),
  "p\\u0061rams",
  "\\u0069d",
  "n\\u0061me",
  "m\\u0065thod",
];

/**
 * Not in a name: once V8 15.0 has read a name that ends in a backslash, it reads a name in that place of as many characters,
 * of which an escape is the last, as the former: `JSON.parse('{"a":1,"\\\\":1}')`, then `JSON.parse('{"a":1,"\\n":1}')`.
 */
const MISREAD_PIECE = "\\\\";

/** Writes JSON texts of any form, and with a small chance for each part what is none. */
export class JsonTextMaker {
  readonly #random: Random;
  /** The chance that a part is what JSON does not have. */
  #spoilt = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): string {
    this.#spoilt = this.#random() < 0.5 ? 0 : this.#random() ** 2 * 0.1;
    const depth = Math.floor(this.#random() * 5);
    return this.#space() + (this.#random() < 0.9 ? this.#object(depth) : this.#value(depth)) + this.#space();
  }

  #value(depth: number): string {
    const choice = this.#random();
    if (choice < 0.3 && depth > 0) return this.#object(depth - 1);
    if (choice < 0.45 && depth > 0) return this.#list(depth - 1);
    if (choice < 0.7) return this.#string();
    return this.#pick(SCALARS, VALID_SCALARS);
  }

  #object(depth: number): string {
    const members = this.#many(() => {
      const name = this.#random() < 0.8 ? `"${pick(NAMES, this.#random)}"` : this.#name();
      return `${this.#space()}${name}${this.#space()}${this.#mark(":")}${this.#space()}${this.#value(depth)}`;
    });
    return `{${members}${this.#space()}${this.#mark("}")}`;
  }

  #list(depth: number): string {
    return `[${this.#many(() => this.#space() + this.#value(depth))}${this.#space()}${this.#mark("]")}`;
  }

  #many(make: () => string): string {
    const count = Math.floor(this.#random() ** 2 * 7);
    return Array.from({ length: count }, make).join(this.#space() + this.#mark(","));
  }

  #name(): string {
    const name = this.#string();
    return name.includes(MISREAD_PIECE) ? '""' : name;
  }

  #string(): string {
    const count = Math.floor(this.#random() ** 3 * 6);
    const pieces = Array.from({ length: count }, () => this.#pick(STRING_PIECES, VALID_PIECES));
    return `"${pieces.join("")}${this.#mark('"')}`;
  }

  #space(): string {
    return this.#random() < 0.8 ? "" : this.#pick(SPACES, VALID_SPACES);
  }

  #pick(list: readonly string[], valid: number): string {
    return list[Math.floor(this.#random() * (this.#isSpoilt() ? list.length : valid))]!;
  }

  /** A mark, or in its place another or none. */
  #mark(mark: string): string {
    return this.#isSpoilt() ? pick(["", ",", ":", "}", "]", '"', "{", ",,"], this.#random) : mark;
  }

  #isSpoilt(): boolean {
    return this.#random() < this.#spoilt;
  }
}
