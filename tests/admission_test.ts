import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { ServerBreaker } from "../lib/admission/breaker.ts";
import { FairQueue } from "../lib/admission/fair_queue.ts";
import { holderOf, lendUntil } from "../lib/admission/holders.ts";
import { type Permit, Permits } from "../lib/admission/permits.ts";
import {
  admitted,
  CallBound,
  Drain,
  freeOnAbort,
  noteBegin,
  withTimeout,
} from "../lib/admission/policies.ts";
import { ProcessAdmission, type ProcessAdmissionOptions } from "../lib/admission/process_admission.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { monotonicNow } from "../lib/base/time.ts";
import type { Worker } from "../lib/call/admission.ts";
import { type Call, derive, type Target } from "../lib/call/call.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import { currentWait } from "../lib/call/wait.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { call } from "./helpers/call.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

const never = new AbortController().signal;
const DONE: Result = { result: {} };

async function isOver(work: Promise<unknown>): Promise<boolean> {
  let over = false;
  work.then(() => over = true, () => over = true);
  for (let turn = 0; turn < 9; turn++) await Promise.resolve();
  return over;
}

/** The session `id`, with what its client can be asked. */
function callOf(id: string, parts: Partial<Call> = {}, capabilities = {}): Call {
  return call({ ...parts, caller: { ...call().caller, id, capabilities } });
}

Deno.test("a daemon that stops takes nothing new and waits for what runs, whether it ends well or not", async () => {
  const drain = new Drain();
  const ends = [Promise.withResolvers<Result>(), Promise.withResolvers<Result>()];
  let made = 0;
  const run = drain.guard(() => ends[made++]!.promise);
  const [first, second] = [run(call()), run(call())];
  assertEquals(drain.running, 2);
  const [closed, again] = [drain.close(), drain.close()];
  const error = await assertRejects(() => run(call()), ExaiError);
  assertEquals([error.code, made], ["SHUTTING_DOWN", 2]);
  assertStringIncludes(error.message, "stopping");
  ends[0]!.reject(new Error("broken"));
  await assertRejects(() => first, Error, "broken");
  assertEquals([drain.running, await isOver(closed)], [1, false]);
  ends[1]!.resolve(DONE);
  assertEquals(await second, DONE);
  await Promise.all([closed, again]);
  assertEquals(drain.running, 0);
});

Deno.test("a daemon with nothing running need not wait, and what has ended before does not end the wait", async () => {
  const drain = new Drain();
  const run = drain.guard(() => Promise.resolve(DONE));
  await run(call());
  assertEquals(await isOver(drain.close()), true);
});

Deno.test("a call begins once it is admitted, whether somebody asks about it or not", async () => {
  const order: string[] = [];
  const run = noteBegin()(() => {
    order.push("runs");
    return Promise.resolve(DONE);
  });
  await run(call({ begin: () => order.push("begins") }));
  await run(call());
  assertEquals(order, ["begins", "runs", "runs"]);
});

Deno.test("a session has no more calls than it may, whatever became of earlier ones", async () => {
  const bound = new CallBound(2, (session) => new ExaiError("OVER_CAPACITY", `${session} has enough`));
  const ends: PromiseWithResolvers<Result>[] = [];
  const run = bound.policy(() => {
    ends.push(Promise.withResolvers<Result>());
    return ends.at(-1)!.promise;
  });
  const runs = [run(callOf("a")), run(callOf("a")), run(callOf("b"))];
  assertEquals(bound.size, 3);
  await assertRejects(() => run(callOf("a")), ExaiError, "a has enough");
  assertEquals(bound.size, 3);
  ends[0]!.reject(new Error("broken"));
  await assertRejects(() => runs[0]!, Error, "broken");
  runs.push(run(callOf("a")));
  await assertRejects(() => run(callOf("a")), ExaiError, "a has enough");
  for (const end of ends.slice(1)) end.resolve(DONE);
  await Promise.all(runs.slice(1));
  assertEquals(bound.size, 0);
  for (let n = 0; n < 2; n++) runs.push(run(callOf("a")));
  await assertRejects(() => run(callOf("a")), ExaiError, "a has enough");
  for (const end of ends) end.resolve(DONE);
});

Deno.test("whoever waits is freed when the call is given up, though its target does not heed that", async () => {
  const controller = new AbortController();
  const run = freeOnAbort()(() => new Promise(() => {}));
  const gone = run(call({ signal: controller.signal }));
  controller.abort(new ExaiError("CANCELLED", "not wanted"));
  await assertRejects(() => gone, ExaiError, "not wanted");
});

