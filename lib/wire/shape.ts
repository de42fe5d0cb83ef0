import { KIB } from "../base/units.ts";

/** How deeply a message may be nested. Real schemas and arguments stay below 50. */
export const MAX_DEPTH = 512;
/** How many members all objects of a message may have together: reading each costs microseconds, and nothing else runs. */
export const MAX_MEMBERS = 100_000;

/** A smaller text can hold neither too many members nor a nesting that anything here runs out of stack on. */
const MIN_CHECKED_CHARS = 4 * KIB;

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * What is wrong with the shape of a message, if anything is. It is looked for in its text, before it is parsed: parsing
 * a million levels or members stops everything else for seconds.
 */
export function shapeFault(text: string): string | undefined {
  if (text.length < MIN_CHECKED_CHARS) return undefined;
  let depth = 0;
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at < 0) return undefined;
    } else if (code === COLON) {
      if (++members > MAX_MEMBERS) return `a message may have ${MAX_MEMBERS} members (keys) at most`;
      // `[` and `{`, `]` and `}` differ in this one bit.
    } else if ((code & ~0x20) === 0x5b) {
      if (++depth > MAX_DEPTH) return `a message may be nested ${MAX_DEPTH} levels deep at most`;
    } else if ((code & ~0x20) === 0x5d) depth--;
  }
  return undefined;
}

/** Where the string that begins at `from` ends; -1 if it does not. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}
