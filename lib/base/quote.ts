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
