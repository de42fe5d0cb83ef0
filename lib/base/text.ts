/**
 * The first `maxChars` of `text`, for whoever keeps them. What `slice`, `trim` and a regular expression give is a view in
 * V8 that keeps the whole text alive: of a name of megabytes, its first hundred letters would hold all of it.
 */
export function clip(text: string, maxChars: number): string {
  // Joined texts are written out before they are cut, so that this is a view of the short copy alone.
  return ` ${text.slice(0, maxChars)}`.slice(1);
}

/**
 * `text` without the `chars` at its end. An expression such as `/-+$/` takes time that grows with the square of a run of
 * them that does not stand at the end.
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

/** Of a name, this much is shown in a message. */
export const MAX_NAME_CHARS = 100;

/** A foreign value for a message: a short text in quotes, a number as it is, of anything else what it is. */
export function quoteValue(value: unknown): string {
  if (typeof value === "string") return quoteName(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : `${value as number | boolean | null}`;
}

/** `name` in quotes for a message, cut if it is long. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name);
}

/** FNV-1a, 32 bits, in base 36: short and the same everywhere. Tells texts apart; keeps nothing secret. */
export function fnv1a(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0).toString(36).padStart(7, "0");
}
