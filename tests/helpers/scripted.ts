import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";

const file = fromFileUrl(new URL("../fixtures/scripted_server.ts", import.meta.url));

/** The entry of mcp.json for a server that answers as `script` says (tests/fixtures/scripted_server.ts). */
export function scripted(script: JsonObject, more: JsonObject = {}): JsonObject {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", file, JSON.stringify(script)],
    share: "machine",
    ...more,
  };
}

/** A tool as a list shows it. */
export const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  ...more,
});

/** A list of tools as a page. */
export const toolsPage = (names: string[], more: JsonObject = {}): JsonObject => ({
  tools: names.map((name) => tool(name)),
  ...more,
});
