import { decodeLegacy } from "./legacy_encoding.ts";

/** The part searched for a NUL byte, as git does. */
const SNIFFED_BYTES = 8000;

/** Share of undecodable characters among those outside ASCII in a text that is UTF-8 but for a few errors. */
const MAX_ERROR_SHARE = 0.1;

/** Share of bytes outside ASCII in a text that is readable without them. */
const MAX_ODD_SHARE = 0.01;

const WITH_ERRORS = "UTF-8 with errors";

const BYTE_ORDER_MARKS: readonly [mark: readonly number[], encoding: string | undefined][] = [
  [[0xef, 0xbb, 0xbf], "utf-8"],
  // UTF-32, which no decoder here knows.
  [[0xff, 0xfe, 0, 0], undefined],
  [[0xff, 0xfe], "utf-16le"],
  [[0xfe, 0xff], "utf-16be"],
];

/** The text of a file, or why it has none. */
type FileText =
  | { kind: "text"; text: string; /** An encoding that was guessed. */ guessed?: string }
  | { kind: "binary" }
  | { kind: "unclear"; candidates: readonly string[] };

/** Decodes text in any common encoding. */
export function decodeText(bytes: Uint8Array): FileText {
  const mark = BYTE_ORDER_MARKS.find(([mark]) => mark.every((byte, i) => bytes[i] === byte));
  if (mark !== undefined) return mark[1] === undefined ? { kind: "binary" } : textIn(bytes, mark[1]);
  const head = bytes.subarray(0, SNIFFED_BYTES);
  if (head.includes(0)) {
    const encoding = unmarkedUtf16(head);
    return encoding === undefined ? { kind: "binary" } : textIn(bytes, encoding);
  }
  const decoded = decodeBytes(bytes);
  // Editors of two ages may have written into one file.
  return decoded.kind === "unclear" ? decodeLines(bytes) : decoded;
}

/** Decodes a diff, which has the encodings of its files: a file that is converted has two. */
export function decodeDiff(bytes: Uint8Array): FileText {
  const whole = toUtf8(bytes);
  return whole === undefined ? decodeLines(bytes) : { kind: "text", text: whole };
}

/** Decodes the lines that are UTF-8 as such, and all others together. */
function decodeLines(bytes: Uint8Array): FileText {
  const lines = splitLines(bytes).map((line) => ({ line, text: toUtf8(line) }));
  const others = lines.filter(({ text }) => text === undefined).map(({ line }) => line);
  const decoded = decodeBytes(join(others));
  if (decoded.kind !== "text") return decoded;
  const texts = decoded.text.split(/(?<=\n)/);
  // An encoding whose characters may hold the byte of a line end would shift the lines.
  if (texts.length !== others.length) return { kind: "unclear", candidates: [decoded.guessed ?? "UTF-8"] };
  let next = 0;
  return { ...decoded, text: lines.map(({ text }) => text ?? texts[next++]).join("") };
}

function decodeBytes(bytes: Uint8Array): FileText {
  const text = toUtf8(bytes);
  if (text !== undefined) {
    return text.includes("\x1b$") ? textIn(bytes, "iso-2022-jp") : { kind: "text", text };
  }
  const repaired = new TextDecoder().decode(bytes);
  if (errorShare(repaired) <= MAX_ERROR_SHARE) {
    return { kind: "text", text: repaired, guessed: WITH_ERRORS };
  }
  const legacy = decodeLegacy(bytes);
  if ("candidates" in legacy) {
    // A few odd bytes in a source file are no reason to withhold it.
    const isNearlyAscii = bytes.filter((byte) => byte > 0x7f).length <= bytes.length * MAX_ODD_SHARE;
    return isNearlyAscii
      ? { kind: "text", text: repaired, guessed: WITH_ERRORS }
      : { kind: "unclear", ...legacy };
  }
  return { kind: "text", text: legacy.text, guessed: legacy.encoding };
}

function textIn(bytes: Uint8Array, encoding: string): FileText {
  return { kind: "text", text: new TextDecoder(encoding).decode(bytes) };
}

function toUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF-16 without a mark: every other byte of ASCII in it is zero. */
function unmarkedUtf16(head: Uint8Array): "utf-16le" | "utf-16be" | undefined {
  const [even, odd] = [0, 1].map((first) => head.filter((_, i) => i % 2 === first)) as [
    Uint8Array,
    Uint8Array,
  ];
  if (head.length < 4) return undefined;
  if (shareOf(odd, isZero) > 0.7 && shareOf(even, isPrintable) > 0.9) return "utf-16le";
  return shareOf(even, isZero) > 0.7 && shareOf(odd, isPrintable) > 0.9 ? "utf-16be" : undefined;
}

function shareOf(bytes: Uint8Array, test: (byte: number) => boolean): number {
  return bytes.filter(test).length / bytes.length;
}

function isZero(byte: number): boolean {
  return byte === 0;
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function errorShare(text: string): number {
  let errors = 0;
  let count = 0;
  for (const char of text) {
    if (char <= "\x7f") continue;
    count++;
    if (char === "\ufffd") errors++;
  }
  return errors / count;
}

function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    const next = end < 0 ? bytes.length : end + 1;
    lines.push(bytes.subarray(start, next));
    start = next;
  }
  return lines;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
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
