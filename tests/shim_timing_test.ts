import { assertEquals } from "@std/assert";
import { Backoff } from "../lib/base/backoff.ts";
import { Dialer, type DialerHooks, type Dialing } from "../lib/shim/dialer.ts";
import type { PendingRequest } from "../lib/shim/pending_messages.ts";
import { LinkError, type LinkFault } from "../lib/client/link_target.ts";
import { Receipts } from "../lib/shim/receipts.ts";
import { RequestTimers } from "../lib/shim/request_timers.ts";
import { LivenessCheck } from "../lib/shim/liveness_check.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { MemoryDaemon } from "./helpers/memory_daemon.ts";

Deno.test("waits double up to the longest, each shortened by up to half, and begin anew after a success", () => {
  let chance = 0;
  const backoff = new Backoff({ minMs: 100, maxMs: 500, random: () => chance });
  assertEquals([1, 2, 3, 4, 5].map(() => backoff.next()), [100, 200, 400, 500, 500]);
  chance = 1;
  assertEquals(backoff.next(), 250);
  backoff.reset();
  chance = 0.5;
  assertEquals([backoff.next(), backoff.next()], [75, 150]);
});

/** Receipts and what they tell. */
function receipts() {
  const told: unknown[] = [];
  return { told, receipts: new Receipts((text) => void told.push(JSON.parse(text))) };
}

Deno.test("what has arrived is told after half a second, once however much it was", () => {
  using timers = new FakeTimers();
  const { receipts: it, told } = receipts();
  it.countResponse(5);
  timers.pass(499);
  it.countMessage(5);
  assertEquals([told, timers.size], [[], 1]);
  timers.pass(1);
  assertEquals([told, timers.size, it.messages], [[{ op: "received", answers: 1, posts: 1 }], 0, 1]);
  it.countMessage(5);
  timers.pass(500);
  assertEquals(told.slice(1), [{ op: "received", answers: 1, posts: 2 }]);
});

Deno.test("what has arrived is told at once after 128 messages or a Mi of characters", () => {
  using timers = new FakeTimers();
  const { receipts: it, told } = receipts();
  for (let n = 0; n < 127; n++) it.countResponse(1);
  assertEquals(told.length, 0);
  it.countResponse(1);
  assertEquals([told.length, timers.size], [1, 0]);
  it.countResponse(1024 * 1024 - 1);
  assertEquals([told.length, timers.size], [1, 1]);
  it.countMessage(1);
  assertEquals([told, timers.size], [
    [{ op: "received", answers: 128, posts: 0 }, { op: "received", answers: 129, posts: 1 }],
    0,
  ]);
  for (let n = 0; n < 127; n++) it.countResponse(1);
  assertEquals(told.length, 2, "counted anew");
});

Deno.test("each connection has its own answers and goes on with the posts of the session", () => {
  using timers = new FakeTimers();
  const { receipts: it, told } = receipts();
  it.begin(7);
  for (let n = 0; n < 127; n++) it.countResponse(1);
  it.countMessage(1024 * 1024 - 1000);
  it.countResponse(1);
  it.stop();
  assertEquals(timers.size, 0, "nothing is told on a connection that has ended");
  assertEquals(told.length, 1);
  it.begin(8);
  assertEquals(it.messages, 8);
  it.countMessage(999);
  timers.pass(500);
  assertEquals(told.slice(1), [{ op: "received", answers: 0, posts: 9 }]);
});

function watchdog() {
  const it = { waiting: true, pings: 0, hangs: 0 };
  const dog = new LivenessCheck({
    intervalMs: 100,
    timeoutMs: 30,
    isWaiting: () => it.waiting,
    ping: () => it.pings++,
    onUnresponsive: () => it.hangs++,
  });
  return Object.assign(it, { dog });
}

