import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { type Script, ScriptedDaemon } from "../fixtures/scripted_daemon.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";
import { freePort } from "../../tools/lib/free_port.ts";

const TOOLS = {
  tools: [
    { name: "reads", inputSchema: { type: "object" }, annotations: { readOnlyHint: true } },
    { name: "repeats", inputSchema: { type: "object" }, annotations: { idempotentHint: true } },
    { name: "acts", inputSchema: { type: "object" } },
  ],
};
const SCRIPT: Script = { results: { "tools/list": TOOLS } };

/** A window whose daemon can be replaced by another on the same port. */
async function window(options: { env?: Record<string, string>; script?: Script } = {}) {
  let daemon = new ScriptedDaemon({ ...SCRIPT, ...options.script });
  const { port } = daemon;
  const shim = await Shim.ready({ port, env: options.env });
  const connection = await daemon.connection();
  await connection.next();
  await shim.ask("tools/list");
  return {
    shim,
    connection,
    /** The next connection of the shim to the daemon that runs. */
    again: () => daemon.connection(),
    /** Ends the daemon. */
    stop: () => daemon[Symbol.asyncDispose](),
    /** Starts the next daemon; the connection of the shim to it. */
    async next(script: Script = {}) {
      daemon = await until(
        "its port",
        () => unlessTaken(() => new ScriptedDaemon({ ...SCRIPT, ...script, port })),
      );
      return await daemon.connection();
    },
    async [Symbol.asyncDispose]() {
      await shim[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** Undefined while a connection of another program has the port, as it may between two daemons. */
function unlessTaken<T>(listen: () => T): T | undefined {
  try {
    return listen();
  } catch (thrown) {
    if (thrown instanceof Deno.errors.AddrInUse) return undefined;
    throw thrown;
  }
}

function codeOf(message: JsonObject): unknown {
  return ((message.error as JsonObject)?.data as JsonObject)?.code;
}

/** A request's method, and what it calls. */
function described(message: JsonObject): string {
  const name = (message.params as JsonObject | undefined)?.name;
  return name ? `${message.method} ${name}` : String(message.method);
}

Deno.test("without a daemon a request gets a clear error in time, and the next one works when it is there", async () => {
  const port = freePort();
  await using shim = await Shim.start({ port, env: { EXAI_WS_CONNECT_TIMEOUT: "1" } });
  const failed = await shim.ask("initialize", INITIALIZE);
  assertEquals(codeOf(failed), "DAEMON_UNAVAILABLE");
  const { message } = failed.error as { message: string };
  assertStringIncludes(message, `ws://127.0.0.1:${port}/`);
  assertMatch(message, /keeps trying.*EXAI_WS_AUTOSTART.*run exai-daemon/);
  assertStringIncludes(message, `${shim.home}/logs`);
  await using _daemon = new ScriptedDaemon({ port });
  assertEquals((await shim.initialize()).error, undefined);
});

Deno.test("a request made before the daemon is up waits for it", async () => {
  const port = freePort();
  await using shim = await Shim.start({ port });
  const answer = shim.initialize();
  await shim.logged("no daemon listens");
  await using _daemon = new ScriptedDaemon({ port });
  assertEquals((await answer).error, undefined);
});

Deno.test("a restarted daemon is told of the client without its knowledge", async () => {
  await using it = await window();
  const level = it.shim.ask("logging/setLevel", { level: "error" });
  it.connection.answer(await it.connection.next());
  await level;
  for (const uri of ["a:1", "a:2"]) {
    const answer = it.shim.ask("resources/subscribe", { uri });
    it.connection.answer(await it.connection.next());
    await answer;
  }
  const gone = it.shim.ask("resources/unsubscribe", { uri: "a:1" });
  it.connection.answer(await it.connection.next());
  await gone;
  await it.stop();
  const told: JsonObject[] = [];
  const next = await it.next({
    results: { ...SCRIPT.results, initialize: undefined },
  });
  const initialize = await next.next();
  assertEquals([initialize.method, initialize.params], [
    "initialize",
    { ...INITIALIZE, _meta: { "exai/replay": { logLevel: "error", subscriptions: 1 } } },
  ]);
  assertNotEquals(initialize.id, 1000);
  next.answer(initialize, { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "n" } });
  for (let count = 0; count < 3; count++) told.push(await next.next());
  assertEquals(told.map(({ method, params }) => [method, params]), [
    ["notifications/initialized", undefined],
    ["logging/setLevel", { level: "error" }],
    ["resources/subscribe", { uri: "a:2" }],
  ]);
  for (const request of told.slice(1)) next.answer(request);
  const answer = it.shim.call("acts", {}, 1);
  next.answer(await next.next(), { from: "the next" });
  assertEquals((await answer).result, { from: "the next" });
  // initialize, tools/list, setLevel, three about resources, and the last call: nothing of the replay.
  assertEquals(it.shim.lines.length, 7);
});

Deno.test("after a restart what may be repeated is, and the rest gets one error that says nobody knows", async () => {
  await using it = await window();
  const asked = [
    it.shim.call("acts", {}, "acts"),
    it.shim.call("reads", {}, "reads"),
    it.shim.call("repeats", {}, "repeats"),
    it.shim.call("nobody knows it", {}, "unknown"),
    it.shim.ask("resources/read", { uri: "a:1" }, "resource"),
    it.shim.ask("x/custom", {}, "custom"),
  ];
  for (const _ of asked) await it.connection.next();
  await it.stop();
  const next = await it.next();
  const again: string[] = [];
  for (let count = 0; count < 4; count++) {
    const message = await next.next();
    again.push(described(message));
    if (message.id !== undefined) next.answer(message, { again: true });
  }
  assertEquals(again, [
    "notifications/initialized",
    "tools/call reads",
    "tools/call repeats",
    "resources/read",
  ]);
  const answers = await Promise.all(asked);
  assertEquals(answers.map((answer) => [answer.id, codeOf(answer) ?? answer.result]), [
    ["acts", "OUTCOME_UNKNOWN"],
    ["reads", { again: true }],
    ["repeats", { again: true }],
    ["unknown", "OUTCOME_UNKNOWN"],
    ["resource", { again: true }],
    ["custom", "OUTCOME_UNKNOWN"],
  ]);
  assertEquals((answers[0]!.error as { data: JsonObject }).data.outcome, "unknown");
});

Deno.test("what was never sent is sent to the next daemon, in its order", async () => {
  await using it = await window();
  await it.stop();
  await it.shim.logged("the connection to the daemon has ended");
  const answers = [it.shim.call("acts", {}, 1), it.shim.call("acts", {}, 2)];
  await it.shim.send({ jsonrpc: "2.0", method: "notifications/roots/list_changed" });
  const next = await it.next();
  assertEquals((await next.next()).method, "notifications/initialized");
  const [first, second, third] = [await next.next(), await next.next(), await next.next()];
  assertEquals([first.id, second.id, third.method], [1, 2, "notifications/roots/list_changed"]);
  next.answer(first);
  next.answer(second);
  assertEquals((await Promise.all(answers)).map(({ error }) => error), [undefined, undefined]);
});

Deno.test("while the daemon is away, initialize, ping and lists are answered from memory", async () => {
  await using it = await window();
  await it.stop();
  await it.shim.logged("the connection to the daemon has ended");
  assertEquals((await it.shim.ask("tools/list", { _meta: { progressToken: 9 } })).result, TOOLS);
  assertEquals((await it.shim.ask("ping")).result, {});
  const { serverInfo } = (await it.shim.ask("initialize", INITIALIZE)).result as JsonObject;
  assertEquals(serverInfo, { name: "scripted", version: "1" });
});

Deno.test("a list that differs after a restart is told to the client, if the daemon said it would", async () => {
  await using it = await window();
  await it.stop();
  await it.next({ results: { "tools/list": { tools: [] } } });
  assertEquals(await it.shim.next(), { jsonrpc: "2.0", method: "notifications/tools/list_changed" });
  assertEquals((await it.shim.ask("tools/list")).result, { tools: [] });
});

Deno.test("a request the client cancels while it waits here is never sent, and gets no answer", async () => {
  await using it = await window();
  await it.stop();
  await it.shim.logged("the connection to the daemon has ended");
  await it.shim.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "acts" } });
  await it.shim.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
  const answer = it.shim.call("acts", {}, 2);
  const next = await it.next();
  assertEquals((await next.next()).method, "notifications/initialized");
  const request = await next.next();
  assertEquals(request.id, 2);
  next.answer(request);
  await answer;
  assertEquals(it.shim.lines.some((line) => JSON.parse(line).id === 1), false);
});

