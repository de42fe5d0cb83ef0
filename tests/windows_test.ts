import { assertEquals, assertStringIncludes } from "@std/assert";
import { bad, mountingDaemon, npmServer } from "./helpers/mounts.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

/** Calls of every tool the three servers have, each with what its answer must hold, for the window `who`. */
function calls(who: string, dir: string): [name: string, args: Record<string, unknown>, holds: string][] {
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

Deno.test("ten windows share one copy of each server, and every tool answers each window rightly", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-windows-" }));
  {
    await using it = await mountingDaemon({
      everything: npmServer("everything", [], { GZIP_ALLOWED_DOMAINS: "" }),
      memory: npmServer("memory", [], { MEMORY_FILE_PATH: `${dir}/memory.jsonl` }),
      filesystem: npmServer("filesystem", [dir]),
    });
    const windows = await Promise.all(
      Array.from({ length: 10 }, (_, i) => sdkClient(it.url, { name: `window-${i}` })),
    );
    const { tools } = await windows[0]!.listTools();
    const covered = new Set(calls("x", dir).map(([name]) => name));
    const mounted = tools.map(({ name }) => name).filter((name) => !OWN_OR_TASK.test(name));
    assertEquals(mounted.filter((name) => !covered.has(name)), []);
    // The memory server reads and writes its whole file for each change, with no lock: its tools are called in turn.
    for (const [i, client] of windows.entries()) await callAll(client, calls(`window-${i}`, dir));
    const children = (await it.status()).filter(({ state }) => state === "running");
    assertEquals(children.map(({ server }) => server), ["everything", "filesystem", "memory"]);
    await Promise.all(windows.map((client) => client.close()));
  }
  await Deno.remove(dir, { recursive: true });
});

/** EXAI's own tools, and the one that must run as a task (tests/merged_test.ts). */
const OWN_OR_TASK =
  /^(version|health|activity|listmodels|provider_capabilities|challenge|planner|tracer|docgen|chat|thinkdeep|analyze|codereview|precommit|secaudit|refactor|testgen|debug|consensus|kimi_.*|simulate-research-query)$/;

async function callAll(client: Client, calls: [string, Record<string, unknown>, string][]): Promise<void> {
  for (const [name, args, holds] of calls) {
    const result = await client.callTool({ name, arguments: args });
    assertStringIncludes(JSON.stringify(result), holds, `${name}: ${JSON.stringify(result)}`);
  }
}

Deno.test("two hundred windows come and go and leave one process, no session and no open file behind", async () => {
  await using it = await mountingDaemon({ well: bad("well") });
  const visit = async (i: number) => {
    await using client = await sdkClient(it.url);
    const text = `window ${i}`;
    assertEquals(textOf(await client.callTool({ name: "well_echo", arguments: { text } })), text);
  };
  for (let i = 0; i < 20; i++) await visit(i);
  const before = openFiles();
  for (let i = 20; i < 200; i += 10) await Promise.all(Array.from({ length: 10 }, (_, n) => visit(i + n)));
  for (;;) {
    const status = await (await fetch(new URL("/status", it.http))).json();
    if (status.sessions.length > 0) continue;
    const [{ sessions, state, calls }] = status.servers;
    assertEquals([sessions, state, calls], [[], "running", 200]);
    break;
  }
  // Connections are closed a moment after their sessions have ended.
  assertEquals(openFiles() <= before + 20, true, `${before} open files before, ${openFiles()} after`);
});

function openFiles(): number {
  return Deno.build.os === "linux" ? [...Deno.readDirSync("/proc/self/fd")].length : 0;
}