Deno.test("a call knows when it will be stopped, and is stopped for its caller's reason too, even one that is old", async () => {
  let seen: Call | undefined;
  const run = withTimeout(60_000)((call) => {
    seen = call;
    return new Promise((_, reject) => {
      if (call.signal.aborted) reject(call.signal.reason);
      call.signal.addEventListener("abort", () => reject(call.signal.reason));
    });
  });
  const controller = new AbortController();
  const gone = run(call({ signal: controller.signal, timeoutMs: 30_000 }));
  const leftMs = seen!.deadlineMs! - monotonicNow();
  assert(leftMs > 29_000 && leftMs <= 30_000, `${leftMs} ms`);
  controller.abort(new ExaiError("CANCELLED", "not wanted"));
  await assertRejects(() => gone, ExaiError, "not wanted");
  await assertRejects(() => run(call({ signal: controller.signal })), ExaiError, "not wanted");
});

Deno.test("a call that is the only one under its signal is stopped by it, and gets no other", async () => {
  const controller = new AbortController();
  let seen: Call | undefined;
  const run = withTimeout(20)((call) => {
    seen = call;
    return new Promise((_, reject) =>
      call.signal.addEventListener("abort", () => reject(call.signal.reason))
    );
  });
  const own = call({ signal: controller.signal, abort: (reason) => controller.abort(reason) });
  await assertRejects(() => run(own), ExaiError, "the 0.02 s it may take");
  assertEquals([seen!.signal === controller.signal, controller.signal.aborted], [true, true]);
  const derived = derive(own, { signal: new AbortController().signal });
  assertEquals(derived.abort, undefined, "another signal is not aborted by it");
});

Deno.test("a call that is stopped says after how long, and one that ended leaves nothing behind at its caller", async () => {
  const hangs: Target = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const error = await assertRejects(() => withTimeout(20)(hangs)(call()), ExaiError);
  assertEquals([error.code, error.details], ["TIMEOUT", { timeout_ms: 20 }]);
  assertStringIncludes(error.message, "the 0.02 s it may take");
  const controller = new AbortController();
  let seen: AbortSignal | undefined;
  await withTimeout(60_000)(({ signal }) => {
    seen = signal;
    return Promise.resolve(DONE);
  })(call({ signal: controller.signal }));
  controller.abort();
  assertEquals(seen!.aborted, false);
});

Deno.test("a permit is lent while a slot is waited for, and a slot that comes too late is given back", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const controller = new AbortController();
  const held = callOf("a", { signal: controller.signal });
  const permit = permits.acquire("a", never) as Permit;
  const slot = Promise.withResolvers<Disposable>();
  const got = lendUntil({ call: held, permit }, slot.promise);
  assertEquals(permits.held, 0);
  const other = permits.acquire("b", never) as Permit;
  let givenBack = 0;
  const one = { [Symbol.dispose]: () => givenBack++ };
  slot.resolve(one);
  assertEquals(await isOver(got), false, "its permit is another's");
  other[Symbol.dispose]();
  assertEquals([await got, permits.held, givenBack], [one, 1, 0]);

  const late = lendUntil({ call: held, permit }, Promise.resolve(one));
  const next = permits.acquire("b", never) as Permit;
  assertEquals(await isOver(late), false);
  controller.abort(new ExaiError("CANCELLED", "not wanted"));
  await assertRejects(() => late, ExaiError, "not wanted");
  assertEquals(givenBack, 1);
  next[Symbol.dispose]();
});

Deno.test("a permit that was lent for a slot there is none of comes back", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const permit = permits.acquire("a", never) as Permit;
  const gone = lendUntil({ call: call(), permit }, Promise.reject(new ExaiError("OVER_CAPACITY", "no slot")));
  await assertRejects(() => gone, ExaiError, "no slot");
  assertEquals(permits.held, 1);
  const other = lendUntil(
    { call: call({ signal: AbortSignal.abort(new ExaiError("CANCELLED", "not wanted")) }), permit },
    Promise.reject(new ExaiError("OVER_CAPACITY", "no slot")),
  );
  await assertRejects(() => other, ExaiError, "not wanted");
});

Deno.test("a queue says what it holds, gives nobody twice, and passes over who may not be served", () => {
  const queue = new FairQueue<string>();
  assertEquals([queue.size, queue.keys, queue.sizeOf("a"), queue.take(() => true)], [0, 0, 0, undefined]);
  for (const [key, entry] of [["a", "a1"], ["a", "a2"], ["b", "b1"], ["c", "c1"]]) queue.push(key!, entry!);
  assertEquals([queue.size, queue.keys, queue.sizeOf("a")], [4, 3, 2]);
  assertEquals(queue.remove("nobody", "x"), false);
  assertEquals([queue.remove("c", "c1"), queue.remove("c", "c1"), queue.remove("a", "b1")], [
    true,
    false,
    false,
  ]);
  assertEquals([queue.size, queue.keys], [3, 2]);
  assertEquals(queue.take((key) => key === "b"), "b1");
  assertEquals(queue.take((key) => key === "b"), undefined);
  assertEquals([queue.take(() => true), queue.take(() => true), queue.size, queue.keys], ["a1", "a2", 0, 0]);
});

