import { KIB } from "../base/units.ts";
import type { ScanLimits } from "./json_scan.ts";
import { endOfString } from "./json_string.ts";
import { type RawObject, rawObject } from "./raw_object.ts";

/** Deepest nesting of a message. Real schemas and arguments stay below 50. */
export const MAX_DEPTH = 512;
/**
 * The same for a server's messages. It is larger since rejecting one rejects all that is in it, such as a list with
 * one deep definition that would be left out by itself.
 */
export const MAX_SERVER_DEPTH = 4096;
/** A message of a server within these is read without parsing it. */
export const SERVER_LIMITS = { depth: MAX_SERVER_DEPTH, members: Infinity };
/**
 * Members of all objects of a message together: parsing each costs microseconds, and nothing else runs meanwhile.
 */
export const MAX_MEMBERS = 100_000;

/** A smaller text cannot have too many members, nor a nesting that overflows any stack. */
export const MIN_CHECKED_CHARS = 4 * KIB;
/** A text that is nested too deeply has at least this length. */
const MIN_DEEP_CHARS = 2 * (MAX_SERVER_DEPTH + 1);

/** What is wrong with a message of a client that is beyond `limit`. */
export function limitFault(limit: keyof ScanLimits): string {
  return limit === "depth"
    ? `a message may be nested ${MAX_DEPTH} levels deep at most`
    : `a message may have ${MAX_MEMBERS} members (keys) at most`;
}

const QUOTE = 0x22;
const COLON = 0x3a;

/**
 * The limit that a message of a client is beyond, if any. Checked before parsing: to parse a million levels or members
 * blocks everything else for seconds.
 */
export function shapeFault(text: string): keyof ScanLimits | undefined {
  return text.length < MIN_CHECKED_CHARS
    ? undefined
    : faultOf(text, { depth: MAX_DEPTH, members: MAX_MEMBERS });
}

/**
 * Whether `text`, sent by a server, is nested too deeply to be parsed. Most texts are cleared by counting brackets,
 * those in strings included, which costs next to nothing.
 */
export function isTooDeep(text: string): boolean {
  return text.length >= MIN_DEEP_CHARS && hasManyBrackets(text) &&
    faultOf(text, { depth: MAX_SERVER_DEPTH, members: Infinity }) !== undefined;
}

function hasManyBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of ["[", "{"]) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > MAX_SERVER_DEPTH) return true;
    }
  }
  return false;
}

function faultOf(text: string, max: ScanLimits): keyof ScanLimits | undefined {
  let depth = 0;
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at < 0) return undefined;
    } else if (code === COLON) {
      if (++members > max.members) return "members";
      // `[` and `{`, `]` and `}` differ in this one bit.
    } else if ((code & ~0x20) === 0x5b) {
      if (++depth > max.depth) return "depth";
    } else if ((code & ~0x20) === 0x5d) depth--;
  }
  return undefined;
}

/** A text of this size is read whole, whatever its shape. */
const MAX_READ_CHARS = 256 * KIB;
/** How much of the outermost level of a larger text is read. */
const MAX_OUTLINE_CHARS = 64 * KIB;

/**
 * The outermost members of a message with an invalid shape, to find out whose error response it gets. In a large one,
 * nested values are empty. Undefined if it cannot be determined.
 */
export function outlineOf(text: string): RawObject | undefined {
  const outline = text.length <= MAX_READ_CHARS ? text : withoutNested(text);
  return outline === undefined ? undefined : rawObject(outline);
}

/** `text` with the contents of what is nested deeper than `kept` levels removed. */
export function withoutNested(text: string, kept = 1): string | undefined {
  let outline = "";
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const end = code === QUOTE ? endOfString(text, at) : at;
    if (end < 0) return undefined;
    const closes = (code & ~0x20) === 0x5d;
    if (closes) depth--;
    if (depth <= kept && (depth < kept || !closes)) outline += text.slice(at, end + 1);
    if ((code & ~0x20) === 0x5b && ++depth === kept + 1) outline += code === 0x5b ? "]" : "}";
    if (outline.length > MAX_OUTLINE_CHARS) return undefined;
    at = end;
  }
  return outline;
}
