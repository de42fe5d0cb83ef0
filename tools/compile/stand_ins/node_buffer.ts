/**
 * Stands in for `node:buffer` and the global `Buffer` in the bundle of the shim, with what is used of them there. As every
 * module of Node.js, the real one would load the rest of what Deno has of Node.js: 2 MB and 5 ms for each window.
 */
export class Buffer extends Uint8Array {
  static alloc(bytes: number): Buffer {
    return new Buffer(bytes);
  }

  /** The same memory. */
  static override from(buffer: unknown, offset?: unknown, length?: unknown): Buffer {
    return new Buffer(buffer as ArrayBuffer, offset as number, length as number);
  }

  static concat(parts: readonly Uint8Array[], bytes = parts.reduce((sum, part) => sum + part.length, 0)) {
    const all = new Buffer(bytes);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  static byteLength(text: string): number {
    return encoder.encode(text).length;
  }

  /** As UTF-8, the only encoding there is. */
  override toString(_encoding?: string, start = 0, end = this.length): string {
    return decoder.decode(super.subarray(start, end));
  }

  /** Of a byte, or of a character of ASCII. */
  override indexOf(value: number | string, from?: number): number {
    return super.indexOf(typeof value === "string" ? value.charCodeAt(0) : value, from);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
