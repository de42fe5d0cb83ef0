import { isObject } from "../../base/json.ts";
import { endOfString } from "../../wire/json_string.ts";

/** Characters and depth of one value that are looked at. */
const MAX_CHARS = 64 * 1024;
const MAX_DEPTH = 8;

/** What a part of a value counts as, so that a long list of numbers is not looked through. */
const PART_CHARS = 8;

/** Longest text taken for a path, and how many of them are noted. */
const MAX_PATH_CHARS = 256;
const MAX_CANDIDATES = 4;

/** A string before this is a key. */
const KEY_END = /^\s*:/;
const MAX_SPACE_CHARS = 16;

/** The texts of a value, as many as fit. */
export function* textsOf(value: unknown, left = { chars: MAX_CHARS }, depth = 0): Generator<string> {
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

/**
 * The same of a value that is still JSON, and is not parsed: the strings in its beginning that are no keys. Of a long one
 * the beginning, with its escapes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { textsIn } from "./mentioned_paths.ts";
 *
 * assertEquals([...textsIn('{"path" : "\\/tmp", "n": [1, "b"]}')], ["/tmp", "b"]);
 * ```
 */
export function* textsIn(json: string): Generator<string> {
  for (let at = json.indexOf('"'), end; at >= 0 && at < MAX_CHARS; at = json.indexOf('"', end)) {
    end = endOfString(json, at) + 1;
    if (end === 0) return;
    if (end - at > MAX_CHARS) yield json.slice(at + 1, at + MAX_CHARS);
    else if (!KEY_END.test(json.slice(end, end + MAX_SPACE_CHARS))) yield JSON.parse(json.slice(at, end));
  }
}

/** Whether one of `texts` names one of `directories` or something below it. */
export function mentionsAny(texts: readonly string[], directories: Iterable<string>): boolean {
  const wanted = [...directories];
  if (wanted.length === 0) return false;
  return texts.some((text) => wanted.some((directory) => namesBelow(text, directory)));
}

function namesBelow(text: string, directory: string): boolean {
  const at = text.indexOf(directory);
  // `/a/bc` is not below `/a/b`.
  return at !== -1 && !/[\w.-]/.test(text.charAt(at + directory.length));
}

/** Whether one of `texts` is a path relative to a working directory, beyond doubt. */
export function mentionsRelativePath(texts: readonly string[]): boolean {
  return texts.some((text) => text.length <= MAX_PATH_CHARS && /^\.{1,2}([/\\]|$)/.test(text));
}

/** Those of `texts` that are relative paths if there are such files. */
export function possiblePaths(texts: readonly string[]): string[] {
  const found: string[] = [];
  for (const text of texts) {
    if (text.length > MAX_PATH_CHARS || !/^[\w@-][^\s:*?"<>|\0]*$/.test(text) || !/[/.]/.test(text)) continue;
    if (found.push(text) === MAX_CANDIDATES) break;
  }
  return found;
}
