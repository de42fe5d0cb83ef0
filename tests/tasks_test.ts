import { assertEquals, assertRejects } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory"
import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  CallToolResultSchema,
  CreateTaskResultSchema,
  ElicitResultSchema,
  TaskStatusNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { testDaemon } from "./helpers/daemon.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";
import { sharedServer } from "./helpers/shared_server.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

/** Runs `finish` of a task when the test says so. */
class Bench {
  readonly store = new InMemoryTaskStore();
  readonly finish: (() => Promise<void>)[] = [];
  server: McpServer | undefined;

  readonly build = (server: McpServer): void => {
    this.server = server;
    server.experimental.tasks.registerToolTask("work", { execution: { taskSupport: "required" } }, {
      createTask: async ({ taskStore, _meta }) => {
        const task = await taskStore.createTask({ ttl: 60_000 });
        this.finish.push(async () => {
          const progressToken = _meta?.progressToken;
          if (progressToken !== undefined) {
            const params = { progressToken, progress: 1, message: task.taskId };
            await server.server.notification({ method: "notifications/progress", params });
          }
          const result = { content: [{ type: "text" as const, text: task.taskId }] };
          await taskStore.storeTaskResult(task.taskId, "completed", result);
        });
        return { task };
      },
      getTask: async ({ taskStore, taskId }) => await taskStore.getTask(taskId),
      getTaskResult: async ({ taskStore, taskId }) =>
        await taskStore.getTaskResult(taskId) as { content: [] },
    });
  };

  share(name = "bench") {
    return sharedServer({
      config: { name },
      build: this.build,
      serverOptions: {
        taskStore: this.store,
        capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
      },
    });
  }
}

async function begin(client: Client, options = {}): Promise<string> {
  const params = { name: "work", arguments: {} };
  const { task } = await client.request({ method: "tools/call", params }, CreateTaskResultSchema, {
    ...options,
    task: { ttl: 60_000 },
  });
  return task.taskId;
}

const doors = [["the merged catalog", ""], ["a door of its own", "mcp/bench"]] as const;

for (const [door, path] of doors) {
  Deno.test(`a task begun through ${door} is watched, fetched, listed and cancelled by the window that began it`, async () => {
    const bench = new Bench();
    await using shared = bench.share();
    await using it = await testDaemon({ servers: [shared.mounted] });
    await using client = await sdkClient(it.url + path);
    const { tasks } = client.experimental;
    const [done, dropped] = [await begin(client), await begin(client)];
    assertEquals((await tasks.getTask(done)).status, "working");
    const fetched = tasks.getTaskResult(done, CallToolResultSchema);
    await bench.finish[0]!();
    assertEquals(textOf(await fetched), done);
    assertEquals((await tasks.cancelTask(dropped)).status, "cancelled");
    const listed = (await tasks.listTasks()).tasks.map(({ taskId, status }) => [taskId, status]);
    assertEquals(listed.toSorted(), [[done, "completed"], [dropped, "cancelled"]].toSorted());
  });

  Deno.test(`through ${door} no window sees, fetches or cancels a task of another`, async () => {
    const bench = new Bench();
    await using shared = bench.share();
    await using it = await testDaemon({ servers: [shared.mounted] });
    await using ada = await sdkClient(it.url + path);
    await using bob = await sdkClient(it.url + path);
    const [hers, his] = [await begin(ada), await begin(bob)];
    const { tasks } = bob.experimental;
    await assertRejects(() => tasks.getTask(hers));
    await assertRejects(() => tasks.getTaskResult(hers, CallToolResultSchema));
    await assertRejects(() => tasks.cancelTask(hers));
    assertEquals((await tasks.listTasks()).tasks.map(({ taskId }) => taskId), [his]);
    assertEquals((await ada.experimental.tasks.getTask(hers)).status, "working");
    assertEquals(shared.servers.length, 1);
  });
}

Deno.test("status and progress of a task reach the window that began it, although its call has ended", async () => {
  const bench = new Bench();
  await using shared = bench.share();
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url);
  await using bob = await sdkClient(it.url);
  const heard: string[] = [];
  const told = Promise.withResolvers<void>();
  const progress = Promise.withResolvers<string | undefined>();
  for (const [name, client] of [["ada", ada], ["bob", bob]] as const) {
    client.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => {
      heard.push(`${name} ${params.status}`);
      if (params.status === "completed") told.resolve();
    });
  }
  await begin(bob);
  const taskId = await begin(ada, {
    onprogress: ({ message }: { message?: string }) => progress.resolve(message),
  });
  await bench.finish[1]!();
  const task = await ada.experimental.tasks.getTask(taskId);
  await bench.server!.server.notification({ method: "notifications/tasks/status", params: task });
  await told.promise;
  assertEquals(await progress.promise, taskId);
  // An answer to bob comes after whatever was on its way to him.
  await bob.ping();
  assertEquals(heard.every((line) => line.startsWith("ada ")), true);
});

Deno.test("a question on behalf of a task reaches the window that began it, and no other", async () => {
  const bench = new Bench();
  await using shared = bench.share();
  await using it = await testDaemon({ servers: [shared.mounted] });
  const capabilities = { elicitation: {} };
  await using ada = await sdkClient(it.url, { name: "ada", capabilities });
  await using bob = await sdkClient(it.url, { name: "bob", capabilities });
  const [hers, his] = [await begin(ada), await begin(bob)];
  const waiting = ada.experimental.tasks.getTaskResult(hers, CallToolResultSchema).then(textOf, String);
  for (const [taskId, name] of [[hers, "ada"], [his, "bob"]] as const) {
    const answer = await bench.server!.server.request({
      method: "elicitation/create",
      params: {
        message: "who?",
        requestedSchema: { type: "object", properties: { name: { type: "string" } } },
        _meta: { "io.modelcontextprotocol/related-task": { taskId } },
      },
    }, ElicitResultSchema);
    assertEquals(answer.content, { name });
  }
  await Promise.all(bench.finish.map((finish) => finish()));
  assertEquals(await waiting, hers);
  assertEquals(shared.servers.length, 1);
});
