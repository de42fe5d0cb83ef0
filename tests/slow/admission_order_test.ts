import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";
import { asking, bad, mountingDaemon } from "../helpers/mounts.ts";
import { hang, OpenAiServer, say } from "../fixtures/openai_server.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";

type Daemon = Awaited<ReturnType<typeof mountingDaemon>>;

/** Has `client` call a tool, and does not wait for the answer. */
function begin(client: RawClient, name: string, args: JsonObject = {}): string {
  const request_id = crypto.randomUUID();
  client.send({ op: "call_tool", request_id, name, arguments: args });
  return request_id;
}

/** Has `client` call a tool that runs until it is ended. */
function holding(client: Awaited<ReturnType<typeof sdkClient>>) {
  const controller = new AbortController();
  const { signal } = controller;
  const call = client.callTool({ name: "slow", arguments: { ms: 60_000 } }, undefined, { signal });
  return {
    async end() {
      controller.abort();
      await assertRejects(() => call);
    },
  };
}

/** What the calls that wait for something wait for, once there are `count` of them. */
function waiting(it: Daemon, count: number): Promise<JsonObject[]> {
  return until(`${count} calls that wait`, async () => {
    const status = await (await fetch(new URL("/status", it.http))).json();
    return status.waiting.length === count ? status.waiting as JsonObject[] : undefined;
  });
}

async function health(it: Daemon): Promise<JsonObject> {
  return await (await fetch(new URL("/health", it.http))).json();
}

Deno.test("calls that wait for a busy server keep neither another window nor their own from an idle one", async () => {
  const servers = { busy: bad("well", { maxInflight: 1 }), idle: asking() };
  // Were a permit taken first, 23 of the 24 would be held by calls that do nothing.
  await using it = await mountingDaemon(servers, { globalMaxInflight: 24, sessionMaxInflight: 8 });
  const windows = await Promise.all([0, 1, 2].map(() => RawClient.hello(it.url)));
  using fourth = await RawClient.hello(it.url);
  assertEquals((await fourth.call("echo", { text: "warm" })).error, undefined);
  assertEquals((await windows[0]!.call("well_echo", { text: "warm" })).error, undefined);
  for (const window of windows) for (let n = 0; n < 8; n++) begin(window, "well_hold");
  const waits = await waiting(it, 23);
  for (const { waits_for, server, tool } of waits) {
    assertMatch(String(waits_for), /^a permit of server "busy" \(\d+ before it\)$/);
    assertEquals([server, tool], ["busy", "well_hold"]);
  }
  const places = waits.map(({ waits_for }) => Number(/\d+/.exec(String(waits_for))![0]));
  assertEquals(places.sort((a, b) => a - b), Array.from({ length: 23 }, (_, n) => n));
  assertEquals((await fourth.call("echo", { text: "fourth" })).error, undefined);
  assertEquals((await windows[0]!.call("echo", { text: "own" })).error, undefined);
  const row = (await it.status()).find(({ server }) => server === "busy")!;
  assertEquals([row.inflight, row.queued], [1, 23]);
  const { inflight, queued } = await health(it);
  assertEquals([inflight, queued], [1, 23]);
  const { calls } = await (await fetch(new URL("/calls?outcome=running", it.http))).json();
  assertEquals(calls.filter(({ waits_for }: JsonObject) => waits_for !== undefined).length, 23);
  for (const window of windows) window[Symbol.dispose]();
});

Deno.test("however many long calls some windows run, another window's call is made at once", async () => {
  const servers = { slow: bad("well"), idle: asking() };
  await using it = await mountingDaemon(servers, { globalMaxInflight: 4, sessionMaxInflight: 2 });
  using first = await RawClient.hello(it.url);
  using second = await RawClient.hello(it.url);
  using third = await RawClient.hello(it.url);
  using fourth = await RawClient.hello(it.url);
  assertEquals((await first.call("well_echo", { text: "warm" })).error, undefined);
  for (const window of [first, first, second, second]) begin(window, "well_hold");
  await until("four calls", async () => (await health(it)).inflight === 4 || undefined);
  for (const window of [third, third]) begin(window, "well_hold");
  // On its way there a call may wait for something else.
  await until("one waits for a permit", async () => {
    const waits = await waiting(it, 1);
    return waits.some(({ waits_for }) =>
      /^a permit of the daemon, which runs 4 calls/.test(String(waits_for))
    ) ||
      undefined;
  });
  assertEquals((await fourth.call("echo", { text: "fourth" })).error, undefined);
  assertEquals((await fourth.call("version")).error, undefined);
});

