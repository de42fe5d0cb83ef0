import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Drain } from "../lib/admission/policies.ts";
import type { HandoverAnswer } from "../lib/admin/handover_route.ts";
import { Handover } from "../lib/app/handover.ts";
import type { Call } from "../lib/call/call.ts";
import type { Slot } from "../lib/upstream/slot.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

const realTimeout = globalThis.setTimeout;
const NEXT = { is: "newer", release: { version: "999.0.0" } } as const;

interface SlotFacts {
  scope?: string;
  isCalled?: boolean;
  taskMs?: number;
  /** How long ago it was used last. */
  restMs?: number;
  sessions?: string[];
}

/** A daemon of which only what a handover looks at is there. */
class Place implements Disposable {
  readonly clock = new FakeTimers();
  readonly drain = new Drain();
  detached = 0;
  slots: SlotFacts[] = [];
  readonly handover: Handover;

  constructor() {
    const detached = () => this.detached;
    const slots = () => this.slots.map((facts) => slotOf(facts, this.clock.nowMs));
    this.handover = new Handover({
      drain: this.drain,
      timeouts: {
        get running() {
          return detached();
        },
      },
      servers: () => [{ name: "browser", slots: slots(), retiring: [] }],
    });
  }

  /** The answer to a newer daemon, with the clock going on until it is there. */
  async answer(): Promise<HandoverAnswer> {
    let answer: HandoverAnswer | undefined;
    this.handover.request(NEXT).then((given) => answer = given);
    while (!answer) {
      await new Promise((resolve) => realTimeout(resolve, 0));
      this.clock.pass(50);
    }
    return answer;
  }

  [Symbol.dispose](): void {
    this.clock[Symbol.dispose]();
  }
}

function slotOf(facts: SlotFacts, nowMs: number): Slot {
  const { scope = "machine", isCalled = false, taskMs = 0, restMs = 0, sessions = ["a"] } = facts;
  const started = {
    tasks: { remainingMs: () => taskMs },
    lastUsedAtMs: performance.timeOrigin + nowMs - restMs,
  };
  return { scope, isCalled, sessionIds: sessions, started } as unknown as Slot;
}

Deno.test("a daemon on which nothing runs ends at once for a newer one, and takes no call after that", async () => {
  using it = new Place();
  it.slots = [{}];
  assertEquals(await it.answer(), { state: "stopping" });
  assertStringIncludes(await it.handover.accepted, "version 999.0.0");
  const target = it.drain.guard(() => Promise.resolve({ result: {} }));
  const refused = await Promise.resolve(target({} as Call)).catch((thrown) => thrown.code);
  assertEquals(refused, "SHUTTING_DOWN");
});

for (
  const [what, slots, waits_for] of [
    ["a call that has not begun", [{ isCalled: true }], 'a call of server "browser"'],
    ["a task whose result was not fetched", [{ taskMs: 1 }], 'a task of server "browser"'],
    [
      "a process one window has for itself, shortly after a call",
      [{ scope: "session", restMs: 60_000 }],
      'a window\'s own process of server "browser"',
    ],
    [
      "a process the clients of one window share, shortly after a call",
      [{ scope: "window", restMs: 60_000 }],
      'a window\'s own process of server "browser"',
    ],
  ] as [string, SlotFacts[], string][]
) {
  Deno.test(`no daemon ends for a newer one under ${what}`, async () => {
    using it = new Place();
    it.slots = slots;
    assertEquals(await it.answer(), { state: "waiting", waits_for });
    const target = it.drain.guard(() => Promise.resolve({ result: {} }));
    assertEquals(await target({} as Call), { result: {} });
  });
}

Deno.test("a window's own process that rests, or whose window has gone, does not keep an older daemon", async () => {
  using it = new Place();
  it.slots = [{ scope: "session", restMs: 11 * 60_000 }, { scope: "window", sessions: [] }];
  assertEquals(await it.answer(), { state: "stopping" });
});

Deno.test("a daemon that is stopped tells the newer one that waits for it, at once", async () => {
  using it = new Place();
  it.detached = 1;
  const answer = it.handover.request(NEXT);
  it.handover.stop();
  assertEquals(await answer, { state: "stopped" });
  it.detached = 0;
  assertEquals(await it.handover.request(NEXT), { state: "stopped" });
});

Deno.test("a daemon ends for a newer one the moment its last call has ended, also a detached one", async () => {
  using it = new Place();
  const ended = Promise.withResolvers<{ result: Record<string, never> }>();
  const call = it.drain.guard(() => ended.promise)({} as Call);
  it.detached = 1;
  assertEquals(await it.answer(), { state: "waiting", waits_for: "2 calls that run" });
  it.detached = 0;
  const answer = it.handover.request(NEXT);
  await new Promise((resolve) => realTimeout(resolve, 0));
  ended.resolve({ result: {} });
  await call;
  assertEquals(await answer, { state: "stopping" });
  assert(it.handover.accepts(NEXT));
  assert(!it.handover.accepts({ is: "newer", release: { version: "0.0.1" } }));
});
