/**
 * `path` without links, or as it is where it cannot be resolved.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { realPath } from "./real_path.ts";
 *
 * assertEquals(realPath("/no/such/file"), "/no/such/file");
 * ```
 */
export function realPath(path: string): string {
  return realPathOf(path) ?? path;
}

/** `path` without links; undefined where it cannot be resolved. */
export function realPathOf(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}
