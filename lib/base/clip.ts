/**
 * The first `maxChars` of `text`, for whoever keeps them. What `slice`, `trim` and a regular expression give is a view in
 * V8 that keeps the whole text alive: of a name of megabytes, its first hundred letters would hold all of it.
 */
export function clip(text: string, maxChars: number): string {
  // Joined texts are written out before they are cut, so that this is a view of the short copy alone.
  return ` ${text.slice(0, maxChars)}`.slice(1);
}
