/** A list of patterns as one expression; `*` stands for any characters. */
export function anyOf(patterns: readonly string[], options: { ignoreCase?: boolean } = {}): RegExp {
  const alternatives = patterns.map((pattern) => pattern.split("*").map(RegExp.escape).join(".*"));
  return new RegExp(`^(?:${alternatives.join("|")})$`, options.ignoreCase ? "is" : "s");
}