function admissionWith(options: Partial<ProcessAdmissionOptions> = {}) {
  const permits = new Permits({ perKey: 9, total: 9, queueMax: 9 });
  return { permits, admission: new ProcessAdmission({ name: "files", permits, queueMax: 2, ...options }) };
}

function worker(target: Target, alive = true): Worker {
  return { alive, call: target };
}

Deno.test("a worker runs no more calls at once than it may, and says whose the place is", async () => {
  const { admission } = admissionWith({ maxInflight: 1 });
  assertEquals([admission.running, admission.waiting, admission.isClean], [0, 0, true]);
  const place = admission.acquireOwn(callOf("a")) as Disposable;
  assertEquals([admission.running, admission.isClean], [1, false]);
  const trace: CallTrace = {};
  const second = admission.acquireOwn(callOf("a", { trace })) as Promise<Disposable>;
  admission.acquireOwn(callOf("a"));
  assertEquals([admission.waiting, admission.isClean], [2, false]);
  assertEquals(currentWait(trace)!.what(), 'a permit of server "files" (0 before it)');
  const error = assertThrows(() => admission.acquireOwn(callOf("a")), ExaiError);
  assertStringIncludes(error.message, 'server "files" already has 1 calls running and 2 waiting');
  place[Symbol.dispose]();
  const granted = await second;
  assertEquals([admission.running, admission.waiting], [1, 1]);
  granted[Symbol.dispose]();
  assertEquals([admission.running, admission.waiting], [1, 0]);
});

Deno.test("four times what one session may have waiting, all may have before the greedy are refused", () => {
  const { admission } = admissionWith({ maxInflight: 1 });
  admission.acquireOwn(callOf("holder"));
  for (const id of "abcdefg") admission.acquireOwn(callOf(id));
  admission.acquireOwn(callOf("a"));
  assertThrows(() => admission.acquireOwn(callOf("b")), ExaiError, "8 waiting");
  admission.acquireOwn(callOf("late"));
});

Deno.test("a worker without a limit has a place for everybody, and nothing to count", () => {
  const { admission } = admissionWith();
  for (let n = 0; n < 99; n++) (admission.acquireOwn(call()) as Disposable)[Symbol.dispose]();
  assertEquals([admission.running, admission.waiting, admission.isClean], [0, 0, true]);
  assertEquals([admission.breaker, admission.fault], [undefined, undefined]);
  admission.check(call());
  admission.reset();
});

Deno.test("a call whose worker has ended before it began is not made, and has not begun", async () => {
  const { admission, permits } = admissionWith();
  let begun = 0;
  const one = call({ begin: () => begun++ });
  assertEquals(await admission.run(one, worker(() => Promise.reject(), false)), undefined);
  assertEquals([begun, permits.held], [0, 0]);
  assertEquals(await admission.run(one, worker(() => Promise.resolve(DONE))), DONE);
  assertEquals([begun, permits.held], [1, 0]);
});

Deno.test("a call is freed when it is given up, and its permit with it", async () => {
  const { admission, permits } = admissionWith();
  const controller = new AbortController();
  const gone = admission.run(call({ signal: controller.signal }), worker(() => new Promise(() => {})));
  assertEquals(permits.held, 1);
  controller.abort(new ExaiError("CANCELLED", "not wanted"));
  await assertRejects(() => gone, ExaiError, "not wanted");
  assertEquals(permits.held, 0);
});

for (const capability of ["elicitation", "sampling", "roots"]) {
  Deno.test(`a call whose client can be asked (${capability}) lends its permit while it is`, async () => {
    const { admission, permits } = admissionWith();
    const answer = Promise.withResolvers<Result>();
    const asked: unknown[] = [];
    const ask: Call["ask"] = (...args) => {
      asked.push(args);
      return answer.promise;
    };
    const one = callOf("a", { ask }, { [capability]: {} });
    const target: Target = (call) => call.ask("elicitation/create", { n: 1 }, { timeoutMs: 7 });
    const work = admission.run(one, worker(target));
    assertEquals(permits.held, 0);
    answer.resolve(DONE);
    assertEquals(await work, DONE);
    assertEquals(asked, [["elicitation/create", { n: 1 }, { timeoutMs: 7 }]]);
  });
}