Deno.test("a question of a daemon that is gone is withdrawn, and its late answer goes to nobody", async () => {
  await using it = await window();
  it.connection.send({ jsonrpc: "2.0", id: "q", method: "elicitation/create", params: {} });
  await it.shim.next(({ method }) => method === "elicitation/create");
  await it.stop();
  const next = await it.next();
  const cancelled = await it.shim.next(({ method }) => method === "notifications/cancelled");
  assertEquals((cancelled.params as JsonObject).requestId, "q");
  await it.shim.send({ jsonrpc: "2.0", id: "q", result: { action: "accept" } });
  const answer = it.shim.call("acts", {}, 1);
  assertEquals((await next.next()).method, "notifications/initialized");
  next.answer(await next.next());
  assertEquals((await answer).id, 1);
});

Deno.test("a token that is not accepted is said at once, and the window works when it is put right", async () => {
  await using it = await testDaemon({ settings: { token: "the right one" } });
  const home = await Deno.makeTempDir();
  await Deno.writeTextFile(`${home}/token`, "the wrong one\n");
  {
    const port = Number(new URL(it.url).port);
    await using shim = await Shim.start({ port, home, env: { EXAI_WS_TOKEN: "auto" } });
    const refused = await shim.ask("initialize", INITIALIZE);
    assertEquals(codeOf(refused), "UNAUTHORIZED");
    assertStringIncludes((refused.error as { message: string }).message, "EXAI_WS_TOKEN");
    await Deno.writeTextFile(`${home}/token`, "the right one\n");
    let answer = await shim.ask("initialize", INITIALIZE);
    while (answer.error) answer = await shim.ask("initialize", INITIALIZE);
    assertEquals(shim.stderr.includes("the wrong one"), false);
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("a daemon that hangs is noticed by its silence and left for the next connection", async () => {
  await using it = await window({
    env: { EXAI_WS_PING_INTERVAL: "1", EXAI_WS_PING_TIMEOUT: "1" },
    script: { results: { ...SCRIPT.results, ping: undefined }, silent: true },
  });
  const answer = it.shim.call("reads", {}, 1);
  assertEquals(described(await it.connection.next()), "tools/call reads");
  assertEquals(described(await it.connection.next()), "ping");
  await it.shim.logged("does not answer pings");
  await it.stop();
  const next = await it.next();
  await next.next();
  next.answer(await next.next());
  assertEquals((await answer).error, undefined);
});

Deno.test("EXAI_SHIM_RPC_TIMEOUT ends a request with an error and cancels it at the daemon", async () => {
  await using it = await window({ env: { EXAI_SHIM_RPC_TIMEOUT: "0.2" } });
  const answer = it.shim.call("acts", {}, 1);
  const request = await it.connection.next();
  assertEquals(codeOf(await answer), "TIMEOUT");
  const cancelled = await it.connection.next();
  assertEquals([cancelled.method, (cancelled.params as JsonObject).requestId], [
    "notifications/cancelled",
    1,
  ]);
  it.connection.answer(request);
  assertEquals((await it.shim.ask("ping")).result, {});
  assertEquals(it.shim.lines.filter((line) => JSON.parse(line).id === 1).length, 1);
});

Deno.test("a request that ends every daemon it reaches is given up, not run for ever", async () => {
  await using it = await window();
  const answer = it.shim.call("reads", {}, 1);
  await it.connection.next();
  await it.stop();
  for (let restart = 0; restart < 2; restart++) {
    const next = await it.next();
    await next.next();
    assertEquals(described(await next.next()), "tools/call reads");
    await it.stop();
  }
  await it.next();
  assertEquals(codeOf(await answer), "OUTCOME_UNKNOWN");
  assertStringIncludes(JSON.stringify(await answer), "each of the 3 daemons");
});

Deno.test("a window whose session was closed, for whatever reason, is connected again at once", async () => {
  await using it = await window();
  it.connection.close(1001, "idle for too long");
  const again = await it.again();
  assertEquals((again.hello.resume as JsonObject).token, "secret");
});