Deno.test("a daemon that is silent is pinged, and hangs if it does not answer that", () => {
  using timers = new FakeTimers();
  const it = watchdog();
  it.dog.watch();
  it.dog.watch();
  assertEquals(timers.size, 1);
  timers.pass(99);
  assertEquals(it.pings, 0);
  timers.pass(1);
  assertEquals([it.pings, it.hangs], [1, 0]);
  timers.pass(29);
  assertEquals(it.hangs, 0);
  timers.pass(1);
  assertEquals([it.pings, it.hangs, timers.size], [1, 1, 0]);
});

Deno.test("a daemon that was heard is pinged after that silence, and one that answers is watched on", () => {
  using timers = new FakeTimers();
  const it = watchdog();
  it.dog.watch();
  timers.pass(60);
  it.dog.activity();
  timers.pass(40);
  assertEquals([it.pings, timers.lastMs], [0, 60]);
  timers.pass(60);
  assertEquals(it.pings, 1);
  it.dog.activity();
  timers.pass(30);
  assertEquals([it.hangs, timers.lastMs], [0, 70]);
  timers.pass(70);
  assertEquals(it.pings, 2);
});

Deno.test("nobody waits, nobody is pinged, and what is waited for next is watched again", () => {
  using timers = new FakeTimers();
  const it = watchdog();
  it.dog.watch();
  it.waiting = false;
  timers.pass(100);
  assertEquals([it.pings, timers.size], [0, 0]);
  timers.pass(1000);
  it.waiting = true;
  it.dog.watch();
  timers.pass(99);
  assertEquals(it.pings, 0);
  it.dog.stop();
  timers.pass(1000);
  assertEquals([it.pings, timers.size], [0, 0]);
  it.dog.watch();
  assertEquals(timers.size, 1);
});

function entry(sent: boolean): PendingRequest {
  return { kind: "request", id: 1, method: "x", text: "{}", bytes: 2, isSent: sent, sends: 0 };
}

function requestTimers(
  settings: { connectTimeoutMs?: number; resumeWindowMs?: number; shimRpcTimeoutMs?: number },
) {
  const events: unknown[] = [];
  const timers = new RequestTimers(
    { connectTimeoutMs: 100, resumeWindowMs: 300, shimRpcTimeoutMs: 0, server: "", ...settings },
    {
      onDaemonTimeout: (_, waitedMs) => events.push(["tired", waitedMs]),
      onResponseTimeout: () => events.push("unanswered"),
    },
  );
  return { timers, events };
}

Deno.test("a request waits for a daemon as long as it may, and longer if it was sent and may be answered yet", () => {
  using clock = new FakeTimers();
  const { timers, events } = requestTimers({});
  timers.awaitDaemon(entry(false));
  timers.awaitDaemon(entry(true));
  const stopped = entry(false);
  timers.awaitDaemon(stopped);
  timers.stopAwaitingDaemon(stopped);
  clock.pass(100);
  assertEquals(events, [["tired", 100]]);
  clock.pass(200);
  assertEquals(events, [["tired", 100], ["tired", 300]]);
  assertEquals(clock.size, 0);
  timers.awaitDaemon(stopped);
  timers.awaitNextDaemon(stopped);
  assertEquals(clock.size, 1, "it waits once");
  const { timers: short } = requestTimers({ resumeWindowMs: 20 });
  short.awaitNextDaemon(entry(false));
  assertEquals(clock.lastMs, 100, "never shorter than for any daemon");
});

Deno.test("a request waits for its answer for ever, unless told otherwise", () => {
  using clock = new FakeTimers();
  requestTimers({}).timers.awaitResponse(entry(true));
  assertEquals(clock.size, 0);
  const { timers, events } = requestTimers({ shimRpcTimeoutMs: 50 });
  timers.awaitResponse(entry(true));
  clock.pass(50);
  assertEquals(events, ["unanswered"]);
});

