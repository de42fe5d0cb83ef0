const NOT_LATIN1 = /[^\0-\xff]/;

/** About what V8 needs for an object or a primitive, beside its text. */
const NODE_BYTES = 16;
const MAX_DEPTH = 200;

/** The memory `text` takes in V8: one byte a code unit if all of them are Latin-1, two otherwise. */
export function heapBytes(text: string): number {
  // For a one-byte string V8 knows without a scan that nothing can match.
  return NOT_LATIN1.test(text) ? text.length * 2 : text.length;
}

/** About the memory a parsed JSON value takes. */
export function heapBytesOf(value: unknown, depth = 0): number {
  if (typeof value === "string") return heapBytes(value) + NODE_BYTES;
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return NODE_BYTES;
  let bytes = NODE_BYTES;
  if (Array.isArray(value)) {
    for (const item of value) bytes += heapBytesOf(item, depth + 1);
    return bytes;
  }
  for (const [key, item] of Object.entries(value)) {
    bytes += NODE_BYTES + heapBytes(key) + heapBytesOf(item, depth + 1);
  }
  return bytes;
}
