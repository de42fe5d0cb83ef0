/** A text in place of a part of another. */
export interface Edit {
  from: number;
  to: number;
  text: string;
}

/** `text` with `edits`, which are in its order and do not overlap. */
export function splice(text: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  for (const { from, to, text: replacement } of edits) {
    result += text.slice(at, from) + replacement;
    at = to;
  }
  return at === 0 ? text : result + text.slice(at);
}

/** As {@linkcode splice}, in parts. */
export function spliceParts(text: string, edits: readonly Edit[]): string[] {
  const parts: string[] = [];
  let at = 0;
  for (const { from, to, text: replacement } of edits) {
    parts.push(text.slice(at, from), replacement);
    at = to;
  }
  return [...parts, text.slice(at)];
}
