import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { RpcRequest } from "../lib/wire/rpc.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { type RawConnection, rawServer } from "./helpers/raw_server.ts";
import { until } from "./helpers/until.ts";

const RELATED = "io.modelcontextprotocol/related-task";
const CAPABILITIES = {
  tools: {},
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
};

const task = (taskId: unknown, status = "working") => {
  const at = "2025-11-25T10:30:00Z";
  return { taskId, status, createdAt: at, lastUpdatedAt: at, ttl: 600_000 };
};

/** A server that counts its tasks, as every other such server does; `word` is in what each of them results in. */
function counting(name: string, word: (server: RawConnection) => string = () => name) {
  const counts = new WeakMap<RawConnection, number>();
  return rawServer({
    config: { name, title: name },
    capabilities: CAPABILITIES,
    answer({ method, params }: RpcRequest, server) {
      const count = counts.get(server) ?? 0;
      const text = (text: string) => ({ content: [{ type: "text", text }] });
      switch (method) {
        case "tools/list":
          return { tools: [{ name: `${name}_work`, inputSchema: { type: "object" } }] };
        case "tools/call":
          if (!params?.task) return text(word(server));
          counts.set(server, count + 1);
          return { task: task(`task-${count + 1}`) };
        case "tasks/list":
          return { tasks: Array.from({ length: count }, (_, n) => task(`task-${n + 1}`)) };
        case "tasks/get":
          return task(params?.taskId);
        case "tasks/cancel":
          return task(params?.taskId, "cancelled");
        case "tasks/result":
          return {
            ...text(`${params?.taskId} of ${word(server)}`),
            _meta: { [RELATED]: { taskId: params?.taskId } },
          };
      }
    },
  });
}

async function begin(client: McpWindow, name: string): Promise<string> {
  const answer = await client.request("tools/call", { name, arguments: {}, task: { ttl: 60_000 } });
  return ((answer.result as JsonObject).task as JsonObject).taskId as string;
}

async function fetched(client: McpWindow, taskId: string): Promise<unknown[]> {
  const { result } = await client.request("tasks/result", { taskId }) as { result: JsonObject };
  const [{ text }] = result.content as [JsonObject];
  return [text, ((result._meta as JsonObject)[RELATED] as JsonObject).taskId];
}

async function listed(client: McpWindow): Promise<unknown[]> {
  const { result } = await client.request("tasks/list") as { result: { tasks: JsonObject[] } };
  return result.tasks.map(({ taskId }) => taskId).toSorted();
}

Deno.test("a window is given the result of the task it asks for, also where two of its servers name theirs alike", async () => {
  await using one = counting("one");
  await using two = counting("two");
  await using it = await testDaemon({ servers: [one.mounted, two.mounted] });
  await using client = await McpWindow.open(it.url);
  const first = await begin(client, "one_work");
  const second = await begin(client, "two_work");
  assertEquals(first, "task-1");
  assertNotEquals(second, first);
  assertEquals(await fetched(client, first), ["task-1 of one", first]);
  assertEquals(await fetched(client, second), ["task-1 of two", second]);
  assertEquals(await listed(client), [first, second].toSorted());
  const got = await client.request("tasks/get", { taskId: second });
  assertEquals((got.result as JsonObject).taskId, second);
  const cancelled = await client.request("tasks/cancel", { taskId: second });
  assertEquals(cancelled.result, { ...task(second, "cancelled") });
});

Deno.test("what a server says of a task, and asks on its behalf, names it as its window knows it", async () => {
  await using one = counting("one");
  await using two = counting("two");
  await using it = await testDaemon({ servers: [one.mounted, two.mounted] });
  await using client = await McpWindow.open(it.url, { elicitation: {} });
  await begin(client, "one_work");
  const second = await begin(client, "two_work");
  assertNotEquals(second, "task-1");
  const server = two.connections[0]!;
  server.send({ method: "notifications/tasks/status", params: task("task-1", "input_required") });
  const _meta = { [RELATED]: { taskId: "task-1" } };
  const requestedSchema = { type: "object", properties: {} };
  server.send({ id: "q", method: "elicitation/create", params: { message: "?", requestedSchema, _meta } });
  await server.message((message) => "id" in message && message.id === "q");
  const [status, question] = client.heard.filter(({ method }) => !String(method).endsWith("list_changed"));
  assertEquals((status!.params as JsonObject).taskId, second);
  assertEquals((question!.params as JsonObject)._meta, { [RELATED]: { taskId: second } });
});

Deno.test("a window that goes on in another process keeps apart the tasks that both name alike, also when the first has ended", async () => {
  const servers: RawConnection[] = [];
  await using raw = counting("one", (server) => {
    if (!servers.includes(server)) servers.push(server);
    return `process ${servers.indexOf(server) + 1}`;
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  const roots = ["file:///a"];
  await using client = await McpWindow.open(it.url, { roots: { listChanged: true } }, { roots });
  await client.call("one_work");
  const first = await begin(client, "one_work");
  roots.splice(0, 1, "file:///b");
  client.send("notifications/roots/list_changed");
  await until("a second process", async () => {
    await client.call("one_work");
    return servers.length === 2 || undefined;
  });
  const second = await begin(client, "one_work");
  assertEquals(await listed(client), [first, second].toSorted());
  assertEquals(await fetched(client, first), ["task-1 of process 1", first]);
  assertEquals(await fetched(client, second), ["task-1 of process 2", second]);
  const [slot] = raw.mounted.slots;
  raw.mounted.end(slot!);
  const { error } = await client.request("tasks/result", { taskId: first }) as { error: JsonObject };
  assertMatch(String(error.message), /there is no task "task-1" of this session/);
});
