import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
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
import type { ServerConfig } from "../lib/config/server_config.ts";
import type { Caller } from "../lib/call/call.ts";
import { UnfetchedTasks } from "../lib/upstream/tasks/unfetched_tasks.ts";
import { addSampling } from "./helpers/asking_tool.ts";
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

  share(options: { config?: Partial<ServerConfig>; build?: (server: McpServer, n: number) => void } = {}) {
    return sharedServer({
      config: { name: "bench", ...options.config },
      build: (server, n) => {
        this.build(server);
        options.build?.(server, n);
      },
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

Deno.test("a task of a window that has gone is nobody's, also through the server's own door", async () => {
  const bench = new Bench();
  await using shared = bench.share({ config: { share: "machine" } });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using bob = await sdkClient(it.url + "mcp/bench");
  await begin(bob);
  let hers: string;
  {
    await using ada = await sdkClient(it.url + "mcp/bench");
    hers = await begin(ada);
    await bench.finish[1]!();
  }
  const { tasks } = bob.experimental;
  const limitMs = performance.now() + 10_000;
  while (it.daemon.health().sessions !== 1) {
    assert(performance.now() < limitMs, "her session does not end");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await assertRejects(() => tasks.getTaskResult(hers, CallToolResultSchema), Error, "there is no task");
  assert(!(await tasks.listTasks()).tasks.some(({ taskId }) => taskId === hers));
  assertEquals(shared.servers.length, 1);
});

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

/** A tool that does not end before the test says so, and one that tells which process runs it. */
class Holding {
  readonly begun = Promise.withResolvers<void>();
  readonly release = Promise.withResolvers<void>();
  /** Resolve when the first process, the second, ... has been stopped. */
  readonly stopped: Promise<void>[] = [];

  readonly build = (server: McpServer, n: number): void => {
    this.stopped.push(new Promise((resolve) => server.server.onclose = resolve));
    const content = [{ type: "text" as const, text: String(n) }];
    server.registerTool("process", {}, () => ({ content }));
    addSampling(server);
    server.registerTool("hold", {}, async () => {
      this.begun.resolve();
      await this.release.promise;
      return { content };
    });
  };
}

const AT_ONCE = { idleStopMs: 1 };

Deno.test("a call finishes on the process it began on although its window has moved to another, and then that one stops", async () => {
  const holding = new Holding();
  await using shared = sharedServer({ config: AT_ONCE, build: holding.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const roots = ["file:///a"];
  await using client = await sdkClient(it.url, { roots });
  const held = client.callTool({ name: "hold" });
  await holding.begun.promise;
  roots.splice(0, 1, "file:///b");
  await client.sendRootsListChanged();
  assertEquals(textOf(await client.callTool({ name: "process" })), "2");
  holding.release.resolve();
  assertEquals(textOf(await held), "1");
  await holding.stopped[0];
});

Deno.test("a window whose roots have moved goes on with the tasks it began before; once they are fetched their process stops", async () => {
  const bench = new Bench();
  const holding = new Holding();
  await using shared = bench.share({ config: AT_ONCE, build: holding.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const roots = ["file:///a"];
  await using client = await sdkClient(it.url, { roots });
  await using other = await sdkClient(it.url, { roots: ["file:///b"] });
  const taskId = await begin(client);
  // The daemon may have started the process of the other window first.
  const before = textOf(await client.callTool({ name: "process" }));
  roots.splice(0, 1, "file:///b");
  await client.sendRootsListChanged();
  assertNotEquals(textOf(await client.callTool({ name: "process" })), before);
  const { tasks } = client.experimental;
  assertEquals((await tasks.getTask(taskId)).status, "working");
  assertEquals((await tasks.listTasks()).tasks.filter((task) => task.taskId === taskId).length, 1);
  await assertRejects(() => other.experimental.tasks.getTask(taskId));
  await bench.finish[0]!();
  assertEquals(textOf(await tasks.getTaskResult(taskId, CallToolResultSchema)), taskId);
  await holding.stopped[Number(before) - 1];
});

Deno.test("a window that got a process of its own goes on with the tasks it began on the shared one", async () => {
  const bench = new Bench();
  const holding = new Holding();
  await using shared = bench.share({ build: holding.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const capabilities = { sampling: {} };
  await using ada = await sdkClient(it.url, { capabilities });
  await using bob = await sdkClient(it.url, { capabilities });
  const taskId = await begin(bob);
  const held = ada.callTool({ name: "hold" });
  await holding.begun.promise;
  assertEquals((await bob.callTool({ name: "sample" })).isError, true);
  assertEquals(textOf(await bob.callTool({ name: "process" })), "2");
  const fetched = bob.experimental.tasks.getTaskResult(taskId, CallToolResultSchema);
  await bench.finish[0]!();
  assertEquals(textOf(await fetched), taskId);
  holding.release.resolve();
  assertEquals(textOf(await held), "1");
});

Deno.test("a task that nobody fetches keeps its process no longer than its time to live, nor than its window", () => {
  const tasks = new UnfetchedTasks();
  const [ada, bob] = [{ id: "ada" }, { id: "bob" }] as [Caller, Caller];
  tasks.add(ada, { taskId: "a", ttl: 1000 }, 0);
  tasks.add(bob, { taskId: "b", ttl: null }, 0);
  assertEquals(tasks.remainingMs(0), Infinity);
  tasks.answered("tasks/get", "b", { result: {} });
  assertEquals(tasks.has(bob), true);
  tasks.forget(bob);
  assertEquals([tasks.remainingMs(400), tasks.remainingMs(1000), tasks.has(ada)], [600, 0, false]);
  tasks.add(ada, { taskId: "c", ttl: 1000 }, 0);
  tasks.answered("tasks/cancel", "c", { error: { code: -1, message: "no" } });
  assertEquals(tasks.has(ada), true);
  tasks.answered("tasks/cancel", "c", { result: {} });
  assertEquals(tasks.has(ada), false);
});
