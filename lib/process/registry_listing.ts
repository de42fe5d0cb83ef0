import type { Environment } from "./environment.ts";

/**
 * The variables in `listings` of `reg query`, the last counting, and the parts of `PATH` one after the other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { environmentOf } from "./registry_listing.ts";
 *
 * const machine = "    Path    REG_EXPAND_SZ    %SystemRoot%\\bin\r\n    A    REG_SZ    1\r\n";
 * const user = "    PATH    REG_SZ    C:\\mine\r\n    A    REG_SZ    2  2\r\n";
 * assertEquals(environmentOf([machine, user], { SYSTEMROOT: "C:\\W" }), { PATH: "C:\\W\\bin;C:\\mine", A: "2  2" });
 * ```
 */
export function environmentOf(listings: readonly string[], env: Environment): Record<string, string> {
  const known = new Map(Object.entries(env).map(([name, value]) => [name.toUpperCase(), value]));
  const found: Record<string, string> = {};
  for (const line of listings.join("\n").split(/\r?\n/)) {
    const [, name, type, text = ""] = /^ {4}(\S.*?) {4}(REG_SZ|REG_EXPAND_SZ) {4}(.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const value = type === "REG_SZ"
      ? text
      : text.replace(/%([^%]+)%/g, (whole, of: string) => known.get(of.toUpperCase()) ?? whole);
    if (name.toUpperCase() === "PATH") {
      found.PATH = found.PATH === undefined ? value : `${found.PATH};${value}`;
    } else found[name] = value;
  }
  return found;
}