Deno.test("a busy server serves its windows in turn, and a window that leaves leaves its places", async () => {
  await using it = await mountingDaemon({ busy: asking([], { maxInflight: 1 }) });
  await using many = await sdkClient(it.url);
  await using few = await sdkClient(it.url);
  using gone = await RawClient.hello(it.url);
  await many.listTools();
  await few.listTools();
  const order: string[] = [];
  const brief = async (who: string, client: typeof many) => {
    // By the server: on two connections the later answer may be read first.
    const place = textOf(await client.callTool({ name: "slow", arguments: { ms: 1 } }));
    order[Number(place) - 1] = who;
  };
  const first = holding(many);
  await until("the first to run", async () => (await it.status())[0]!.inflight === 1 ? true : undefined);
  for (let n = 0; n < 4; n++) begin(gone, "slow", { ms: 60_000 });
  await waiting(it, 4);
  const others = [brief("many", many), brief("many", many), brief("many", many)];
  await waiting(it, 7);
  others.push(brief("few", few));
  await waiting(it, 8);
  gone[Symbol.dispose]();
  await waiting(it, 4);
  await first.end();
  await Promise.all(others);
  assertEquals(order, ["many", "few", "many", "many"]);
});

Deno.test("a window that has too many calls waiting for a server is refused, and another is not", async () => {
  const servers = { busy: asking([], { maxInflight: 1 }) };
  await using it = await mountingDaemon(servers, { queueMax: 2, sessionMaxInflight: 8 });
  using greedy = await RawClient.hello(it.url);
  await using modest = await sdkClient(it.url);
  await modest.listTools();
  await greedy.call("echo", { text: "warm" });
  const first = begin(greedy, "slow", { ms: 60_000 });
  await until("the first to run", async () => (await it.status())[0]!.inflight === 1 ? true : undefined);
  begin(greedy, "slow", { ms: 1 });
  begin(greedy, "slow", { ms: 1 });
  await waiting(it, 2);
  const refused = (await greedy.call("echo", { text: "one too many" })).error as JsonObject;
  assertEquals(refused.code, "OVER_CAPACITY");
  assertStringIncludes(String(refused.message), 'server "busy" already has 1 calls running and 2 waiting');
  assert(Number(refused.retry_after_ms) >= 100);
  const inTime = modest.callTool({ name: "echo", arguments: { text: "in time" } });
  await waiting(it, 3);
  greedy.send({ op: "cancel", request_id: first });
  assertEquals(textOf(await inTime), "in time");
});

Deno.test("a call cancelled while it waits for a server is answered at once, and nobody's place is lost", async () => {
  await using it = await mountingDaemon({ busy: asking([], { maxInflight: 1 }) });
  await using client = await sdkClient(it.url);
  await client.listTools();
  const first = holding(client);
  const controller = new AbortController();
  const gone = client.callTool({ name: "slow", arguments: { ms: 60_000 } }, undefined, {
    signal: controller.signal,
  });
  const last = client.callTool({ name: "echo", arguments: { text: "last" } });
  await waiting(it, 2);
  controller.abort();
  await assertRejects(() => gone);
  assertMatch(String((await waiting(it, 1))[0]!.waits_for), /\(0 before it\)$/);
  await first.end();
  assertEquals(textOf(await last), "last");
});

