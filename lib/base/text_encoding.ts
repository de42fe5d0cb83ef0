/** A text and how it was written. */
interface DecodedText {
  text: string;
  /** `windows-1252`: it was no UTF-8, so that letters outside ASCII are a guess. */
  encoding: "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";
}

/** How much of a file without a mark is looked at. */
const LOOK_BYTES = 512;

/**
 * The text in `bytes`, without the byte order mark: UTF-8, UTF-16 as PowerShell 5 and the Notepad write it, or else
 * Windows-1252, which holds Latin-1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeText } from "./text_encoding.ts";
 *
 * assertEquals(decodeText(Uint8Array.of(0xff, 0xfe, 0x7b, 0, 0x7d, 0)), { text: "{}", encoding: "utf-16le" });
 * assertEquals(decodeText(Uint8Array.of(0xfc)), { text: "ü", encoding: "windows-1252" });
 * ```
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  const encoding = encodingOf(bytes);
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding };
  } catch {
    return { text: new TextDecoder("windows-1252").decode(bytes), encoding: "windows-1252" };
  }
}

function encodingOf(bytes: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  // The first character of a configuration file is ASCII: its other byte is zero.
  const look = bytes.subarray(0, LOOK_BYTES);
  if (look.length >= 4 && look[0] !== 0 && look[1] === 0 && look[3] === 0) return "utf-16le";
  return look.length >= 4 && look[0] === 0 && look[1] !== 0 && look[2] === 0 ? "utf-16be" : "utf-8";
}
