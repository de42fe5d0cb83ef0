import { assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { npmServer } from "./mounts.ts";
import type { sdkClient } from "./sdk_client.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

/** A tool, what it is called with, and what its answer must hold. */
export type ToolCall = [name: string, args: Record<string, unknown>, holds: string];

/** The entries of mcp.json for the three reference servers, with the default share; what they keep lies in `dir`. */
export function threeServers(dir: string): Record<string, JsonObject> {
  const servers = {
    everything: npmServer("everything", [], { GZIP_ALLOWED_DOMAINS: "", WORK_DIR: dir }),
    memory: npmServer("memory", [], { MEMORY_FILE_PATH: `${dir}/memory.jsonl` }),
    filesystem: npmServer("filesystem", [dir]),
  };
  for (const entry of Object.values(servers)) delete entry.share;
  return servers;
}

/** Calls of every tool the three servers have, each with what its answer must hold, for the window `who`. */
export function callsOf(who: string, dir: string): ToolCall[] {
  const file = `${dir}/${who}.txt`;
  const entity = { name: who, entityType: "window", observations: [`seen by ${who}`] };
  const relation = { from: who, to: who, relationType: `is ${who}` };
  return [
    ["echo", { message: who }, who],
    ["get-annotated-message", { messageType: "success" }, "successfully"],
    ["get-env", {}, "PATH"],
    ["get-resource-links", { count: 2 }, "resource"],
    ["get-resource-reference", { resourceType: "Text", resourceId: 7 }, "7"],
    ["get-structured-content", { location: "Chicago" }, "temperature"],
    ["get-sum", { a: who.length, b: 1000 }, String(who.length + 1000)],
    ["get-tiny-image", {}, "image"],
    [
      "gzip-file-as-resource",
      { name: `${who}.gz`, data: "data:text/plain,hello", outputType: "resource" },
      `${who}.gz`,
    ],
    ["trigger-long-running-operation", { duration: 0.02, steps: 2 }, "completed"],
    ["toggle-simulated-logging", {}, "logging"],
    ["toggle-subscriber-updates", {}, "updates"],
    ["create_entities", { entities: [entity] }, who],
    ["create_relations", { relations: [relation] }, who],
    [
      "add_observations",
      { observations: [{ entityName: who, contents: [`more of ${who}`] }] },
      `more of ${who}`,
    ],
    ["search_nodes", { query: `more of ${who}` }, `more of ${who}`],
    ["open_nodes", { names: [who] }, `seen by ${who}`],
    ["read_graph", {}, who],
    [
      "delete_observations",
      { deletions: [{ entityName: who, observations: [`more of ${who}`] }] },
      "deleted",
    ],
    ["delete_relations", { relations: [relation] }, "deleted"],
    ["delete_entities", { entityNames: [who] }, "deleted"],
    ["write_file", { path: file, content: `text of ${who}` }, who],
    ["read_file", { path: file }, `text of ${who}`],
    ["read_text_file", { path: file }, `text of ${who}`],
    ["read_multiple_files", { paths: [file] }, `text of ${who}`],
    ["read_media_file", { path: file }, "blob"],
    ["edit_file", { path: file, edits: [{ oldText: "text", newText: "edited" }] }, "edited"],
    ["get_file_info", { path: file }, "size"],
    ["create_directory", { path: `${dir}/${who}.d` }, who],
    ["move_file", { source: file, destination: `${dir}/${who}.d/moved` }, who],
    ["list_directory", { path: `${dir}/${who}.d` }, "moved"],
    ["list_directory_with_sizes", { path: `${dir}/${who}.d` }, "moved"],
    ["directory_tree", { path: `${dir}/${who}.d` }, "moved"],
    ["search_files", { path: `${dir}/${who}.d`, pattern: "moved" }, "moved"],
    ["list_allowed_directories", {}, dir],
  ];
}

/** Calls of the tools that ask the window something; it answers with its own name. */
export function asksOf(who: string, dir: string): ToolCall[] {
  return [
    ["get-roots-list", {}, dir],
    ["trigger-sampling-request", { prompt: "who?" }, `\\"${who}\\"`],
    ["trigger-elicitation-request", {}, `\\"${who}\\"`],
    ["trigger-url-elicitation", { url: "https://example.com/" }, `\\"${who}\\"`],
  ];
}

export async function callAll(client: Client, calls: readonly ToolCall[]): Promise<void> {
  for (const [name, args, holds] of calls) {
    const result = await client.callTool({ name, arguments: args });
    assertStringIncludes(JSON.stringify(result), holds, `${name}: ${JSON.stringify(result)}`);
  }
}