/** A dialer whose tries the test answers, by a clock that the test sets. */
function dialing(options: { wanted?: boolean; starts?: boolean; unusable?: number } = {}) {
  const clock = new FakeTimers();
  const log = new CapturedLog();
  const tries: PromiseWithResolvers<MemoryDaemon>[] = [];
  const starts: PromiseWithResolvers<MemoryDaemon>[] = [];
  const events: unknown[] = [];
  const room = { wait: Promise.resolve() };
  let { unusable = 0 } = options;
  const it = { wanted: options.wanted ?? false };
  const hooks: DialerHooks = {
    hello: () => ({ n: tries.length }),
    isDaemonNeeded: () => it.wanted,
    waitForCapacity: () => room.wait,
    onConnect: () => unusable-- > 0 ? JSON.parse("of a daemon") : events.push("up"),
    onDisconnect: ({ code }) => events.push(`down ${code}`),
    onLinkError: ({ fault }) => events.push(fault),
  };
  const how: Dialing = {
    connect: async () => {
      tries.push(Promise.withResolvers());
      return (await tries.at(-1)!.promise).link();
    },
    start: options.starts
      ? async () => {
        starts.push(Promise.withResolvers());
        return (await starts.at(-1)!.promise).link();
      }
      : undefined,
  };
  const dialer = new Dialer(how, hooks);
  dialer.run();
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return Object.assign(it, {
    clock,
    log,
    dialer,
    tries,
    starts,
    events,
    settle,
    fail: async (fault: LinkFault | Error = "unreachable") => {
      await settle();
      tries.at(-1)!.reject(typeof fault === "string" ? new LinkError(fault, "no") : fault);
      await settle();
    },
    async pass(ms: number) {
      clock.pass(ms);
      await settle();
    },
    [Symbol.dispose]() {
      // The next try waits for ever.
      room.wait = new Promise(() => {});
      clock[Symbol.dispose]();
      log[Symbol.dispose]();
    },
  });
}

Deno.test("a link that fails is tried again, soon while somebody waits and later and later while nobody does", async () => {
  using it = dialing();
  const waits: number[] = [];
  for (let n = 0; n < 9; n++) {
    await it.fail();
    waits.push(it.clock.lastMs!);
    await it.pass(5000);
  }
  assertEquals(it.tries.length, 10);
  assertEquals(waits.slice(0, 3), [250, 250, 250], "never more often");
  for (const [n, ms] of waits.entries()) {
    const fullMs = Math.min(5000, 50 * 2 ** n);
    assertEquals(ms >= Math.max(250, fullMs / 2) && ms <= Math.max(250, fullMs), true, `${n}: ${ms} ms`);
  }
  it.wanted = true;
  await it.fail();
  assertEquals(it.clock.lastMs, 250);
});

Deno.test("a link whose use fails is dropped, and another one made", async () => {
  using it = dialing({ unusable: 1 });
  for (const n of [0, 1]) {
    await it.pass(it.clock.lastMs ?? 0);
    it.tries[n]!.resolve(new MemoryDaemon());
    await it.settle();
  }
  assertEquals(it.events, ["down 1006", "up"]);
});

for (const [fault, gapMs] of [["unauthorized", 1000], ["unproven", 1000], ["rejected", 250]] as const) {
  Deno.test(`a link that is ${fault} is tried again after ${gapMs} ms, however much it is wanted`, async () => {
    using it = dialing({ wanted: true });
    await it.fail(fault);
    assertEquals([it.events, it.clock.lastMs], [[fault], gapMs]);
    it.dialer.connectSoon();
    await it.pass(gapMs - 1);
    assertEquals(it.tries.length, 1);
    await it.pass(1);
    assertEquals(it.tries.length, 2);
  });
}

