import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  SubscribeRequestSchema,
  ToolListChangedNotificationSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { Admissions } from "../../lib/app/admissions.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { addSampling } from "../helpers/asking_tool.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";

/** Tools that ask, log and tell progress, each naming whoever called. */
function talkative(server: McpServer, n: number): void {
  server.registerTool("process", {}, () => ({ content: [{ type: "text", text: String(n) }] }));
  server.registerTool("ask", {}, async () => {
    const answer = await server.server.elicitInput({
      message: "who are you?",
      requestedSchema: { type: "object", properties: { name: { type: "string" } } },
    });
    return { content: [{ type: "text", text: String(answer.content?.name) }] };
  });
  addSampling(server);
  server.registerTool("tell", { inputSchema: { who: z.string() } }, async ({ who }, extra) => {
    const progressToken = extra._meta?.progressToken;
    for (let progress = 1; progress <= 3; progress++) {
      await server.server.sendLoggingMessage({ level: "info", data: who });
      if (progressToken === undefined) continue;
      await extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken, progress, message: who },
      });
    }
    return { content: [{ type: "text", text: who }] };
  });
}

const ASKED = { elicitation: {}, sampling: {} };

for (const tool of ["ask", "sample"]) {
  Deno.test(`two windows that ${tool} at the same time are refused once at most, then each gets its own answer, a hundred times`, async () => {
    await using shared = sharedServer({ build: talkative });
    await using it = await testDaemon({ servers: [shared.mounted] });
    await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
    await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
    const ask = () =>
      Promise.all([ada, bob].map(async (client) => textOf(await client.callTool({ name: tool }))));
    for (const [i, text] of (await ask()).entries()) {
      if (text !== ["ada", "bob"][i]) assertStringIncludes(text, "it cannot be told which of them asks");
    }
    for (let round = 0; round < 100; round++) assertEquals(await ask(), ["ada", "bob"]);
    assertEquals(shared.servers.length <= 3, true);
  });
}

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

Deno.test("a window is not held up by another whose call does not end; one that is asked meanwhile waits seconds, then gets a process of its own", async () => {
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using shared = sharedServer({
    build: (server, n) => {
      talkative(server, n);
      server.registerTool("wait", {}, async () => {
        begun.resolve();
        await release.promise;
        return { content: [] };
      });
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
  await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
  await bob.callTool({ name: "process" });
  const waiting = ada.callTool({ name: "wait" });
  await begun.promise;
  assertEquals(textOf(await bob.callTool({ name: "process" })), "1");
  assertStringIncludes(textOf(await bob.callTool({ name: "ask" })), "it cannot be told which of them asks");
  assertEquals(textOf(await bob.callTool({ name: "ask" })), "bob");
  assertEquals(textOf(await bob.callTool({ name: "process" })), "2");
  release.resolve();
  await waiting;
});

for (const exclusive of [true, false]) {
  Deno.test(`beside a long call on one process for all, a window that is asked waits seconds at most and ${exclusive ? "is refused, as no copy may run" : "goes on in a copy"}; no other waits`, async () => {
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const admissions = new Admissions({ ...defaultSettings(), queueMax: 9 }, () => {});
    await using shared = sharedServer({
      config: { share: "machine", maxInflight: 9, exclusive },
      admissionFor: admissions.ofProcess,
      build: (server, n) => {
        talkative(server, n);
        server.registerTool(
          "wait",
          {},
          async () => (begun.resolve(), await release.promise, { content: [] }),
        );
      },
    });
    await using it = await testDaemon({ servers: [shared.mounted] });
    await using ada = await sdkClient(it.url, { capabilities: ASKED });
    await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
    await using eve = await sdkClient(it.url);
    await using dan = await sdkClient(it.url);
    const mute = [eve, dan];
    for (const client of [bob, ...mute]) await client.callTool({ name: "process" });
    const waiting = ada.callTool({ name: "wait" });
    await begun.promise;
    const asked = async () => textOf(await bob.callTool({ name: "ask" }));
    // The server has not asked before.
    assertStringIncludes(await asked(), "it cannot be told which of them asks");
    const abandoned = new AbortController();
    const second = ada.callTool({ name: "wait" }, undefined, { signal: abandoned.signal }).catch(() => {});
    const startedMs = performance.now();
    const inTurn = asked();
    for (let round = 0; round < 5; round++) {
      await Promise.all(mute.map((client) => client.callTool({ name: "process" })));
      if (round === 2) abandoned.abort();
    }
    await Promise.all([bob, ...mute].map((client) => client.listTools()));
    const othersMs = performance.now() - startedMs;
    const answer = await inTurn;
    const tookMs = performance.now() - startedMs;
    assertEquals([othersMs < 1500, tookMs < 5500], [true, true], `${othersMs} ms, ${tookMs} ms`);
    if (exclusive) assertStringIncludes(answer, '"exclusive": false in mcp.json');
    else assertEquals(answer, "bob");
    release.resolve();
    await Promise.all([waiting, second]);
    assertEquals(shared.servers.length, exclusive ? 1 : 2);
  });
}

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

Deno.test("a window that is asked waits for the short call of another, and is asked on the same process", async () => {
  await using shared = sharedServer({ build: talkative, settleMs: 300 });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { name: "ada", capabilities: ASKED });
  await using bob = await sdkClient(it.url, { name: "bob", capabilities: ASKED });
  for (let round = 0; round < 3; round++) {
    for (const [client, name] of [[ada, "ada"], [bob, "bob"]] as const) {
      assertEquals(textOf(await client.callTool({ name: "ask" })), name);
    }
  }
  assertEquals(shared.servers.length, 1);
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
