import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { Environment } from "./environment.ts";
import { environmentOf } from "./registry_listing.ts";

const log = getLogger(["exai", "upstream"]);

/** Where Windows keeps the variables of a new terminal, the machine's first. */
const REGISTRY_KEYS = [
  "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment",
  "HKCU\\Environment",
] as const;

/** The environment a new terminal of the user has on Windows: what the registry says, not what this process inherited. */
export async function registryEnvironment(env: Environment): Promise<Record<string, string>> {
  const listings = await Promise.all(REGISTRY_KEYS.map(query));
  return environmentOf(listings, env);
}

async function query(key: string): Promise<string> {
  try {
    const command = new Deno.Command("reg.exe", { args: ["query", key], stdin: "null", stderr: "null" });
    return new TextDecoder().decode((await command.output()).stdout);
  } catch (thrown) {
    log.warning("the variables in {key} cannot be read: {reason}", { key, reason: messageOf(thrown) });
    return "";
  }
}
