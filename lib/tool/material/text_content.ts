/** The part searched for a NUL byte, as git does. */
const SNIFFED_BYTES = 8000;

const BYTE_ORDER_MARKS: readonly [mark: readonly number[], encoding: string][] = [
  [[0xef, 0xbb, 0xbf], "utf-8"],
  [[0xff, 0xfe], "utf-16le"],
  [[0xfe, 0xff], "utf-16be"],
];

/** Decodes text in any common encoding; undefined for binary data. */
export function decodeText(bytes: Uint8Array): string | undefined {
  const marked = BYTE_ORDER_MARKS.find(([mark]) => mark.every((byte, i) => bytes[i] === byte))?.[1];
  if (marked !== undefined) return new TextDecoder(marked).decode(bytes);
  if (bytes.subarray(0, SNIFFED_BYTES).includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // In windows-1252, used by older sources, every byte is valid.
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * Prefixes each line with its number, so that a model can cite it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { numberLines } from "./text_content.ts";
 *
 * assertEquals(numberLines("a\nb\n"), "1| a\n2| b");
 * ```
 */
export function numberLines(text: string): string {
  const lines = text.replace(/\n$/, "").split("\n");
  const width = String(lines.length).length;
  return lines.map((line, i) => `${String(i + 1).padStart(width)}| ${line}`).join("\n");
}
