import { redact } from "./secrets.ts";

/**
 * The first `maxChars` of `text`, as a copy. `slice`, `trim` and regular expressions give views that keep the whole
 * text alive in V8: the first hundred characters of a name of megabytes would hold all of it.
 */
export function clip(text: string, maxChars: number): string {
  // V8 flattens a concatenation before it cuts it, so this is a view of the short copy.
  return ` ${text.slice(0, maxChars)}`.slice(1);
}

/** As {@linkcode clip} for a message: without secrets, those that the cut goes through included. */
export function clipRedacted(text: string, maxChars: number): string {
  return clip(redact(text, maxChars), maxChars);
}

/**
 * `text` without the `chars` at its end. An expression such as `/-+$/` takes time quadratic in a run of them
 * elsewhere.
 */
export function trimEndOf(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** `text` without the `chars` at its beginning. */
export function trimStartOf(text: string, chars: string): string {
  let start = 0;
  while (start < text.length && chars.includes(text[start]!)) start++;
  return text.slice(start);
}

/** How much of a name is shown in a message. */
export const MAX_NAME_CHARS = 100;

/** A foreign value as shown in a message: a text in quotes, a number as it is, of anything else its type. */
export function quoteValue(value: unknown): string {
  if (typeof value === "string") return quoteName(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : `${value as number | boolean | null}`;
}

/**
 * `name` in quotes, cut if it is long.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quoteName } from "./text.ts";
 *
 * assertEquals(quoteName('a"b'), '"a\\"b"');
 * assertEquals(quoteName("x".repeat(200)).length, 103);
 * ```
 */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > MAX_NAME_CHARS ? `${clipRedacted(name, MAX_NAME_CHARS)}…` : name);
}

/** The words that a list is filtered by, in lower case. */
export function filterWords(filter: string): string[] {
  return filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
}

/**
 * `1 call`, `2 calls`: a number with its noun, which takes an s in the plural.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { counted } from "./text.ts";
 *
 * assertEquals([counted(1, "call"), counted(0, "call")], ["1 call", "0 calls"]);
 * assertEquals(counted(2, "process"), "2 processes");
 * ```
 */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

/**
 * `text` as one word of a POSIX shell, for commands that a message tells the user to run.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { quoteForShell } from "./text.ts";
 *
 * assertEquals(quoteForShell("/home/o'neil/.exai"), "'/home/o'\\''neil/.exai'");
 * ```
 */
export function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** FNV-1a, 32 bits, in base 36: a short, stable hash. Not for secrets. */
export function fnv1a(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0).toString(36).padStart(7, "0");
}

/**
 * `text` in UTF-16 with a NUL at its end, as the functions of Windows take it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { wideString } from "./text.ts";
 *
 * assertEquals([...wideString("ü")], [0xFC, 0]);
 * ```
 */
export function wideString(text: string): Uint16Array<ArrayBuffer> {
  const units = new Uint16Array(text.length + 1);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return units;
}
