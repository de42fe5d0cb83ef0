import { assertEquals, assertNotEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { until } from "./helpers/until.ts";

const fixture = fromFileUrl(new URL("./fixtures/task_server.ts", import.meta.url));

/** A daemon with one server whose tasks go on until `finish`, and its entries of mcp.json. */
async function working() {
  const file = await Deno.makeTempFile({ prefix: "exai-tasks-" });
  await Deno.remove(file);
  const entry = (version: string) => ({
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", fixture, file],
    env: { VERSION: version },
    share: "machine",
  });
  const it = await mountingDaemon({ bench: entry("1") });
  return {
    ...it,
    entry,
    finish: () => Deno.writeTextFile(file, ""),
    /** State and process of each row that `ps` shows of the server. */
    rows: async () => (await it.status()).map(({ state, pid }) => [state, pid] as const),
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await Deno.remove(file).catch(() => {});
    },
  };
}

async function begin(client: McpWindow): Promise<string> {
  const answer = await client.request("tools/call", { name: "work", arguments: {}, task: {} });
  return ((answer.result as JsonObject).task as JsonObject).taskId as string;
}

function textOf(answer: JsonObject): string {
  const [{ text }] = (answer.result as JsonObject).content as [JsonObject];
  return text as string;
}

const listed = async (client: McpWindow) =>
  ((await client.request("tasks/list")).result as { tasks: JsonObject[] }).tasks.map(({ taskId }) => taskId);

for (const [door, path] of [["the merged catalog", ""], ["a door of its own", "mcp/bench"]]) {
  Deno.test(`a task goes on and is fetched through ${door} after its server was changed in mcp.json`, async () => {
    await using it = await working();
    await using client = await McpWindow.open(it.url + path);
    const pid = textOf(await client.call("process"));
    const taskId = await begin(client);
    await it.remount({ bench: it.entry("2") });
    const now = await until("the new process", async () => {
      const found = textOf(await client.call("process"));
      return found === pid ? undefined : found;
    });
    const got = await client.request("tasks/get", { taskId });
    assertEquals((got.result as JsonObject).status, "working");
    const second = await begin(client);
    assertNotEquals(second, taskId);
    assertEquals((await listed(client)).toSorted(), [taskId, second].toSorted());
    assertEquals((await it.rows()).toSorted(), [["ending", Number(pid)], ["running", Number(now)]]);
    const fetched = client.request("tasks/result", { taskId });
    await it.finish();
    assertEquals(textOf(await fetched), pid);
    await until("the end of the old process", async () => (await it.rows()).length === 1 || undefined);
    assertEquals(textOf(await client.request("tasks/result", { taskId: second })), now);
  });
}

Deno.test("a task goes on and is fetched after its server was taken out of mcp.json", async () => {
  await using it = await working();
  await using client = await McpWindow.open(it.url);
  const pid = textOf(await client.call("process"));
  const taskId = await begin(client);
  await it.remount({});
  assertEquals(await it.rows(), [["ending", Number(pid)]]);
  assertEquals(await listed(client), [taskId]);
  await it.finish();
  assertEquals(textOf(await client.request("tasks/result", { taskId })), pid);
  await until("the end of the process", async () => (await it.rows()).length === 0 || undefined);
});

Deno.test("kill upstream ends a process that a task keeps after its server was taken out of mcp.json", async () => {
  await using it = await working();
  await using client = await McpWindow.open(it.url);
  await begin(client);
  await it.remount({});
  const [[, pid]] = await it.rows() as [[string, number]];
  const path = `/kill?what=upstream&id=${pid}`;
  const response = await fetch(new URL(path, it.http), { method: "POST" });
  assertEquals(await response.json(), { ended: [`bench (process ${pid})`] });
  await until("the end of the process", async () => (await it.rows()).length === 0 || undefined);
});

Deno.test("a task nobody is left to fetch keeps no process of a server that was taken out of mcp.json", async () => {
  await using it = await working();
  {
    await using client = await McpWindow.open(it.url);
    await begin(client);
    await it.remount({});
    assertEquals((await it.rows()).length, 1);
  }
  await until("the end of the process", async () => (await it.rows()).length === 0 || undefined);
});
