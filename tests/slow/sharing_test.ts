import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  SubscribeRequestSchema,
  ToolListChangedNotificationSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { testDaemon } from "../helpers/daemon.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";
import { talkative } from "../helpers/talkative.ts";

const ASKED = { elicitation: {}, sampling: {} };

Deno.test("calls of one window run side by side", async () => {
  const both = Promise.withResolvers<void>();
  let running = 0;
  await using shared = sharedServer({
    build: (server) =>
      server.registerTool("meet", {}, async () => {
        if (++running === 2) both.resolve();
        await both.promise;
        return { content: [] };
      }),
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { capabilities: ASKED });
  await Promise.all([ada.callTool({ name: "meet" }), ada.callTool({ name: "meet" })]);
});

Deno.test("progress and log messages reach the window whose call they belong to, and no other", async () => {
  await using shared = sharedServer({ build: talkative });
  await using it = await testDaemon({ servers: [shared.mounted], settings: { globalMaxInflight: 100 } });
  const names = Array.from({ length: 10 }, (_, i) => `window ${i}`);
  await Promise.all(names.map(async (who) => {
    await using client = await sdkClient(it.url, { name: who });
    const heard = new Set<unknown>();
    client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void heard.add(params.data),
    );
    const progress: unknown[] = [];
    const options = { onprogress: ({ message }: { message?: string }) => void progress.push(message) };
    for (let i = 0; i < 10; i++) {
      await client.callTool({ name: "tell", arguments: { who } }, undefined, options);
    }
    assertEquals(progress, Array.from({ length: 30 }, () => who));
    heard.delete(who);
    assertEquals([...heard], []);
  }));
  assertEquals(shared.servers.length, 1);
});

Deno.test("windows in one directory share a process, whatever their clients can do; other roots or `session` do not", async () => {
  await using shared = sharedServer({ build: talkative });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const processOf = async (options: Parameters<typeof sdkClient>[1]) => {
    await using client = await sdkClient(it.url, options);
    return textOf(await client.callTool({ name: "process" }));
  };
  const first = await processOf({ roots: ["file:///a"] });
  assertEquals(await processOf({ roots: ["file:///a"] }), first);
  assertNotEquals(await processOf({ roots: ["file:///b"] }), first);
  assertEquals(await processOf({ roots: ["file:///a"], capabilities: { elicitation: {} } }), first);
  await using alone = sharedServer({ build: talkative, config: { share: "session" } });
  await using other = await testDaemon({ servers: [alone.mounted] });
  for (const _ of [1, 2]) {
    await using client = await sdkClient(other.url);
    await client.callTool({ name: "process" });
  }
  assertEquals(alone.servers.length, 2);
});

Deno.test("`machine` shares one process whatever the directory", async () => {
  await using shared = sharedServer({ build: talkative, config: { share: "machine" } });
  await using it = await testDaemon({ servers: [shared.mounted] });
  for (const root of ["file:///a", "file:///b"]) {
    await using client = await sdkClient(it.url, { roots: [root] });
    await client.callTool({ name: "process" });
  }
  assertEquals(shared.servers.length, 1);
});

Deno.test("a process is told the roots its windows share", async () => {
  const seen: string[] = [];
  await using shared = sharedServer({
    build: (server) =>
      server.registerTool("roots", {}, async () => {
        const { roots } = await server.server.listRoots();
        seen.push(...roots.map(({ uri }) => uri));
        return { content: [] };
      }),
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url, { roots: ["file:///work"] });
  await client.callTool({ name: "roots" });
  assertEquals(seen, ["file:///work"]);
});

Deno.test("a process for the whole machine, or free of any directory, is told of no roots", async () => {
  for (const config of [{ share: "machine" as const }, { cwdFree: true }]) {
    await using shared = sharedServer({ build: talkative, config });
    await using it = await testDaemon({ servers: [shared.mounted] });
    for (const roots of [["file:///a"], ["file:///b"], undefined]) {
      await using client = await sdkClient(it.url, { roots });
      await client.callTool({ name: "process" });
    }
    assertEquals(shared.servers.length, 1);
    assertEquals(shared.servers[0]!.server.getClientCapabilities()?.roots, undefined);
  }
});

Deno.test("a resource is subscribed to once for all its windows, and each that asked is told", async () => {
  const asked: string[] = [];
  await using shared = sharedServer({
    build: (server) => {
      server.registerResource("r", "test://r", {}, () => ({ contents: [] }));
      server.server.setRequestHandler(
        SubscribeRequestSchema,
        ({ params }) => (asked.push(`+${params.uri}`), {}),
      );
      server.server.setRequestHandler(
        UnsubscribeRequestSchema,
        ({ params }) => (asked.push(`-${params.uri}`), {}),
      );
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url);
  await using bob = await sdkClient(it.url);
  await using eve = await sdkClient(it.url);
  await eve.listResources();
  const told = [ada, bob].map((client) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params.uri));
    return promise;
  });
  let overheard = 0;
  eve.setNotificationHandler(ResourceUpdatedNotificationSchema, () => void overheard++);
  for (const client of [ada, bob]) await client.subscribeResource({ uri: "test://r" });
  await shared.servers[0]!.server.sendResourceUpdated({ uri: "test://r" });
  assertEquals(await Promise.all(told), ["test://r", "test://r"]);
  await ada.unsubscribeResource({ uri: "test://r" });
  await bob.unsubscribeResource({ uri: "test://r" });
  assertEquals([asked, overheard], [["+test://r", "-test://r"], 0]);
});

