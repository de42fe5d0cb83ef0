import { isAbsolute, relative, SEPARATOR } from "@std/path";

/**
 * Whether `path` is `dir` or lies in it; both absolute.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isWithin } from "./directories.ts";
 *
 * assert(isWithin("/work/src/a.ts", "/work"));
 * assert(!isWithin("/workshop/a.ts", "/work"));
 * ```
 */
export function isWithin(path: string, dir: string): boolean {
  const rest = relative(dir, path);
  return rest !== ".." && !rest.startsWith(`..${SEPARATOR}`) && !isAbsolute(rest);
}

/** `path` with a leading `~` as the directory `home`. */
export function expandHome(path: string, home: string): string {
  return path === "~" || /^~[/\\]/.test(path) ? home + path.slice(1) : path;
}
