import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { MAX_NAME_CHARS } from "./text.ts";

/**
 * Up to three of `names` that `word` may be a typo of, closest first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { closeMatches } from "./suggest.ts";
 *
 * assertEquals(closeMatches("verson", ["chat", "version"]), ["version"]);
 * ```
 */
export function closeMatches(word: string, names: readonly string[]): string[] {
  // Comparing costs the length of the word times that of every name; a longer one is not a typo.
  if (word.length > MAX_NAME_CHARS) return [];
  const wanted = word.toLowerCase();
  return names
    .filter((name) => name.length <= MAX_NAME_CHARS)
    .map((name) => ({ name, distance: levenshteinDistance(wanted, name.toLowerCase()) }))
    .filter(({ name, distance }) =>
      distance <= Math.max(1, Math.floor(name.length / 3)) || (distance === 2 && hasSameLetters(wanted, name))
    )
    .sort((a, b) => a.distance - b.distance)
    .map(({ name }) => name)
    .slice(0, 3);
}

/** Two letters that have changed places count as two. */
function hasSameLetters(a: string, b: string): boolean {
  return [...a].sort().join("") === [...b.toLowerCase()].sort().join("");
}

/** " (did you mean a or b?)", or nothing if no name is close. */
export function didYouMean(word: string, names: readonly string[]): string {
  const close = closeMatches(word, names);
  return close.length === 0 ? "" : ` (did you mean ${close.join(" or ")}?)`;
}
