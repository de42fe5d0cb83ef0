export interface Matcher {
  test(text: string): boolean;
}

/**
 * A list of patterns as one matcher; `*` matches any characters. Not a regular expression, in which each `*` would
 * multiply the time by the length of a foreign name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { anyOf } from "./patterns.ts";
 *
 * const matcher = anyOf(["read_*", "list"]);
 * assertEquals(["read_file", "list", "lists"].map((name) => matcher.test(name)), [true, true, false]);
 * ```
 */
export function anyOf(patterns: readonly string[], options: { ignoreCase?: boolean } = {}): Matcher {
  const fold = (text: string) => options.ignoreCase ? text.toLowerCase() : text;
  const split = patterns.map((pattern) => fold(pattern).split("*"));
  return {
    test(text) {
      const folded = fold(text);
      return split.some((parts) => fits(folded, parts));
    },
  };
}

/**
 * Whether `text` is `parts` with anything between them. Taking each part where it first occurs leaves most for the
 * rest.
 */
function fits(text: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}