Deno.test("a request that needs the daemon hastens the next try, but not below the shortest gap", async () => {
  using it = dialing();
  for (let n = 0; n < 8; n++) {
    await it.fail();
    if (n < 7) await it.pass(5000);
  }
  assertEquals(it.tries.length, 8);
  await it.pass(100);
  it.dialer.connectSoon();
  await it.pass(149);
  assertEquals(it.tries.length, 8);
  await it.pass(1);
  assertEquals(it.tries.length, 9);
  await it.fail();
  await it.pass(250);
  it.dialer.connectSoon();
  await it.settle();
  assertEquals([it.tries.length, it.clock.size], [10, 0], "at once after it");
  it.dialer.connectSoon();
  await it.settle();
  assertEquals(it.tries.length, 10, "one try at a time");
});

Deno.test("a request that comes while a try is under way waits for that, also if the try came early", async () => {
  using it = dialing();
  await it.fail();
  it.clock.nowMs += 249;
  it.clock.fire();
  await it.settle();
  assertEquals([it.tries.length, it.clock.set], [2, 1]);
  it.dialer.connectSoon();
  assertEquals(it.clock.set, 1);
});

Deno.test("a link that lasted is tried again at once, one that was cut at once after a pause that grows", async () => {
  using it = dialing();
  const waits: number[] = [];
  const live = async (ms: number) => {
    await it.settle();
    const daemon = new MemoryDaemon();
    it.tries.at(-1)!.resolve(daemon);
    await it.settle();
    it.clock.nowMs += ms;
    it.clock.lastMs = undefined;
    daemon.end(1001, "gone");
    await it.settle();
    waits.push(it.clock.lastMs ?? -1);
  };
  await live(1000);
  assertEquals([it.tries.length, waits], [2, [-1]]);
  for (let n = 0; n < 4; n++) {
    await live(999);
    await it.pass(5000);
  }
  const growing = waits.slice(1).every((ms, n) => ms >= 25 * 2 ** n && ms <= 50 * 2 ** n);
  assertEquals(growing, true, String(waits));
  await live(1000);
  await live(10);
  assertEquals(waits.at(-1)! <= 50, true, "it begins anew");
  assertEquals(it.events.slice(0, 4), ["up", "down 1001", "up", "down 1001"]);
  assertEquals(it.log.take()[0], "info: the connection to the daemon has ended: 1001 gone");
});

Deno.test("a link that was cut at once is tried again soon if somebody waits", async () => {
  using it = dialing({ wanted: true });
  for (let n = 0; n < 9; n++) {
    await it.settle();
    const daemon = new MemoryDaemon();
    it.tries.at(-1)!.resolve(daemon);
    await it.settle();
    daemon.end();
    await it.settle();
    assertEquals(it.clock.lastMs! <= 250, true, `${it.clock.lastMs} ms`);
    await it.pass(250);
  }
  assertEquals(it.tries.length, 10);
});

Deno.test("a daemon is started where nobody listens and somebody wants one, and not otherwise", async () => {
  using it = dialing({ starts: true });
  await it.fail("refused");
  assertEquals([it.starts.length, it.events], [0, ["refused"]], "nobody wants it");
  it.wanted = true;
  await it.pass(5000);
  await it.fail("unreachable");
  assertEquals([it.starts.length, it.events], [0, ["refused", "unreachable"]], "somebody is there");
  await it.pass(5000);
  await it.fail("refused");
  assertEquals(it.starts.length, 1);
  it.starts[0]!.reject(new Error("no such program"));
  await it.settle();
  assertEquals(it.events.slice(2), ["unreachable"]);
  await it.pass(5000);
  await it.fail("refused");
  it.starts[1]!.resolve(new MemoryDaemon());
  await it.settle();
  assertEquals(it.events.slice(3), ["up"]);
});

Deno.test("where no daemon is to be started none is, and what is thrown counts as a daemon that does not answer", async () => {
  using it = dialing({ wanted: true });
  await it.fail("refused");
  await it.pass(5000);
  await it.fail(new Error("something else"));
  assertEquals(it.events, ["refused", "unreachable"]);
});
