import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { AskOptions, Call } from "../lib/call/call.ts";
import { currentWait } from "../lib/call/wait.ts";
import type { SendToClient } from "../lib/session/message_sink.ts";
import { ServerRequests } from "../lib/session/server_requests.ts";
import { ActiveCalls, type CallRequest } from "../lib/session/active_calls.ts";
import { valueOf } from "../lib/wire/raw_object.ts";
import type { RpcResponse } from "../lib/wire/rpc.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { callerOf } from "./helpers/fake_server.ts";

type Posted = { message: JsonObject & { id: string }; options: Parameters<SendToClient>[1] };

/** The questions to one client, and what was sent to it. */
function client() {
  const posted: Posted[] = [];
  const asks = new ServerRequests((message, options) => {
    posted.push({ message: message as unknown as Posted["message"], options });
  });
  const ask = (options?: AskOptions) =>
    asks.request({ method: "m", params: { a: 1 }, relatedTo: 7 }, options);
  const answer = (nth: number, parts: JsonObject = { result: { ok: true } }) =>
    asks.handleResponse({ jsonrpc: "2.0", id: posted[nth]!.message.id, ...parts } as unknown as RpcResponse);
  return { asks, posted, ask, answer };
}

const failure = async (work: Promise<unknown>) => {
  const { code, message } = await assertRejects(() => work, ExaiError);
  return `${code}: ${message}`;
};

Deno.test("a question goes out under an id of this daemon's own, and its answer comes back once", async () => {
  const { posted, ask, answer } = client();
  const [first, second] = [ask(), ask()];
  assertMatch(posted[0]!.message.id, /^exai-[0-9a-f]{8}-1$/);
  assertEquals(posted[1]!.message.id, posted[0]!.message.id.replace(/1$/, "2"));
  assertEquals(client().posted, []);
  assertEquals(
    { ...posted[0]!.message, id: "" },
    {
      id: "",
      method: "m",
      params: { a: 1 },
    } as unknown as Posted["message"],
  );
  assertEquals(posted[0]!.options.relatedTo, 7);
  assertEquals(answer(1, { error: { code: 1, message: "no" } }), true);
  assertEquals((await second).error, { code: 1, message: "no" });
  assertEquals(answer(0), true);
  assertEquals((await first).result, { ok: true });
  assertEquals(answer(0), false);
});

Deno.test("an answer to what nobody asked is none", () => {
  const { asks } = client();
  assertEquals(asks.handleResponse({ jsonrpc: "2.0", id: null, result: {} }), false);
  assertEquals(asks.handleResponse({ jsonrpc: "2.0", id: "other", result: {} }), false);
});

Deno.test("progress of the client reaches who asked for it, under a token of its own", async () => {
  const { asks, posted, ask, answer } = client();
  const seen: JsonObject[] = [];
  const asked = asks.request({ method: "m", params: { _meta: { x: 1 } } }, {
    onProgress: (p) => seen.push(valueOf(p)),
  });
  const { id, params } = posted[0]!.message;
  assertEquals(params, { _meta: { x: 1, progressToken: id } });
  asks.handleProgress({ progressToken: id, progress: 1 });
  asks.handleProgress({ progressToken: "other", progress: 2 });
  void ask();
  asks.handleProgress({ progressToken: posted[1]!.message.id, progress: 3 });
  assertEquals(seen, [{ progressToken: id, progress: 1 }]);
  answer(0);
  await asked;
});

Deno.test("who gives up a question tells the client, with why, and hears no more", async () => {
  const { posted, ask, answer } = client();
  const controller = new AbortController();
  const asked = ask({ signal: controller.signal });
  controller.abort(new ExaiError("TIMEOUT", "too long"));
  assertEquals(await failure(asked), "TIMEOUT: too long");
  const { message, options } = posted[1]!;
  assertEquals(message as JsonObject, {
    method: "notifications/cancelled",
    params: { requestId: posted[0]!.message.id, reason: "too long" },
  });
  assertEquals(options, { relatedTo: 7 });
  assertEquals([answer(0), posted.length], [false, 2]);
  // Who had given up before it asked has asked nothing that stays.
  assertEquals(await failure(ask({ signal: controller.signal })), "TIMEOUT: too long");
  assertEquals(posted.slice(2).map(({ message }) => message.method), ["m", "notifications/cancelled"]);
});

Deno.test("a question that was answered is not withdrawn any more", async () => {
  using clock = new FakeClock();
  const { posted, ask, answer } = client();
  const controller = new AbortController();
  const asked = ask({ signal: controller.signal, timeoutMs: 50 });
  answer(0);
  await asked;
  assertEquals(clock.pending, 0);
  controller.abort();
  await clock.pass(100);
  assertEquals(posted.length, 1);
});

