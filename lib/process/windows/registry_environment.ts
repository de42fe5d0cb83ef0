import { getLogger } from "@logtape/logtape";
import { messageOf } from "../../base/errors.ts";
import type { Environment } from "../environment.ts";
import { type RegistryText, registryTexts } from "./registry.ts";

const log = getLogger(["exai", "upstream"]);

/** Where Windows keeps the variables of a new terminal, the machine's first. */
const KEYS = [
  ["machine", "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment"],
  ["user", "Environment"],
] as const;

/** The environment a new terminal of the user has on Windows: what the registry says now, not what this process inherited. */
export function registryEnvironment(env: Environment): Record<string, string> {
  return environmentOf(KEYS.map(textsOf), env);
}

function textsOf([root, path]: typeof KEYS[number]): RegistryText[] {
  try {
    return registryTexts(root, path);
  } catch (thrown) {
    log.warning("the variables of the {root} in the registry cannot be read: {reason}", {
      root,
      reason: messageOf(thrown),
    });
    return [];
  }
}

/**
 * The variables of keys of the registry, the last counting, and the parts of `PATH` one after the other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { environmentOf } from "./registry_environment.ts";
 *
 * const machine = [{ name: "Path", text: "%SystemRoot%\\bin", expands: true }];
 * const user = [{ name: "PATH", text: "C:\\Users\\Jörg\\bin;", expands: false }];
 * assertEquals(environmentOf([machine, user], { SYSTEMROOT: "C:\\W" }), { PATH: "C:\\W\\bin;C:\\Users\\Jörg\\bin;" });
 * ```
 */
export function environmentOf(
  keys: readonly (readonly RegistryText[])[],
  env: Environment,
): Record<string, string> {
  const known = new Map(Object.entries(env).map(([name, value]) => [name.toUpperCase(), value]));
  const found: Record<string, string> = {};
  for (const { name, text, expands } of keys.flat()) {
    const value = expands
      ? text.replace(/%([^%]+)%/g, (whole, of: string) => known.get(of.toUpperCase()) ?? whole)
      : text;
    if (name.toUpperCase() === "PATH") {
      found.PATH = found.PATH === undefined ? value : `${found.PATH};${value}`;
    } else {
      // As Windows, which lets a variable name others that come before it.
      known.set(name.toUpperCase(), value);
      found[name] = value;
    }
  }
  return found;
}
