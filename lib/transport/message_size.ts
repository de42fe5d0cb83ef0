import { Buffer } from "node:buffer";

/** The UTF-8 length of `text` in bytes. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** Whether `text` takes more than `maxBytes` in UTF-8; encodes it only if its length leaves that open. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  if (text.length * 3 <= maxBytes) return false;
  return text.length > maxBytes || byteLength(text) > maxBytes;
}

/** What a container or a primitive adds beside its text, in UTF-16 code units; rather too much. */
const NODE_CHARS = 8;
const MAX_DEPTH = 200;

/** Most UTF-8 bytes that one UTF-16 code unit of a string takes in JSON: an escape such as `\u0001`. */
export const MAX_BYTES_PER_CHAR = 6;

/**
 * About how many UTF-16 code units `value` takes as JSON, without serializing it: the text of its strings before
 * escapes, and a little for everything else.
 *
 * @returns `Infinity` beyond `maxChars`, and for a value that may not be JSON
 */
export function jsonChars(value: unknown, maxChars: number): number {
  const left = subtract(value, maxChars, 0);
  return left < 0 ? Infinity : maxChars - left;
}

function subtract(value: unknown, left: number, depth: number): number {
  if (left < 0) return left;
  if (typeof value === "string") return left - value.length - NODE_CHARS;
  if (typeof value !== "object" || value === null) {
    return typeof value === "bigint" || typeof value === "function" ? -1 : left - NODE_CHARS * 2;
  }
  if (depth > MAX_DEPTH) return -1;
  left -= NODE_CHARS;
  if (Array.isArray(value)) {
    for (const item of value) {
      left = subtract(item, left, depth + 1);
      if (left < 0) return left;
    }
    return left;
  }
  for (const [key, item] of Object.entries(value)) {
    left = subtract(item, left - key.length - NODE_CHARS, depth + 1);
    if (left < 0) return left;
  }
  return left;
}
