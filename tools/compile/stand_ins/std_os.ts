/**
 * Stands in for what tells `@std/path` the system, in the bundle of the shim: it asks `process` first, which loads Node's
 * modules.
 */
export function checkWindows(): boolean {
  return Deno.build.os === "windows";
}
