import { ownEntry } from "../base/json.ts";
import type { Environment, Platform } from "../config/inherited_variables.ts";

export { type Environment, inheritedFrom, type Platform } from "../config/inherited_variables.ts";

/**
 * `base` with the variables of `added` set, or removed where they are null. Names are case-insensitive on Windows.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withVariables } from "./environment.ts";
 *
 * assertEquals(withVariables({ Path: "a", X: "1" }, { PATH: "b", X: null }, "windows"), { PATH: "b" });
 * ```
 */
export function withVariables(
  base: Readonly<Record<string, string>>,
  added: Readonly<Record<string, string | null>>,
  platform: Platform,
): Record<string, string> {
  const env = { ...base };
  for (const [name, value] of Object.entries(added)) {
    for (const known of Object.keys(env)) {
      if (known === name || (platform === "windows" && known.toUpperCase() === name.toUpperCase())) {
        delete env[known];
      }
    }
    if (value !== null) env[name] = value;
  }
  return env;
}

/** The value of `name` in `env`. Names are case-insensitive on Windows. */
export function valueOf(env: Environment, name: string, platform: Platform): string | undefined {
  if (platform === "posix") return ownEntry(env, name);
  const key = Object.keys(env).find((known) => known.toUpperCase() === name.toUpperCase());
  return key === undefined ? undefined : env[key];
}

/**
 * The variables that `env -0` prints, or `env`, where a value with a line end is cut short.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseEnvironment } from "./environment.ts";
 *
 * assertEquals(parseEnvironment("A=1\n2\0B=x=y\0"), { A: "1\n2", B: "x=y" });
 * assertEquals(parseEnvironment("A=1\nB=2\n"), { A: "1", B: "2" });
 * ```
 */
export function parseEnvironment(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of text.split(text.includes("\0") ? "\0" : "\n")) {
    const cut = line.indexOf("=");
    if (cut > 0) env[line.slice(0, cut)] = line.slice(cut + 1);
  }
  return env;
}
