import { assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import type { JsonObject } from "../../lib/base/json.ts";
import { SharedLogLevel } from "../../lib/upstream/instance/log_level.ts";
import { LOG_LEVELS } from "../../lib/wire/mcp.ts";
import type { RpcRequest } from "../../lib/wire/rpc.ts";
import { call } from "../helpers/call.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { type RawConnection, rawServer } from "../helpers/raw_server.ts";

const URI = "test://r";
const OK = { result: {} };
const NO = { error: { code: -32050, message: "not today" } };

/** A server that answers each subscribe, unsubscribe and setLevel when the test says how. */
function scripted() {
  const open: { request: RpcRequest; connection: RawConnection }[] = [];
  const asked: string[] = [];
  const raw = rawServer({
    capabilities: { tools: {}, resources: { subscribe: true }, logging: {} },
    answer: (request, connection) => {
      const { method, params } = request;
      if (method === "resources/list") return { resources: [{ uri: URI, name: "r" }] };
      if (method === "tools/list") return { tools: [{ name: "t", inputSchema: { type: "object" } }] };
      if (!/subscribe|setLevel/.test(method)) return {};
      asked.push([method.split("/")[1], params?.level].filter(Boolean).join(" "));
      if (server.agrees) return {};
      open.push({ request, connection });
      return undefined;
    },
  });
  const server = Object.assign(raw, {
    /** Whether it agrees to everything at once, and leaves nothing to the test. */
    agrees: false,
    asked,
    /** Answers the oldest question, or one that came later; it may still be on its way. */
    async answer(answer: object, later = 0): Promise<void> {
      for (const deadlineMs = Date.now() + 5000; open.length <= later;) {
        if (Date.now() > deadlineMs) throw new Error("the server was asked nothing");
        await delay(1);
      }
      const { request, connection } = open.splice(later, 1)[0]!;
      connection.send({ id: request.id, ...answer });
    },
    update: () =>
      raw.connections.at(-1)!.send({ method: "notifications/resources/updated", params: { uri: URI } }),
  });
  return server;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadlineMs = Date.now() + 5000; !condition();) {
    if (Date.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await delay(1);
  }
}

async function two(server: ReturnType<typeof scripted>) {
  const it = await testDaemon({ servers: [server.mounted] });
  const [ada, bob] = [await McpWindow.open(it.url), await McpWindow.open(it.url)];
  for (const window of [ada, bob]) await window.request("resources/list");
  return {
    ada,
    bob,
    /** How many updates each has heard, of `n` the server sends now. */
    async updates(n = 1): Promise<number[]> {
      for (const window of [ada, bob]) window.heard.splice(0);
      for (let i = 0; i < n; i++) server.update();
      return await Promise.all([ada, bob].map(async (window) => {
        await window.request("tools/call", { name: "t" });
        return window.heard.filter(({ method }) => method === "notifications/resources/updated").length;
      }));
    },
    async [Symbol.asyncDispose]() {
      for (const each of [ada, bob, it]) await each[Symbol.asyncDispose]();
    },
  };
}

const subscribe = (window: McpWindow) => window.request("resources/subscribe", { uri: URI });
const unsubscribe = (window: McpWindow) => window.request("resources/unsubscribe", { uri: URI });

Deno.test("two windows that subscribe at once to what the server refuses both learn that it does", async () => {
  await using server = scripted();
  await using it = await two(server);
  const answers = [subscribe(it.ada), subscribe(it.bob)];
  await server.answer(NO);
  await server.answer(NO);
  for (const { error } of await Promise.all(answers)) assertEquals(error, NO.error);
  assertEquals(await it.updates(), [0, 0]);
});

Deno.test("of two windows that subscribe at once the second is subscribed although the first is refused", async () => {
  await using server = scripted();
  await using it = await two(server);
  const [hers, his] = [subscribe(it.ada), subscribe(it.bob)];
  await server.answer(NO);
  await server.answer(OK);
  assertEquals([(await hers).error, (await his).result], [NO.error, {}]);
  assertEquals(await it.updates(), [0, 1]);
});

Deno.test("a window that gives up subscribing takes no other's subscription with it", async () => {
  await using server = scripted();
  await using it = await two(server);
  void it.ada.request("resources/subscribe", { uri: URI }, "dropped");
  const his = subscribe(it.bob);
  await until(() => server.asked.length > 0, "the server is asked");
  it.ada.send("notifications/cancelled", { requestId: "dropped" });
  await server.connections[0]!.message((message) =>
    "method" in message && message.method === "notifications/cancelled"
  );
  await server.answer(OK);
  await server.answer(OK);
  assertEquals((await his).result, {});
  assertEquals(await it.updates(), [0, 1]);
});

Deno.test("the server is asked once for all who subscribe at once", async () => {
  await using server = scripted();
  await using it = await two(server);
  const answers = [subscribe(it.ada), subscribe(it.bob), subscribe(it.ada)];
  await server.answer(OK);
  await Promise.all(answers);
  assertEquals([server.asked, await it.updates()], [["subscribe"], [1, 1]]);
});

Deno.test("an update in the same breath as the answer to subscribe is heard", async () => {
  await using server = scripted();
  await using it = await two(server);
  const hers = subscribe(it.ada);
  await server.answer(OK);
  server.update();
  await hers;
  await it.ada.request("tools/call", { name: "t" });
  assertEquals(it.ada.heard.map(({ method }) => method), ["notifications/resources/updated"]);
});

Deno.test("a window that subscribes while another's unsubscribing is under way is subscribed in the end", async () => {
  await using server = scripted();
  await using it = await two(server);
  const first = subscribe(it.ada);
  await server.answer(OK);
  await first;
  const answers = [unsubscribe(it.ada), subscribe(it.bob)];
  await server.answer(OK);
  await server.answer(OK);
  for (const { result } of await Promise.all(answers)) assertEquals(result, {});
  assertEquals(server.asked, ["subscribe", "unsubscribe", "subscribe"]);
  assertEquals(await it.updates(), [0, 1]);
});

async function overtakes(answer: object): Promise<void> {
  await using server = scripted();
  await using it = await two(server);
  const first = subscribe(it.ada);
  await server.answer(OK);
  await first;
  const leaving = unsubscribe(it.ada);
  await until(() => server.asked.length === 2, "the server is asked to let her go");
  const his = subscribe(it.bob);
  await server.answer(OK, 1);
  assertEquals((await his).result, {});
  await server.answer(OK);
  assertEquals((await leaving).result, {});
  await server.answer(answer);
  assertEquals(server.asked, ["subscribe", "unsubscribe", "subscribe", "subscribe"]);
  if (answer === OK) return assertEquals(await it.updates(), [0, 1]);
  await until(() => it.bob.heard.length > 1, "he is told");
  const said = JSON.stringify(it.bob.heard.map(({ params }) => params));
  assertStringIncludes(said, `the subscription to ${URI} is lost: not today; subscribe again`);
  assertEquals(await it.updates(), [0, 0]);
}

Deno.test("a window that overtakes another's unsubscribing, with which the server is slow, hears or is told", async () => {
  await Promise.all([overtakes(OK), overtakes(NO)]);
});

Deno.test("a window whose unsubscribing the server refuses is told, stays subscribed, and can try again", async () => {
  await using server = scripted();
  await using it = await two(server);
  const first = subscribe(it.ada);
  await server.answer(OK);
  await first;
  for (const [answer, updates] of [[NO, 1], [OK, 0]] as const) {
    const asked = unsubscribe(it.ada);
    await server.answer(answer);
    assertEquals((await asked).error, "error" in answer ? answer.error : undefined);
    assertEquals(await it.updates(), [updates, 0]);
  }
});

Deno.test("a window that leaves ends its own subscription only, and the last one ends it at the server", async () => {
  await using server = scripted();
  const it = await testDaemon({ servers: [server.mounted] });
  const [ada, bob] = [await McpWindow.open(it.url), await McpWindow.open(it.url)];
  const answers = [subscribe(ada), subscribe(bob)];
  await server.answer(OK);
  await Promise.all(answers);
  await ada[Symbol.asyncDispose]();
  await bob.request("tools/call", { name: "t" });
  assertEquals(server.asked, ["subscribe"]);
  await bob[Symbol.asyncDispose]();
  await server.answer(OK);
  assertEquals(server.asked, ["subscribe", "unsubscribe"]);
  await it[Symbol.asyncDispose]();
});

Deno.test("a window is told when it cannot be subscribed again to what it was, after its server was started anew", async () => {
  await using server = scripted();
  await using it = await two(server);
  const first = subscribe(it.ada);
  await server.answer(OK);
  await first;
  for (const slot of server.mounted.slots) server.mounted.end(slot);
  await server.answer(NO);
  for (const deadlineMs = Date.now() + 5000; it.ada.heard.length < 2 && Date.now() < deadlineMs;) {
    await delay(1);
  }
  const [told] = it.ada.heard.filter(({ method }) => method === "notifications/message");
  assertStringIncludes(
    String((told!.params as JsonObject).data),
    `subscription to ${URI} is lost: not today`,
  );
  assertEquals(it.bob.heard, []);
});

/** Sets a level on the window's own door to the server, where the answer is the server's. */
const setLevel = (window: McpWindow, level: string) => window.request("logging/setLevel", { level });

Deno.test("a level the server refuses is an error for who asked, and the next one is asked for anew", async () => {
  await using server = scripted();
  await using it = await testDaemon({ servers: [server.mounted] });
  await using ada = await McpWindow.open(`${it.url}mcp/raw`);
  await ada.request("resources/list");
  for (const answer of [NO, OK]) {
    const asked = setLevel(ada, "error");
    await server.answer(answer);
    assertEquals((await asked).error, "error" in answer ? answer.error : undefined);
  }
  assertEquals(server.asked, ["setLevel error", "setLevel error"]);
});

Deno.test("levels set at once by several windows leave the server at the most talkative of them", async () => {
  await using server = scripted();
  await using it = await testDaemon({ servers: [server.mounted] });
  await using ada = await McpWindow.open(`${it.url}mcp/raw`);
  await using bob = await McpWindow.open(`${it.url}mcp/raw`);
  server.agrees = true;
  for (const window of [ada, bob]) await setLevel(window, "error");
  await until(() => server.asked.at(-1) === "setLevel error", "both are known to want errors only");
  server.agrees = false;
  const first = setLevel(ada, "warning");
  await until(() => server.asked.at(-1) === "setLevel warning", "the first is asked for");
  const others = [setLevel(bob, "notice"), setLevel(ada, "critical")];
  await bob.request("resources/list");
  server.agrees = true;
  await server.answer(OK);
  await Promise.all([first, ...others]);
  assertEquals(server.asked.at(-1), "setLevel notice");
});

Deno.test("a server that does not answer one window's subscription does not keep the others waiting", async () => {
  await using server = scripted();
  await using it = await two(server);
  const unanswered = it.ada.request("resources/subscribe", { uri: URI });
  await until(() => server.asked.length === 1, "the first is asked");
  const second = it.bob.request("resources/subscribe", { uri: URI });
  await until(() => server.asked.length === 2, "the second is asked");
  await server.answer(NO);
  await server.answer(OK);
  assertEquals([(await unanswered).error !== undefined, (await second).error], [true, undefined]);
});

Deno.test("a log level that a server does not answer is waited for at most twice, however many windows ask", async () => {
  const wanted: string[] = [];
  const windows = LOG_LEVELS.map((logLevel) => ({ ...call().caller, logLevel }));
  const attached = [windows.at(-1)!];
  const late = (
    level: string,
  ) => (wanted.push(level), delay(5).then(() => Promise.reject(new Error("late"))));
  const shared = new SharedLogLevel(late, () => attached);
  const asked = windows.toReversed().map((window) => (attached.push(window), shared.update()));
  const outcomes = await Promise.allSettled(asked);
  assertEquals(outcomes.filter(({ status }) => status === "rejected").length, windows.length);
  assertEquals(wanted, ["emergency", "debug"]);
  // It is known to be silent: who comes and goes is no reason to ask it again.
  shared.attachedChanged();
  await delay(0);
  assertEquals(wanted.length, 2);
});
