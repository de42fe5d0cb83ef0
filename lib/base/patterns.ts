/** Says which texts fit. */
export interface Matcher {
  test(text: string): boolean;
}

/**
 * A list of patterns as one matcher; `*` stands for any characters. As an expression each `*` would multiply the time
 * by the length of the name, which somebody else has chosen.
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

/** Whether `text` is `parts` with anything between them: each is taken where it first comes, which leaves most. */
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
