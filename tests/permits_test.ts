import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type Permit, Permits } from "../lib/admission/permits.ts";
import { Tally } from "../lib/base/tally.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import { currentWait } from "../lib/call/wait.ts";
import { FakeSpan } from "./helpers/fake_span.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { seeded } from "./helpers/random.ts";

const never = new AbortController().signal;

Deno.test("a permit is given back once, however often it is disposed", () => {
  const permits = new Permits({ perKey: 2, total: 2, queueMax: 0 });
  const permit = permits.acquire("a", never) as Permit;
  permit[Symbol.dispose]();
  permit[Symbol.dispose]();
  assertEquals(permits.held, 0);
});

Deno.test("sessions are served in turn: a busy one does not starve another", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const first = permits.acquire("busy", never) as Permit;
  const order: string[] = [];
  const run = async (key: string) => {
    using permit = await permits.acquire(key, never);
    order.push(permit.key);
  };
  const all = [run("busy"), run("busy"), run("busy"), run("quiet")];
  first[Symbol.dispose]();
  await Promise.all(all);
  assertEquals(order, ["busy", "quiet", "busy", "busy"]);
});

Deno.test("a waiter that is aborted leaves at once and its place goes to the next", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const first = permits.acquire("a", never) as Permit;
  const controller = new AbortController();
  const gone = permits.acquire("a", controller.signal) as Promise<Permit>;
  const next = permits.acquire("a", never) as Promise<Permit>;
  controller.abort();
  await assertRejects(() => gone, ExaiError, "cancelled");
  assertEquals(permits.waiting, 1);
  first[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("a session at its own limit does not hold back another", () => {
  const permits = new Permits({ perKey: 1, total: 2, queueMax: 9 });
  permits.acquire("a", never);
  permits.acquire("a", never);
  assertEquals((permits.acquire("b", never) as Permit).key, "b");
});

Deno.test("where every session may run one, a session that runs none waits for nobody, however many run", async () => {
  const permits = new Permits({ perKey: 2, total: 2, everyKeyRuns: true, queueMax: 9 });
  const busy = [permits.acquire("busy", never) as Permit, permits.acquire("busy", never) as Permit];
  const quiet = permits.acquire("quiet", never) as Permit;
  assertEquals([quiet.key, permits.held], ["quiet", 3]);
  // Its second waits like any other's, also for its own first while all are held.
  const second = permits.acquire("quiet", never) as Promise<Permit>;
  const third = permits.acquire("busy", never) as Promise<Permit>;
  quiet[Symbol.dispose]();
  assertEquals((await second).key, "quiet");
  assertEquals([permits.held, permits.waiting], [3, 1]);
  // One that is given back serves all whom it lets run: the other's next, and its own key's, which then holds none.
  const fourth = permits.acquire("quiet", never) as Promise<Permit>;
  busy[0]![Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [2, 2]);
  (await second)[Symbol.dispose]();
  for (const permit of await Promise.all([third, fourth])) permit[Symbol.dispose]();
  busy[1]![Symbol.dispose]();
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("a full queue refuses and says when to come back", () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 0 });
  permits.acquire("a", never);
  const error = assertThrows(() => permits.acquire("a", never), ExaiError) as ExaiError;
  assertEquals(error.code, "OVER_CAPACITY");
  assertEquals(error.retryAfterMs! >= 100, true);
});

Deno.test("under any load the caps hold, the aborted leave at once, and no session waits while others are served twice", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const limits = { perKey: 3, total: 5, queueMax: 40 };
    const permits = new Permits(limits);
    const held = new Map<string, number>();
    const running: Permit[] = [];
    /** For each session that waits with nothing running: how often each other was served since. */
    const passedBy = new Map<string, Map<string, number>>();
    let [granted, aborted, refused, most] = [0, 0, 0, 0];
    const waits: Promise<void>[] = [];

    const take = (permit: Permit) => {
      granted++;
      running.push(permit);
      held.set(permit.key, (held.get(permit.key) ?? 0) + 1);
      most = Math.max(most, running.length);
      assert(held.get(permit.key)! <= limits.perKey && running.length <= limits.total, `seed ${seed}`);
      passedBy.delete(permit.key);
      for (const served of passedBy.values()) {
        const times = (served.get(permit.key) ?? 0) + 1;
        served.set(permit.key, times);
        assert(times <= 2, `seed ${seed}: ${permit.key} was served ${times} times while another waited`);
      }
    };
    const ask = (key: string) => {
      const controller = new AbortController();
      let wait: Permit | Promise<Permit>;
      try {
        wait = permits.acquire(key, controller.signal);
      } catch (thrown) {
        assert(thrown instanceof ExaiError && thrown.retryAfterMs! > 0);
        refused++;
        return;
      }
      if (!(wait instanceof Promise)) return take(wait);
      if (!held.get(key) && !passedBy.has(key)) passedBy.set(key, new Map());
      waits.push(wait.then(take, () => void aborted++));
      if (random() > 0.3) return;
      const before = permits.waiting;
      controller.abort();
      assertEquals(permits.waiting, before - 1);
      passedBy.delete(key);
    };
    for (let step = 0; step < 600; step++) {
      // One session asks as often as all the others together.
      if (random() < 0.6) ask(random() < 0.5 ? "busy" : `s${Math.floor(random() * 6)}`);
      else if (running.length > 0) {
        const [permit] = running.splice(Math.floor(random() * running.length), 1);
        held.set(permit!.key, held.get(permit!.key)! - 1);
        permit![Symbol.dispose]();
      }
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
    }
    while (permits.held > 0) {
      const permit = running.pop()!;
      held.set(permit.key, held.get(permit.key)! - 1);
      permit[Symbol.dispose]();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await Promise.all(waits);
    assertEquals([permits.held, permits.waiting, most], [0, 0, limits.total], `seed ${seed}`);
    assert(granted > 100 && aborted > 0 && refused >= 0);
  }
});