Deno.test("calls that wait for a server to start keep nobody from another, and say what they wait for", async () => {
  const sign = await Deno.makeTempFile({ prefix: "exai-sign-" });
  await Deno.remove(sign);
  const servers = { late: asking(["late", sign]), idle: asking() };
  await using it = await mountingDaemon(servers, { globalMaxInflight: 2, sessionMaxInflight: 2 });
  using early = await RawClient.hello(it.url, { server: "late" });
  using other = await RawClient.hello(it.url, { server: "idle" });
  await other.call("echo", { text: "warm" });
  for (let n = 0; n < 4; n++) begin(early, "echo", { text: String(n) });
  for (const { waits_for } of await waiting(it, 4)) assertEquals(waits_for, 'server "late" to start');
  assertEquals((await other.call("echo", { text: "idle" })).error, undefined);
  await Deno.writeTextFile(sign, "");
  for (let n = 0; n < 4; n++) assertEquals((await early.next()).error, undefined);
  await Deno.remove(sign);
});

Deno.test("a window has no more calls waiting than it may, whatever they wait for, and others go on", async () => {
  const servers = { late: asking(["late", "/nowhere"]), idle: asking() };
  await using it = await mountingDaemon(servers, { queueMax: 2, sessionMaxInflight: 1 });
  using early = await RawClient.hello(it.url, { server: "late" });
  using other = await RawClient.hello(it.url, { server: "idle" });
  for (let n = 0; n < 3; n++) begin(early, "echo");
  await waiting(it, 3);
  const refused = (await early.call("echo")).error as JsonObject;
  assertEquals(refused.code, "OVER_CAPACITY");
  assertEquals((await other.call("echo", { text: "idle" })).error, undefined);
});

Deno.test("calls that wait for a slot of a provider of models hold no permit, and say what they wait for", async () => {
  await using provider = new OpenAiServer(hang(), say("the next"));
  provider.models = [{ id: "kimi-k2.6" }];
  const settings = {
    findLocal: false,
    kimiApiKey: "k-123456",
    kimiUrl: provider.url,
    kimiMaxInflight: 1,
    globalMaxInflight: 2,
    sessionMaxInflight: 2,
  };
  await using it = await mountingDaemon({}, settings);
  using busy = await RawClient.hello(it.url);
  const first = begin(busy, "chat", { prompt: "one" });
  await provider.askedFor(1);
  for (let n = 0; n < 4; n++) begin(busy, "chat", { prompt: `waits ${n}` });
  const waits = await waiting(it, 4);
  assertEquals(
    waits.map(({ waits_for }) => waits_for).sort(),
    [0, 1, 2, 3].map((n) => {
      return `a permit of kimi (${n} before it)`;
    }),
  );
  assertEquals((await health(it)).inflight, 1);
  using other = await RawClient.hello(it.url);
  assertEquals((await other.call("version")).error, undefined);
  assertEquals((await busy.call("version")).error, undefined);
  busy.send({ op: "cancel", request_id: first });
  await provider.askedFor(2);
});

Deno.test("a call that waits for the person at its client holds no permit, and goes on when they have answered", async () => {
  await using it = await mountingDaemon({ asks: asking() }, { globalMaxInflight: 1, sessionMaxInflight: 1 });
  await using asked = await sdkClient(it.url, { capabilities: { elicitation: {} } });
  await using other = await sdkClient(it.url);
  const answered = Promise.withResolvers<void>();
  asked.setRequestHandler(ElicitRequestSchema, async () => {
    await answered.promise;
    return { action: "accept", content: {} };
  });
  await other.listTools();
  await asked.listTools();
  const call = asked.callTool({ name: "ask" });
  const [wait] = await waiting(it, 1);
  assertEquals([wait!.waits_for, wait!.tool], ["the person at its client", "ask"]);
  assert(Date.now() - Date.parse(String(wait!.since)) < 10_000);
  const version = { name: "version", arguments: {} };
  assertEquals((await other.callTool(version)).isError, undefined);
  // What the person does at the client may need a call of the same session.
  assertEquals((await asked.callTool(version)).isError, undefined);
  answered.resolve();
  assertEquals(textOf(await call), "accept");
  assertEquals((await health(it)).inflight, 0);
});
