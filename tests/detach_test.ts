import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { type Call, derive, type Policy } from "../lib/call/call.ts";
import { SECOND_MS } from "../lib/base/units.ts";
import { ownerOf } from "../lib/call/owner.ts";
import { DetachedCalls } from "../lib/admission/detached_calls.ts";
import { detaching } from "../lib/admission/detaching.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { HeldTimers } from "./helpers/held_timers.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { later } from "./helpers/oauth_rig.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";
import { SOMEBODY } from "./helpers/threads.ts";

/** A server whose calls are detached after a moment; `hold` runs until the test lets it end. */
function patientServer(limits: { callTimeoutMs?: number } = {}) {
  return Object.assign(new OddServer(), { detachAfterMs: 10, ...limits });
}

/** Calls `hold` and is given a handle. */
async function detached(client: RawClient): Promise<string> {
  const reply = await client.call("hold");
  assertMatch(firstText(reply), /^hold is still running after .* its handle is call-/i);
  assertEquals(reply.is_error, undefined);
  return /call-[\w-]+/.exec(firstText(reply))![0];
}

function toolNames(list: JsonObject): unknown[] {
  return (list.tools as JsonObject[]).map(({ name }) => name);
}

Deno.test("a call that takes too long is answered with a handle, goes on, and its result can be waited for", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const handle = await detached(client);
  for (const wait_ms of [0, "0"]) {
    const said = firstText(await client.call("await_call", { handle, wait_ms, cancel: null }));
    assertMatch(said, /^hold is still running/);
  }
  const waiting = client.call("await_call", { handle });
  odd.release.resolve();
  assertEquals([firstText(await waiting), odd.runs], ["released", 1]);
  assertEquals(firstText(await client.call("await_call", { handle, wait_ms: "", cancel: "" })), "released");
  await client.close();
});

Deno.test("await_call is there only where calls may be detached, and waits beside calls that hold every permit", async () => {
  await using without = await testDaemon({ servers: [new OddServer()], settings: { detachAfterMs: 0 } });
  using plain = await RawClient.hello(without.url);
  assertEquals(toolNames(await plain.ask({ op: "list_tools" })).includes("await_call"), false);
  await plain.close();
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd], settings: { sessionMaxInflight: 1 } });
  using client = await RawClient.hello(it.url);
  assertEquals(toolNames(await client.ask({ op: "list_tools" })).includes("await_call"), true);
  const handle = await detached(client);
  assertEquals(
    ((await client.call("await_call", { handle, cancel: true })).error as JsonObject).code,
    "CANCELLED",
  );
  assertEquals(((await odd.aborted.promise) as { code: string }).code, "CANCELLED");
  await client.close();
});

Deno.test("the whole time of a detached call is limited too", async () => {
  const limitMs = 70 * SECOND_MS;
  // What is left of the limit when its timer is set.
  using limits = new HeldTimers((ms) => ms > limitMs - SECOND_MS && ms <= limitMs);
  await using it = await testDaemon({ servers: [patientServer({ callTimeoutMs: limitMs })] });
  using client = await RawClient.hello(it.url);
  const handle = await detached(client);
  await later(limitMs, () => Promise.resolve(limits.pass()));
  const { error } = await client.call("await_call", { handle });
  assertEquals((error as JsonObject).code, "TIMEOUT");
  await client.close();
});

Deno.test("a window without a directory has its handles to itself, and its end stops its calls", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  using other = await RawClient.hello(it.url);
  const handle = await detached(client);
  const { error } = await other.call("await_call", { handle });
  assertEquals((error as JsonObject).code, "INVALID_PARAMS");
  assertStringIncludes(String((error as JsonObject).message), "there is no call");
  await client.close();
  assertEquals(((await odd.aborted.promise) as { code: string }).code, "CANCELLED");
  await other.close();
});

Deno.test("bad arguments of await_call are named", async () => {
  await using it = await testDaemon({ servers: [patientServer()] });
  using client = await RawClient.hello(it.url);
  const bad = {
    handle: [{}, { handle: 1 }],
    wait_ms: [{ handle: "x", wait_ms: -1 }, { handle: "x", wait_ms: "30 s" }],
    cancel: [{ handle: "x", cancel: 1 }, { handle: "x", cancel: "please" }],
  };
  for (const [name, cases] of Object.entries(bad)) {
    for (const args of cases) {
      const { error } = await client.call("await_call", args as JsonObject);
      assertMatch(String((error as JsonObject).message), new RegExp(`^${name} must be`));
    }
  }
  await client.close();
});

Deno.test("a mounted server's detachAfterMs: its tools show no output schema, and its call is detached", async () => {
  await using it = await mountingDaemon({ slow: bad("slow", { detachAfterMs: 10 }) });
  using client = await RawClient.hello(it.url);
  const { tools } = await client.ask({ op: "list_tools" }) as { tools: JsonObject[] };
  const own = tools.find(({ name }) => String(name).endsWith("slow_hold"))!;
  assertEquals(own.outputSchema, undefined);
  const reply = await client.call(String(own.name));
  const handle = /call-[\w-]+/.exec(firstText(reply))![0];
  assertEquals(
    ((await client.call("await_call", { handle, cancel: true })).error as JsonObject).code,
    "CANCELLED",
  );
  await client.close();
});

