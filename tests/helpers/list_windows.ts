import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Shim } from "./shim.ts";
import { until } from "./until.ts";

const server = fromFileUrl(new URL("../fixtures/shuffled_server.ts", import.meta.url));

/** The entry of a server of `count` tools and three more, in another order at each start. */
export function shuffled(count: number, more: JsonObject = {}): JsonObject {
  return { command: Deno.execPath(), args: ["run", "-A", "--no-check", server, String(count)], ...more };
}

/** The text of the list of tools, as the window got it, without the entries of `without`. */
export async function listText(shim: Shim, without?: string): Promise<string> {
  const { tools } = (await shim.ask("tools/list")).result as { tools: { name: string }[] };
  const others = tools.filter(({ name }) => without === undefined || !name.startsWith(`${without}__`));
  return JSON.stringify(others);
}

/** The text of the list once it has every one of these names. */
export async function listWith(shim: Shim, ...names: string[]): Promise<string> {
  return await until(names.join(), async () => {
    const text = await listText(shim);
    return names.every((name) => text.includes(`"${name}"`)) ? text : undefined;
  });
}

/** How often the window was told that its tools have changed, so far. */
export function timesTold(shim: Shim): number {
  return shim.lines.filter((line) => line.includes('"notifications/tools/list_changed"')).length;
}