Deno.test("an answer goes on once the call has its permit again, a refusal at once", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const { admission } = admissionWith({ permits });
  const answers = [Promise.resolve(DONE), Promise.reject(new ExaiError("CANCELLED", "no answer"))];
  const ask = () => answers.shift()!;
  const controller = new AbortController();
  const one = callOf("a", { ask, signal: controller.signal }, { sampling: {} });
  const work = admission.run(one, worker((call) => call.ask("sampling/createMessage", {})));
  const other = permits.acquire("b", never) as Permit;
  assertEquals(await isOver(work), false);
  other[Symbol.dispose]();
  assertEquals(await work, DONE);
  const refused = admission.run(one, worker((call) => call.ask("sampling/createMessage", {})));
  const next = permits.acquire("b", never) as Permit;
  await assertRejects(() => refused, ExaiError, "no answer");
  controller.abort();
  await isOver(Promise.resolve());
  assertEquals([permits.held, permits.waiting], [1, 0], "who is gone waits for no permit");
  next[Symbol.dispose]();
  await isOver(Promise.resolve());
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("a call nobody can ask keeps its permit, and is handed on as it is", async () => {
  const { admission } = admissionWith();
  const one = callOf("a");
  let seen: Call | undefined;
  await admission.run(one, worker((call) => (seen = call, Promise.resolve(DONE))));
  assert(seen === one);
});

Deno.test("who asks a provider of models can find the permit of the call, if its worker does", async () => {
  for (const asksProviders of [true, undefined]) {
    const { admission } = admissionWith({ asksProviders });
    const one = call();
    await admission.run(one, worker(() => Promise.resolve(DONE)));
    assertEquals(holderOf(one.signal)?.call, asksProviders ? one : undefined);
    assertEquals(holderOf(one.signal)?.permit.key, asksProviders ? "session-1" : undefined);
  }
});

for (const [askedMs, workedMs, state] of [[700, 499, "closed"], [700, 500, "open"]] as const) {
  Deno.test(`a server that had a call for ${workedMs} of 1000 ms, and its client the rest, is ${state}`, async () => {
    using timers = new FakeTimers();
    const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 60_000, callTimeoutMs: 1000 });
    const { admission } = admissionWith({ breaker });
    const pass = (ms: number) => (timers.nowMs += ms, Promise.resolve(DONE));
    const one = callOf("a", { ask: () => pass(askedMs) }, { roots: {} });
    const late: Target = async (call) => {
      await call.ask("roots/list", {});
      await pass(workedMs);
      throw new ExaiError("TIMEOUT", "late");
    };
    await assertRejects(() => admission.run(one, worker(late)), ExaiError, "late");
    assertEquals(breaker.status.state, state);
  });
}

Deno.test("a try that finds nothing out leaves the others their tries", async () => {
  let ms = 0;
  const now = () => ms;
  const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 1000, callTimeoutMs: 1000, now });
  const { admission } = admissionWith({ breaker, now });
  const reject = (error: ExaiError) => worker(() => Promise.reject(error));
  const ended = new ExaiError("UPSTREAM_UNAVAILABLE", "it ended");
  await assertRejects(() => admission.run(callOf("a"), reject(ended)), ExaiError, "it ended");
  ms += 1000;
  const slow = Promise.withResolvers<Result>();
  const first = admission.run(callOf("a"), worker(() => slow.promise));
  ms += 2000;
  const wrong = reject(new ExaiError("INVALID_PARAMS", "no such argument"));
  await assertRejects(() => admission.run(callOf("b"), wrong), ExaiError, "no such argument");
  assertEquals([admission.breaker?.state, admission.breaker?.retryAfterMs], ["half_open", 2000]);
  slow.resolve(DONE);
  await first;
  assertEquals(admission.breaker?.state, "closed");
});

Deno.test("a call of a server that is left alone is refused at once, though it would have to wait for its place", async () => {
  const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 60_000, callTimeoutMs: 1000 });
  const { admission } = admissionWith({ breaker, maxInflight: 1 });
  const run = admitted(admission)(() => Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "it ended")));
  await assertRejects(() => run(call()), ExaiError, "it ended");
  assertEquals(admission.running, 0);
  using _place = admission.acquireOwn(callOf("other")) as Disposable;
  await assertRejects(() => run(call()), ExaiError, "left alone");
});

Deno.test("a server that failed is refused, at once and after a wait, until its failures are forgotten", async () => {
  const breaker = new ServerBreaker({ name: "files", failures: 1, openMs: 60_000, callTimeoutMs: 1000 });
  const { admission } = admissionWith({ breaker });
  const fail = () => Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "it ended"));
  await assertRejects(() => admission.run(call(), worker(fail)), ExaiError, "it ended");
  assertEquals([admission.breaker?.state, admission.isClean], ["open", false]);
  assertStringIncludes(admission.fault!, "it ended");
  assertThrows(() => admission.check(call()), ExaiError, "left alone");
  await assertRejects(() => admission.run(call(), worker(fail)), ExaiError, "left alone");
  admission.reset();
  assertEquals([admission.breaker?.state, admission.isClean, admission.fault], ["closed", true, undefined]);
});