Deno.test("when many wait in all, keys with more than their share are refused first", () => {
  const permits = new Permits({
    perKey: 1,
    total: 1,
    queueMax: 8,
    queueTotalMax: 8,
    holder: 'server "files"',
  });
  permits.acquire("holder", never);
  const wait = (key: string) => void (permits.acquire(key, never) as Promise<Permit>).catch(() => {});
  for (let n = 0; n < 8; n++) wait("greedy");
  for (let n = 0; n < 3; n++) wait("modest");
  const error = assertThrows(() => wait("modest"), ExaiError);
  assertStringIncludes(error.message, 'server "files" already has 1 calls running');
  wait("late");
});

Deno.test("how many are served before a waiter is what it says", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9, holder: "the server" });
  const first = permits.acquire("a", never) as Permit;
  const said: number[] = [];
  const served: number[] = [];
  const waits = ["a", "a", "b", "a", "b", "c"].map(async (key, n) => {
    const trace: CallTrace = {};
    const permit = permits.acquire(key, never, trace);
    await Promise.resolve();
    said[n] = Number(/\((\d+) before/.exec(currentWait(trace)!.what())![1]);
    const held = await permit;
    served.push(n);
    held[Symbol.dispose]();
  });
  await Promise.resolve();
  await Promise.resolve();
  first[Symbol.dispose]();
  await Promise.all(waits);
  assertEquals(said.map((_, n) => served.indexOf(n)), said);
});

Deno.test("the span of a call says how many were before it when it began to wait", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9, holder: "the server" });
  const span = new FakeSpan();
  const trace: CallTrace = { span };
  const wait = async (key: string) => {
    using _permit = await permits.acquire(key, never, trace);
  };
  const first = permits.acquire("a", never) as Permit;
  const waits = [wait("a"), wait("b"), wait("a")];
  first.lend();
  // The first of them runs; who wants its permit back comes before all that have not begun.
  const back = first.takeBack({ signal: never, trace }).then(() => first[Symbol.dispose]());
  await Promise.all([...waits, back, wait("c")]);
  const said = span.waits.map(({ what }) => what);
  assertEquals(said, [0, 0, 1, 2, 3].map((before) => `a permit of the server (${before} before it)`));
});

Deno.test("a key that counts nothing is forgotten", () => {
  const tally = new Tally();
  for (const key of ["a", "a", "b"]) tally.add(key);
  assertEquals([tally.of("a"), tally.of("b"), tally.of("c"), tally.total, tally.keys], [2, 1, 0, 3, 2]);
  for (const key of ["a", "b"]) tally.remove(key);
  assertEquals([tally.of("a"), tally.of("b"), tally.total, tally.keys], [1, 0, 1, 1]);
});

/** When a call of `key` that is refused is to come back, in milliseconds. */
function retryAfterMs(permits: Permits, key = "a"): number {
  return permits.overCapacity(key).retryAfterMs!;
}

Deno.test("when to come back is reckoned from how long permits are held, and from how many wait", () => {
  using timers = new FakeTimers();
  const permits = new Permits({ perKey: 1, total: 2, queueMax: 2 });
  assertEquals(retryAfterMs(permits), 100, "at least");
  const hold = (ms: number) => {
    using _permit = permits.acquire("a", never) as Permit;
    timers.nowMs += ms;
  };
  hold(16_000);
  assertEquals(retryAfterMs(permits), 1000, "a sixteenth of it");
  hold(33_000);
  assertEquals(retryAfterMs(permits), 3000);
  permits.acquire("a", never);
  permits.acquire("a", never);
  assertEquals([retryAfterMs(permits), retryAfterMs(permits, "b")], [6000, 3000]);
  permits.acquire("b", never);
  for (let n = 0; n < 2; n++) permits.acquire("b", never);
  assertEquals([retryAfterMs(permits), retryAfterMs(permits, "b")], [6000, 9000]);
  permits.giveBack("b", 1e9);
  assertEquals(retryAfterMs(permits), 60_000, "at most");
});