const asIs: Policy = (next) => next;

const after = (waitMs: number) => () => ({ waitMs, countsProgress: true });

/** A call of no client, for the policy alone. */
function callOf(parts: Partial<Call> = {}): { call: Call; notified: string[] } {
  const notified: string[] = [];
  const caller = {
    id: "s",
    server: undefined,
    notify: (method: string) => notified.push(`outside ${method}`),
    identity: () => Promise.resolve(SOMEBODY),
    belonging: { owner: () => Promise.resolve(ownerOf(SOMEBODY)) },
  };
  const call = {
    method: "tools/call",
    params: { name: "tool" },
    caller: caller as unknown as Call["caller"],
    signal: new AbortController().signal,
    progressToken: undefined,
    notify: (method: string) => void notified.push(method),
    ask: () => Promise.resolve({ result: {} }),
  } satisfies Call;
  return { call: derive(call, parts), notified };
}

Deno.test("a caller that is told of progress, or is asked something, is not left alone", async () => {
  using clock = new FakeClock();
  const calls = new DetachedCalls({ maxResults: 1, maxChars: 1 });
  const { call } = callOf({ progressToken: 1 });
  const policy = detaching(calls, { patienceOf: after(30), whole: asIs, short: asIs });
  const word = Promise.withResolvers<void>();
  const target = policy(async (call) => {
    for (let progress = 0; progress < 30; progress++) {
      await new Promise((resolve) => setTimeout(resolve, 3));
      call.notify("notifications/progress", { progressToken: 1, progress });
    }
    word.resolve();
    return { result: textResult("all of it") };
  });
  const result = target(call);
  await clock.pass(100);
  await word.promise;
  assertEquals(await result, { result: textResult("all of it") });
});

Deno.test("a call of one server's own window, of a task and of another method is never detached", async () => {
  const calls = new DetachedCalls({ maxResults: 1, maxChars: 1 });
  const policy = detaching(calls, { patienceOf: after(0), whole: asIs, short: asIs });
  const target = policy(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { result: {} };
  });
  const alone = { id: "s", server: "one" } as Call["caller"];
  for (const parts of [{ caller: alone }, { method: "prompts/get" }, { params: { name: "t", task: {} } }]) {
    assertEquals(await target(callOf(parts).call), { result: {} });
  }
});

Deno.test("what a detached call says reaches whoever waits, and logs go on to the client", async () => {
  const calls = new DetachedCalls({ maxResults: 1, maxChars: 1 });
  const { call, notified } = callOf();
  const go = Promise.withResolvers<void>();
  const policy = detaching(calls, { patienceOf: after(1), whole: asIs, short: asIs });
  const answer = await policy(async (call) => {
    await go.promise;
    call.notify("notifications/progress", { progressToken: 1, progress: 2, total: 3 });
    call.notify("notifications/message", { level: "info", data: "still here" });
    return { result: {} };
  })(call);
  const { handle } = (answer.result!._meta as Record<string, JsonObject>)["exai/detached"]!;
  const found = await calls.get(call.caller, String(handle));
  const seen: unknown[] = [];
  for (const waiter of ["one", "two"]) {
    found.watchers.add(({ progress, total }) => seen.push({ waiter, progress, total }));
  }
  go.resolve();
  await found.outcome;
  assertEquals(seen, [{ waiter: "one", progress: 2, total: 3 }, { waiter: "two", progress: 2, total: 3 }]);
  assertEquals(notified, ["outside notifications/message"]);
});

Deno.test("of finished calls the newest are kept", async () => {
  const calls = new DetachedCalls({ maxResults: 2, maxChars: 1000 });
  const { call: { caller } } = callOf();
  const add = async (chars: number) => {
    const outcome = Promise.resolve({ result: textResult("x".repeat(chars)) });
    const parts = { tool: "t", startedAtMs: 0, progress: undefined, outcome, cancel: () => {} };
    const { handle } = calls.add(caller, parts);
    await (await calls.get(caller, handle)).outcome;
    return () => calls.get(caller, handle).then(({ isOver }) => isOver, () => "gone");
  };
  const kept = [await add(1), await add(1), await add(1), await add(2000)];
  assertEquals(await Promise.all(kept.map((look) => look())), ["gone", "gone", "gone", true]);
  await calls.idle();
});

Deno.test("a detached call of a renamed tool is reported by the name it was called by", async () => {
  const toolNaming = { rename: { hold: "keep" }, prefix: "my_" };
  const server = Object.assign(patientServer(), { toolNaming });
  await using it = await testDaemon({ servers: [server] });
  using client = await RawClient.hello(it.url);
  const reply = firstText(await client.call("keep"));
  server.release.resolve();
  assertMatch(reply, /^keep is still running/);
  await client.close();
});
