import { assert, assertEquals, assertMatch } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { Supervisor } from "../../lib/upstream/supervisor.ts";
import { HealingServer, type HealingServerOptions } from "../helpers/healing_server.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

/** A server behind a URL, a daemon that mounts it, and two windows on it. */
async function healing(options: HealingServerOptions = {}, more: JsonObject = {}) {
  const server = new HealingServer(options);
  const it = await mountingDaemon({
    remote: { url: server.url, ...(options.legacy ? { type: "sse" } : {}), ...more },
  });
  const windows = [await sdkClient(`${it.url}mcp/remote`), await sdkClient(`${it.url}mcp/remote`)] as const;
  return {
    server,
    windows,
    status: async () => (await it.status())[0]!,
    reload: () => it.reload(),
    async [Symbol.asyncDispose]() {
      await Promise.all(windows.map((window) => window.close()));
      await it[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const run = async (client: Client, name: string) => textOf(await client.callTool({ name, arguments: {} }));

/** What `run` says, or the error. */
const outcome = (client: Client, name: string) => run(client, name).catch((thrown) => String(thrown));

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (!await isSo()) {
    assert(performance.now() < deadlineMs, `it never came to that: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (
  const refusal of [
    { status: 404, body: "" },
    {
      status: 404,
      body: '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}',
    },
    { status: 400, body: "Bad Request: No valid session ID provided" },
    {
      status: 400,
      body: '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}}',
    },
    { status: 401, body: "session expired" },
    { status: 410, body: "this session is gone" },
    { status: 410, body: "Gone" },
    ...[400, 401, 410, 412].map((status) => ({ status, body: "" })),
  ]
) {
  Deno.test(`a session refused with ${refusal.status} ${refusal.body.slice(0, 30)} is made anew, for every window`, async () => {
    await using it = await healing();
    it.server.refusal = refusal;
    assertEquals(await run(it.windows[0], "write"), "1");
    it.server.forgetSessions();
    assertEquals(await run(it.windows[0], "write"), "2");
    assertEquals(await run(it.windows[1], "write"), "3");
    assertEquals(it.server.count("POST initialize"), 2);
    assertEquals(it.server.runs, ["write", "write", "write"], "each ran once");
  });
}

Deno.test("when many calls of two windows meet a lost session, one connection is made and each call runs once", async () => {
  await using it = await healing();
  await run(it.windows[0], "write");
  await run(it.windows[1], "write");
  it.server.forgetSessions();
  const calls = Array.from({ length: 40 }, (_, i) => run(it.windows[i % 2]!, "write"));
  const answers = await Promise.all(calls);
  assertEquals(new Set(answers).size, 40);
  assertEquals([it.server.runs.length, it.server.count("POST initialize")], [42, 2]);
});

Deno.test("a call under way when the session is lost keeps its own answer", async () => {
  await using it = await healing();
  const held = run(it.windows[0], "hold");
  await until(() => it.server.runs.includes("hold"), "the call has begun");
  it.server.forgetSessions();
  assertEquals(await run(it.windows[1], "write"), "2");
  it.server.release.resolve();
  assertEquals(await held, "2");
  assertEquals(it.server.runs, ["hold", "write"]);
});

Deno.test("a server that was restarted on its port goes on, and says what is wrong while it is away", async () => {
  await using it = await healing();
  await run(it.windows[0], "write");
  await it.server.stop();
  assertMatch(await outcome(it.windows[0], "write"), /server "remote".*[Cc]onnect/);
  it.server.start();
  assertEquals(await run(it.windows[0], "write"), "2");
  assertEquals(await run(it.windows[1], "read"), "3");
});

Deno.test("a server that knows no session it gives is told to the caller, and not asked without end", async () => {
  const it: Awaited<ReturnType<typeof healing>> = await healing({
    answer({ method }) {
      if (method === "tools/call") it.server.forgetSessions();
      return undefined;
    },
  });
  assertMatch(await outcome(it.windows[0], "write"), /server "remote".*does not know the session any more/);
  assertEquals(it.server.count("POST tools/call"), 2);
  const { breaker } = await it.status();
  assertEquals((breaker as JsonObject).failures, 0, "a server that refuses at once is well");
  assert(it.server.count("POST initialize") <= 4);
  await it[Symbol.asyncDispose]();
});

Deno.test("a server without session ids that says it was not initialized is initialized again", async () => {
  await using it = await healing({ sessions: false });
  it.server.refusal = { status: 400, body: "Bad Request: Server not initialized" };
  assertEquals(await run(it.windows[0], "write"), "1");
  it.server.forgetSessions();
  assertEquals(await run(it.windows[0], "write"), "2");
});

Deno.test("subscriptions and the log level are carried over to the next session, and the window is told", async () => {
  await using it = await healing();
  const [window] = it.windows;
  let updates = 0;
  window.setNotificationHandler(ResourceUpdatedNotificationSchema, () => void updates++);
  await window.subscribeResource({ uri: "test://one" });
  await window.setLoggingLevel("error");
  await run(window, "write");
  await it.server.stop();
  it.server.start();
  await until(
    () => it.server.count("POST resources/subscribe") >= 2,
    "it is subscribed again, with no call made",
  );
  await until(() => updates > 0, "the window hears that it may have missed something");
  await until(() => it.server.count("POST logging/setLevel") >= 2, "the level is told again");
});

Deno.test("the answer to a call whose stream is cut: repeated when that is safe, unknown when it is not", async () => {
  const cut = new Set(["read", "write"]);
  await using it = await healing({
    answer({ method, params }) {
      const { name = "" } = (params ?? {}) as { name?: string };
      if (method !== "tools/call" || !cut.delete(name)) return undefined;
      return new Response(": wait\n\n", { headers: { "content-type": "text/event-stream" } });
    },
  });
  assertEquals(await run(it.windows[0], "read"), "1", "asked again: reading twice does no harm");
  const said = await outcome(it.windows[0], "write");
  assertMatch(said, /server "remote".*ended without an answer.*may have run/);
  assertEquals(it.server.runs, ["read"]);
});

Deno.test("the server's own stream comes back after it was cut or away, and what changed meanwhile is noticed", async () => {
  await using it = await healing();
  const changed = Promise.withResolvers<void>();
  it.windows[0].setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve());
  await it.windows[0].listTools();
  await until(() => it.server.streams === 1, "it listens");
  await it.server.stop({ keepSessions: true });
  it.server.tools.push("added");
  it.server.start();
  await until(() => it.server.streams === 1, "it listens again");
  await changed.promise;
  const { tools } = await it.windows[0].listTools();
  assert(tools.some(({ name }) => name === "added"));
});

Deno.test("a window that only listens is connected again at once, with no call made", async () => {
  await using it = await healing();
  const changed = Promise.withResolvers<void>();
  it.windows[0].setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve());
  await it.windows[0].listTools();
  await run(it.windows[0], "write");
  await until(() => it.server.streams === 1, "it listens");
  await it.server.stop();
  it.server.tools.push("added");
  it.server.start();
  await until(() => it.server.count("POST initialize") === 2, "it is initialized anew");
  await changed.promise;
});

Deno.test("a stream that is refused with 503 is tried again, one refused with 405 is not", async () => {
  const server = new HealingServer();
  server.getStatus = 503;
  const it = await mountingDaemon({ remote: { url: server.url } });
  const window = await sdkClient(`${it.url}mcp/remote`);
  try {
    await run(window, "write");
    await until(() => server.count("GET") >= 2, "it is tried again");
    server.getStatus = 405;
    const tried = () => server.count("GET");
    const before = tried();
    await until(() => tried() > before, "it is told");
    const told = tried();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await run(window, "write");
    assertEquals(tried(), told, "and asked no more");
  } finally {
    await window.close();
    await it[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  }
});

Deno.test("the session is given back at the end", async () => {
  const it = await healing();
  await run(it.windows[0], "write");
  const { server } = it;
  await it[Symbol.asyncDispose]();
  assertEquals(server.count("DELETE"), 1);
});

Deno.test("a legacy SSE server whose stream is cut goes on with another, and its call under way is answered", async () => {
  await using it = await healing({ legacy: true });
  assertEquals(await run(it.windows[0], "write"), "1");
  const held = outcome(it.windows[0], "hold");
  await until(() => it.server.runs.includes("hold"), "the call has begun");
  it.server.cutStreams();
  assertMatch(await held, /server "remote".*its event stream ended.*may have run/);
  assertEquals(await run(it.windows[0], "write"), "3");
  assertEquals(await run(it.windows[1], "write"), "4");
});

Deno.test("a legacy SSE server that was restarted goes on, without a word of -32602", async () => {
  await using it = await healing({ legacy: true });
  await run(it.windows[0], "write");
  await it.server.stop();
  await outcome(it.windows[1], "write");
  it.server.start();
  await until(async () => /^\d+$/.test(await outcome(it.windows[0], "write")), "it is back");
  assertMatch(await outcome(it.windows[1], "write"), /^\d+$/);
});

Deno.test("a server behind a URL that cannot be reached for long is tried every few seconds, not left for minutes", () => {
  const remote = new Supervisor("remote", { isRemote: true });
  const local = new Supervisor("local");
  const away = new ExaiError("UPSTREAM_UNAVAILABLE", "away");
  for (let n = 0; n < 20; n++) {
    remote.failed({ begunAtMs: n * 1000 }, away, n * 1000);
    local.failed({ begunAtMs: n * 1000 }, away, n * 1000);
  }
  assertEquals(remote.failureState!.retryAt.getTime(), 19_000 + 10_000);
  assertEquals(local.failureState!.retryAt.getTime(), 19_000 + 300_000);
});

Deno.test("a legacy SSE server that forgets whose messages it gets goes on, and nothing runs twice", async () => {
  await using it = await healing({ legacy: true });
  await run(it.windows[0], "write");
  it.server.forgetSessions();
  assertEquals(await run(it.windows[0], "write"), "2");
});

Deno.test("a legacy SSE server that never names its endpoint is given up in time, by name", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream" } }),
  );
  await using it = await mountingDaemon({
    mute: { type: "sse", url: `http://127.0.0.1:${server.addr.port}/sse`, startTimeoutMs: 300 },
  });
  const said = String(await sdkClient(`${it.url}mcp/mute`).catch((thrown) => thrown));
  assertMatch(said, /server "mute": it did not connect within 300 ms/);
});

Deno.test("ps shows how each connection stands", async () => {
  await using it = await healing();
  await run(it.windows[0], "write");
  await until(async () => (await it.status()).listening === "open", "its stream is open");
  assertEquals((await it.status()).connection, "ready");
});
