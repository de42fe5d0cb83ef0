import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { askDaemon } from "../../lib/client/daemon_client.ts";
import { callCommand } from "../../lib/commands/call.ts";
import type { Command, Invocation } from "../../lib/commands/command.ts";
import { serversCommand } from "../../lib/commands/servers.ts";
import { toolsCommand } from "../../lib/commands/tools.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { outcomeOf } from "./command.ts";
import { mountingDaemon } from "./mounts.ts";
import type { OddServer } from "./odd_server.ts";

const fixture = fromFileUrl(new URL("../fixtures/scripted_server.ts", import.meta.url));

/** The entry of a server that answers as `script` says. */
export function scripted(script: JsonObject, more: JsonObject = {}): JsonObject {
  const args = ["run", "-A", "--no-check", fixture, JSON.stringify(script)];
  return { command: Deno.execPath(), args, share: "machine", ...more };
}

/** A definition of a tool. */
export const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  ...more,
});

/** A tool with a schema. */
export const SUM = tool("sum", {
  description: "Adds numbers.\nMore of it.",
  inputSchema: {
    type: "object",
    properties: {
      a: { type: "number", description: "the first" },
      b: { type: "number" },
      note: { type: "string" },
    },
    required: ["a", "b"],
    additionalProperties: false,
  },
});

/** A server that works. */
export const GOOD = scripted({ "tools/list": { tools: [SUM, tool("plain")] } });
/** A daemon that mounts `servers`, and the commands run against it. */
export async function commandsOf(servers: Record<string, JsonObject>, others?: [OddServer]) {
  const it = await mountingDaemon(servers, { token: "auto" }, others);
  const settings = defaultSettings({
    home: it.home,
    port: Number(new URL(it.url).port),
    token: "auto",
    autostart: false,
  });
  const run = (command: Command, args: string[], more: Partial<Invocation> = {}) =>
    outcomeOf(command, args, { settings, ...more });
  return {
    ...it,
    settings,
    tools: (...args: string[]) => run(toolsCommand, args),
    call: (...args: string[]) => run(callCommand, args),
    run,
    servers: async () => (await askDaemon(settings, "/status")).servers as JsonObject[],
    test: (...names: string[]) => run(serversCommand, ["test", ...names]),
    [Symbol.asyncDispose]: it[Symbol.asyncDispose],
  };
}