Deno.test("of a server with one queue for all, those of every session count", () => {
  using timers = new FakeTimers();
  const permits = new Permits({ perKey: 2, total: 2, queueMax: 9, holder: 'server "files"' });
  {
    using _permit = permits.acquire("a", never) as Permit;
    timers.nowMs += 16_000;
  }
  for (const key of ["a", "a", "b", "b", "c"]) permits.acquire(key, never);
  assertEquals(retryAfterMs(permits, "d"), 2000);
  assertStringIncludes(permits.overCapacity("d").message, "already has 2 calls running and 9 waiting");
});

Deno.test("a refusal says how many run and wait: of this session, or more than may wait", () => {
  const permits = new Permits({ perKey: 1, total: 9, queueMax: 1 });
  for (let n = 0; n < 2; n++) permits.acquire("a", never);
  const error = assertThrows(() => permits.acquire("a", never), ExaiError);
  assertEquals(
    error.message,
    "this session already has 1 calls running and 1 waiting; try again in 100 ms",
  );
});

Deno.test("a call that was given up gets no permit, free or not, nor its own back", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const gone = AbortSignal.abort(new ExaiError("CANCELLED", "not wanted"));
  assertThrows(() => permits.acquire("a", gone), ExaiError, "not wanted");
  const permit = permits.acquire("a", never) as Permit;
  permit.lend();
  await assertRejects(() => permit.takeBack({ signal: gone }), ExaiError, "not wanted");
  assertEquals([permits.held, permits.waiting], [0, 0]);
});

Deno.test("who waits for a permit of the daemon learns whether all are taken, or only those of its session", () => {
  const permits = new Permits({ perKey: 1, total: 2, queueMax: 9 });
  const traces: CallTrace[] = [{}, {}];
  permits.acquire("a", never);
  permits.acquire("a", never, traces[0]);
  assertEquals(
    currentWait(traces[0])!.what(),
    "a permit of its session, which runs 1 calls (0 before it)",
  );
  permits.acquire("b", never);
  permits.acquire("c", never, traces[1]);
  assertEquals(
    currentWait(traces[1])!.what(),
    "a permit of the daemon, which runs 2 calls (1 before it)",
  );
});

Deno.test("a waiter that was granted its permit and is given up then keeps it, and is counted once", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const controller = new AbortController();
  const first = permits.acquire("a", never) as Permit;
  const trace: CallTrace = {};
  const second = permits.acquire("a", controller.signal, trace) as Promise<Permit>;
  first[Symbol.dispose]();
  controller.abort();
  using permit = await second;
  assertEquals([permit.key, permits.held, permits.waiting, currentWait(trace)], ["a", 1, 0, undefined]);
});

Deno.test("a session that waits for little is taken though many wait, one with its share of them is not", () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9, queueTotalMax: 4, holder: "it" });
  permits.acquire("holder", never);
  for (let n = 0; n < 3; n++) permits.acquire("greedy", never);
  permits.acquire("modest", never);
  // Four wait, of two sessions: a third of them is a share.
  permits.acquire("modest", never);
  assertThrows(() => permits.acquire("modest", never), ExaiError);
  assertThrows(() => permits.acquire("greedy", never), ExaiError);
});

Deno.test("a wait that is over is noted no more, and listens no more to the signal of its call", async () => {
  const permits = new Permits({ perKey: 1, total: 1, queueMax: 9 });
  const first = permits.acquire("a", never) as Permit;
  const { controller, listeners } = countedSignal();
  const traces: CallTrace[] = [{}, {}];
  const second = permits.acquire("a", controller.signal, traces[0]) as Promise<Permit>;
  const gone = new AbortController();
  const third = permits.acquire("a", gone.signal, traces[1]) as Promise<Permit>;
  assertEquals([listeners.size, traces.map((trace) => currentWait(trace) !== undefined)], [1, [true, true]]);
  gone.abort();
  await assertRejects(() => third, ExaiError, "cancelled");
  first[Symbol.dispose]();
  await second;
  assertEquals([listeners.size, traces.map(currentWait)], [0, [undefined, undefined]]);
});

/** A signal whose listeners are counted. */
function countedSignal() {
  const controller = new AbortController();
  const listeners = new Set<unknown>();
  const add = controller.signal.addEventListener.bind(controller.signal);
  Object.assign(controller.signal, {
    addEventListener: (type: "abort", listener: () => void) => {
      listeners.add(listener);
      add(type, listener);
    },
    removeEventListener: (type: string, listener: unknown) => {
      if (type === "abort") listeners.delete(listener);
    },
  });
  return { controller, listeners };
}
