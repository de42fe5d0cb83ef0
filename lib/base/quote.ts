/** Of a name, this much is shown in a message. */
export const MAX_NAME_CHARS = 100;

/** `name` in quotes for a message, cut if it is long. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name);
}
