import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** A name longer than this is no typo of ours; comparing or showing all of it would only cost time. */
const MAX_NAME_CHARS = 100;

/** Those of `names` that `word` may be a typo of, closest first. */
export function closeMatches(word: string, names: readonly string[]): string[] {
  if (word.length > MAX_NAME_CHARS) return [];
  const wanted = word.toLowerCase();
  return names
    .map((name) => ({ name, distance: levenshteinDistance(wanted, name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance)
    .map(({ name }) => name)
    .slice(0, 3);
}

/** " (did you mean a or b?)", or nothing if no name is close. */
export function didYouMean(word: string, names: readonly string[]): string {
  const close = closeMatches(word, names);
  return close.length === 0 ? "" : ` (did you mean ${close.join(" or ")}?)`;
}

/** `name` in quotes for a message, cut if it is long. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > MAX_NAME_CHARS ? `${name.slice(0, MAX_NAME_CHARS)}…` : name);
}