Deno.test("a question is withdrawn when its time is over, and without a limit waits on", async () => {
  using clock = new FakeClock();
  const { posted, ask } = client();
  const [timed, unlimited] = [ask({ timeoutMs: 50 }), ask()];
  const late = failure(timed);
  await clock.pass(49);
  assertEquals(posted.length, 2);
  await clock.pass(1);
  assertEquals(await late, "TIMEOUT: the client did not answer within 50 ms");
  assertEquals(posted.slice(2).map(({ message, options }) => [message.method, options.relatedTo]), [
    ["notifications/cancelled", 7],
  ]);
  await clock.pass(1e9);
  assertEquals(await Promise.race([unlimited, Promise.resolve("waits")]), "waits");
});

Deno.test("a question that never reached the client, or was answered by what is no answer, fails with why", async () => {
  const { asks, posted, ask, answer } = client();
  const lost = ask();
  posted[0]!.options.onUndelivered!(new ExaiError("OVER_CAPACITY", "it had to make room"));
  assertEquals(await failure(lost), "OVER_CAPACITY: it had to make room");
  const odd = ask();
  asks.rejectMalformed(posted[1]!.message.id, "result must be an object");
  assertEquals(
    await failure(odd),
    "INVALID_REQUEST: the client's answer is malformed: result must be an object",
  );
  assertEquals([answer(0), answer(1)], [false, false]);
  asks.rejectMalformed("other", "nobody asked");
});

Deno.test("at the end of a session every question fails", async () => {
  const { asks, ask, answer } = client();
  const all = [ask(), ask()].map(failure);
  asks.close(new ExaiError("CANCELLED", "gone"));
  assertEquals(await Promise.all(all), ["CANCELLED: gone", "CANCELLED: gone"]);
  assertEquals(answer(0), false);
});

Deno.test("a client has at most 1024 questions before it", async () => {
  const { ask, answer } = client();
  const all = Array.from({ length: 1024 }, () => ask());
  assertEquals(
    await failure(ask()),
    "OVER_CAPACITY: this client has not answered 1024 questions yet",
  );
  answer(0);
  await all[0];
  void ask();
  assertEquals(answer(1024), true);
});

/** A request whose parts nobody looks at. */
const request = (parts: Partial<CallRequest> = {}): CallRequest => ({
  id: 1,
  method: "tools/call",
  params: {},
  notify: () => {},
  ask: () => Promise.resolve({ result: {} }),
  ...parts,
});

/** A target whose calls run until they are let go. */
function held() {
  const calls: Call[] = [];
  const ends: ((result: JsonObject) => void)[] = [];
  const target = (call: Call) => {
    calls.push(call);
    return new Promise<{ result: JsonObject }>((resolve) => ends.push((result) => resolve({ result })));
  };
  return { calls, ends, target };
}

Deno.test("an id runs once at a time in each space of ids, and is free again when its call has ended", async () => {
  const { target, ends } = held();
  const calls = new ActiveCalls();
  const run = (parts: Partial<CallRequest>) => calls.run(request(parts), callerOf(), target);
  const first = run({ id: 1 });
  const others = [run({ id: "1" }), run({ id: 1, space: "op" }), run({ id: 1, space: "own" })];
  assertEquals([calls.size, calls.has(1), calls.has("1"), calls.has(2)], [4, true, true, false]);
  assertEquals([calls.has(1, "op"), calls.has("1", "op"), calls.has(1, "own")], [true, false, true]);
  const { error } = await run({ id: 1, space: "mcp" });
  assertEquals(error!.message.includes("1 is already in use"), true);
  for (const end of ends) end({ done: true });
  assertEquals(await first, { result: { done: true } });
  await Promise.all(others);
  assertEquals([calls.size, calls.has(1)], [0, false]);
});

Deno.test("a session runs as many calls as it may, of whatever kind, and the next is told to come back", async () => {
  const { target, ends } = held();
  const calls = new ActiveCalls(2);
  const run = (id: number, space: CallRequest["space"]) =>
    calls.run(request({ id, space }), callerOf(), target);
  const running = [run(1, "mcp"), run(2, "op")];
  const { error } = await run(3, "own");
  assertEquals(error!.message, "this session has 2 requests running and waiting, the most it may have");
  assertEquals(error!.data, { code: "OVER_CAPACITY", retry_after_ms: 1000 });
  ends[0]!({});
  await running[0];
  void run(3, "own");
  assertEquals(ends.length, 3);
});

