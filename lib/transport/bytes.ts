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
