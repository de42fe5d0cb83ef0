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

/** A text of this size is parsed soon enough, whatever its shape. */
const MAX_PARSED_CHARS = 256 * KIB;
/** Of what is outermost in a larger one, this much is parsed. */
const MAX_OUTLINE_CHARS = 64 * KIB;

/**
 * A message whose shape is refused, to tell by its outermost members whose answer the refusal is: of a large one what
 * is nested stands empty. Undefined where that cannot be told.
 */
export function outlineOf(text: string): unknown {
  const outline = text.length <= MAX_PARSED_CHARS ? text : withoutNested(text);
  try {
    return outline === undefined ? undefined : JSON.parse(outline);
  } catch {
    return undefined;
  }
}

function withoutNested(text: string): string | undefined {
  let outline = "";
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const end = code === QUOTE ? endOfString(text, at) : at;
    if (end < 0) return undefined;
    const closes = (code & ~0x20) === 0x5d;
    if (closes) depth--;
    if (depth <= 1 && (depth === 0 || !closes)) outline += text.slice(at, end + 1);
    if ((code & ~0x20) === 0x5b && ++depth === 2) outline += code === 0x5b ? "]" : "}";
    if (outline.length > MAX_OUTLINE_CHARS) return undefined;
    at = end;
  }
  return outline;
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