Deno.test("a call takes along what its request says, and speaks until it has ended", async () => {
  const { target, ends, calls: seen } = held();
  const calls = new ActiveCalls();
  const told: unknown[] = [];
  let begun = 0;
  const caller = callerOf();
  const parts = {
    params: { a: 1 },
    progressToken: "p",
    timeoutMs: 9,
    begin: () => void begun++,
    notify: (...what: unknown[]) => told.push(what),
  };
  const running = calls.run(request(parts), caller, target);
  const [call] = seen as [Call];
  const { method, params, progressToken, timeoutMs, trace } = call;
  assertEquals([method, params, progressToken, timeoutMs, trace], ["tools/call", { a: 1 }, "p", 9, {
    requestId: 1,
    server: undefined,
  }]);
  assertEquals(call.caller, caller);
  call.begin!();
  call.notify("n", { x: 1 });
  ends[0]!({});
  await running;
  call.notify("n", { x: 2 });
  assertEquals([begun, told], [1, [["n", { x: 1 }]]]);
});

Deno.test("a call that asks its client is shown to wait for it", async () => {
  const { target, calls: seen } = held();
  const answered = Promise.withResolvers<{ result: JsonObject }>();
  const asked: unknown[] = [];
  const ask: CallRequest["ask"] = (...what) => (asked.push(what), answered.promise);
  void new ActiveCalls().run(request({ ask }), callerOf(), target);
  const [call] = seen as [Call];
  const options = { timeoutMs: 3 };
  const asking = call.ask("elicitation/create", { message: "who?" }, options);
  assertEquals(currentWait(call.trace)?.what(), "the person at its client");
  answered.resolve({ result: { action: "accept" } });
  assertEquals(await asking, { result: { action: "accept" } });
  assertEquals([currentWait(call.trace), asked], [undefined, [[
    "elicitation/create",
    { message: "who?" },
    options,
  ]]]);
});

Deno.test("whatever its target does a call has one result, and is over", async () => {
  const calls = new ActiveCalls();
  const run = (target: () => Promise<never>) => calls.run(request(), callerOf(), target);
  const thrown = await run(() => Promise.reject(new ExaiError("TOO_LARGE", "big")));
  assertEquals([thrown.error!.message, (thrown.error!.data as JsonObject).code], ["big", "TOO_LARGE"]);
  const none = await run(() => Promise.resolve(undefined as never));
  assertEquals(none.error!.message, "tools/call ended without a result");
  assertEquals((none.error!.data as JsonObject).code, "INTERNAL");
  const sync = await run(() => {
    throw new Error("at once");
  });
  assertEquals([sync.error!.message, calls.size], ["at once", 0]);
});

Deno.test("a call is cancelled by its id in its own space, by its signal, or with all", () => {
  const { target, calls: seen } = held();
  const calls = new ActiveCalls();
  const parts = [{ id: 1 }, { id: 1, space: "op" }, { id: 2 }, { id: 3, space: "own" }] as const;
  for (const part of parts) void calls.run(request(part), callerOf(), target);
  const reason = new ExaiError("CANCELLED", "enough");
  const aborted = () => seen.map(({ signal }) => signal.aborted);
  assertEquals([calls.cancel(1, reason), aborted()], [true, [true, false, false, false]]);
  assertEquals(seen[0]!.signal.reason, reason);
  assertEquals(calls.cancel(9, reason), false);
  assertEquals(calls.cancel(2, reason, "op"), false);
  assertEquals([calls.cancel(1, reason, "op"), aborted()], [true, [true, true, false, false]]);
  assertEquals([calls.cancelBySignal(seen[2]!.signal, reason), aborted()], [true, [true, true, true, false]]);
  assertEquals(calls.cancelBySignal(new AbortController().signal, reason), false);
  calls.cancelAll(reason);
  assertEquals([aborted(), seen[3]!.signal.reason], [[true, true, true, true], reason]);
});

Deno.test("a question that is lost at once, of one who has given up already, is not withdrawn as well", async () => {
  const methods: unknown[] = [];
  const asks = new ServerRequests((message, { onUndelivered } = {}) => {
    methods.push((message as { method?: string }).method);
    onUndelivered?.(new ExaiError("OVER_CAPACITY", "it had to make room"));
  });
  const signal = AbortSignal.abort();
  const asked = asks.request({ method: "roots/list", params: {} }, { signal });
  await assertRejects(() => asked, ExaiError, "it had to make room");
  assertEquals(methods, ["roots/list"]);
});
