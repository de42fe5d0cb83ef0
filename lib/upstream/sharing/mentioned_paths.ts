import { isObject } from "../../base/json.ts";

/** Characters and depth of one value that are looked at. */
const MAX_CHARS = 64 * 1024;
const MAX_DEPTH = 8;

/** What a part of a value counts as, so that a long list of numbers is not looked through. */
const PART_CHARS = 8;

/** Longest text taken for a path, and how many of them are noted. */
const MAX_PATH_CHARS = 256;
const MAX_CANDIDATES = 4;

/** The texts of a value, as many as fit. */
function* textsOf(value: unknown, left = { chars: MAX_CHARS }, depth = 0): Generator<string> {
  if (typeof value === "string") {
    left.chars -= value.length;
    if (left.chars > -value.length) yield value.length > MAX_CHARS ? value.slice(0, MAX_CHARS) : value;
    return;
  }
  const parts = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  if (depth > MAX_DEPTH) return;
  for (const part of parts) {
    if ((left.chars -= PART_CHARS) <= 0) return;
    yield* textsOf(part, left, depth + 1);
  }
}

/** Whether a text in `value` names one of `directories` or something below it. */
export function mentionsAny(value: unknown, directories: Iterable<string>): boolean {
  const wanted = [...directories];
  if (wanted.length === 0) return false;
  return textsOf(value).some((text) => wanted.some((directory) => namesBelow(text, directory)));
}

function namesBelow(text: string, directory: string): boolean {
  const at = text.indexOf(directory);
  // `/a/bc` is not below `/a/b`.
  return at !== -1 && !/[\w.-]/.test(text.charAt(at + directory.length));
}

/** Whether a text in `value` is a path relative to a working directory, beyond doubt. */
export function mentionsRelativePath(value: unknown): boolean {
  return textsOf(value).some((text) => text.length <= MAX_PATH_CHARS && /^\.{1,2}([/\\]|$)/.test(text));
}

/** Texts in `value` that are relative paths if there are such files. */
export function possiblePaths(value: unknown): string[] {
  const found: string[] = [];
  for (const text of textsOf(value)) {
    if (text.length > MAX_PATH_CHARS || !/^[\w@-][^\s:*?"<>|\0]*$/.test(text) || !/[/.]/.test(text)) continue;
    if (found.push(text) === MAX_CANDIDATES) break;
  }
  return found;
}
