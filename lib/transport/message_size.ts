import { Buffer } from "node:buffer";

/** The UTF-8 length of `text` in bytes. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** Whether `text` takes more than `maxBytes` in UTF-8; counts only when its length leaves that open. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  if (text.length * 3 <= maxBytes) return false;
  return text.length > maxBytes || byteLength(text) > maxBytes;
}

/** What a container or a primitive adds beside the text in it, in UTF-16 code units; rather too much than too little. */
const NODE_CHARS = 8;
const MAX_DEPTH = 200;

/** The most bytes of UTF-8 one UTF-16 code unit of a string can take in JSON: an escape such as `\u0001`. */
export const MAX_BYTES_PER_CHAR = 6;

/**
 * About how many UTF-16 code units `value` takes as JSON, found by looking instead of writing: the text of its strings
 * before escapes, and a little for everything else. `Infinity` beyond `maxChars` and for what may not be JSON at all.
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