Deno.test("a list that changes is asked for anew, and the windows are told", async () => {
  await using shared = sharedServer({ build: talkative });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  const told = Promise.withResolvers<void>();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => told.resolve());
  await client.listTools();
  shared.servers[0]!.registerTool("fresh", {}, () => ({ content: [{ type: "text", text: "new" }] }));
  await told.promise;
  assertEquals((await client.listTools()).tools.some(({ name }) => name === "fresh"), true);
  assertEquals(textOf(await client.callTool({ name: "fresh" })), "new");
});

Deno.test("a cancelled call is cancelled on the shared process, under its own id there", async () => {
  const begun = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using shared = sharedServer({
    build: (server) =>
      server.registerTool("long", {}, async (extra) => {
        extra.signal.addEventListener("abort", () => aborted.resolve());
        begun.resolve();
        await aborted.promise;
        return { content: [] };
      }),
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  const controller = new AbortController();
  const call = client.callTool({ name: "long" }, undefined, { signal: controller.signal });
  await begun.promise;
  controller.abort();
  await assertRejects(() => call);
  await aborted.promise;
});

Deno.test("a server that ends in mid-call fails that call by name, and the next call finds a fresh one", async () => {
  await using shared = sharedServer({
    build: (server, n) => {
      talkative(server, n);
      server.registerTool("die", {}, async () => {
        await server.close();
        return { content: [] };
      });
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  const error = await assertRejects(() => client.callTool({ name: "die" })) as Error & { data: JsonObject };
  assertStringIncludes(error.message, '"shared"');
  assertEquals([error.data.code, error.data.outcome], ["UPSTREAM_UNAVAILABLE", "unknown"]);
  assertEquals(textOf(await client.callTool({ name: "process" })), "2");
});

Deno.test("a log level is kept for each window; the process hears the most talkative", async () => {
  const levels: string[] = [];
  await using shared = sharedServer({
    build: (server) => {
      server.registerTool("log", {}, async () => {
        for (const level of ["debug", "error"] as const) {
          await server.server.notification({
            method: "notifications/message",
            params: { level, data: level },
          });
        }
        return { content: [] };
      });
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using quiet = await sdkClient(it.url);
  await quiet.setLoggingLevel("error");
  quiet.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void levels.push(params.level),
  );
  await quiet.callTool({ name: "log" });
  assertEquals(levels, ["error"]);
});

Deno.test("a window that asks for no log level hears the same beside one that wants errors only as beside one that wants all", async () => {
  await using shared = sharedServer({
    settleMs: 0,
    build: (server) =>
      server.registerTool("log", {}, async () => {
        for (const level of ["debug", "info", "error"] as const) {
          await server.server.sendLoggingMessage({ level, data: level });
        }
        return { content: [] };
      }),
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(`${it.url}mcp/shared`);
  await using bob = await sdkClient(`${it.url}mcp/shared`);
  const heardBy = (client: typeof ada) => {
    const heard: string[] = [];
    client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void heard.push(params.level),
    );
    return async () => (await client.callTool({ name: "log" }), heard.splice(0));
  };
  const [logAda, logBob] = [heardBy(ada), heardBy(bob)];
  for (const client of [ada, bob]) await client.listTools();
  for (const [level, toAda] of [["error", ["error"]], ["debug", ["debug", "info", "error"]]] as const) {
    await ada.setLoggingLevel(level);
    assertEquals([await logAda(), await logBob()], [[...toAda], ["info", "error"]]);
  }
  assertEquals(shared.servers.length, 1);
});

Deno.test("include, exclude, rename and prefix choose what a window sees, and calls find their way", async () => {
  const tools = { include: ["p*", "t*", "ask"], exclude: ["ask"], rename: { tell: "say" }, prefix: "my_" };
  await using shared = sharedServer({ build: talkative, config: { tools } });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  const names = (await client.listTools()).tools.map(({ name }) => name);
  assertEquals(names.filter((name) => /my_|say|ask|sample/.test(name)), ["my_process", "say"]);
  assertEquals(textOf(await client.callTool({ name: "my_process" })), "1");
  assertEquals(textOf(await client.callTool({ name: "say", arguments: { who: "me" } })), "me");
  await assertRejects(() => client.callTool({ name: "ask" }));
});
