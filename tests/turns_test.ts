import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { currentWait } from "../lib/call/wait.ts";
import type { Call } from "../lib/call/call.ts";
import { Parking } from "../lib/call/parking.ts";
import { type CallTurn, Turns } from "../lib/upstream/turns.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { Window } from "./helpers/instance.ts";

/** Turns of a process on which calls run as `running` says: until when the calls of each session are in doubt. */
function turnsOf({ canIsolate = true, running = [] as Call[] } = {}) {
  const until = new Map<string, number>();
  const gone = new Set<string>();
  const turns = new Turns({
    name: "files",
    canIsolate,
    quietInMs: ({ id }) => {
      const others = [...until].filter(([other]) => other !== id).map(([, atMs]) => atMs);
      return Math.max(0, ...others.map((atMs) => atMs - performance.now()));
    },
    running: () => running,
    serves: ({ caller }) => !gone.has(caller.id),
  });
  const outcomes: string[] = [];
  const held: CallTurn[] = [];
  /** Takes a turn for a call of `window`, and notes the outcome when there is one. */
  const take = async (window: Window, more: Partial<Call> = {}) => {
    const { id } = window.caller;
    try {
      const turn = await turns.take(window.call(more), "elicitation");
      held.push(turn);
      outcomes.push(`${id} ${turn.is}`);
    } catch {
      outcomes.push(`${id} withdrawn`);
    }
  };
  return { turns, until, gone, outcomes, held, take };
}

/** Lets all that can go on go on; no timers are involved. */
async function steps(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

const three = () => ["ada", "bob", "eve"].map((id) => new Window(id)) as [Window, Window, Window];

Deno.test("calls of one window run together, a call of another waits until they have ended and nothing can be asked about them", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob] = three();
  await Promise.all([it.take(ada), it.take(ada)]);
  void it.take(bob);
  await steps();
  assertEquals(it.outcomes, ["ada granted", "ada granted"]);
  it.held[0]![Symbol.dispose]();
  await steps();
  assertEquals(it.outcomes.length, 2);
  it.until.set("ada", timers.nowMs + 2000);
  it.held[1]![Symbol.dispose]();
  timers.pass(1900);
  await steps();
  assertEquals(it.outcomes.length, 2);
  timers.pass(101);
  await steps();
  assertEquals(it.outcomes.at(-1), "bob granted");
  it.held[2]![Symbol.dispose]();
  assertEquals(timers.size, 0);
});

Deno.test("calls of one client run together, whatever capabilities its requests declare", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [one, other] = ["s~1", "s~2"].map((id) => new Window(id, {}, { session: "s" })) as [Window, Window];
  for (const window of [one, one, other]) void it.take(window);
  await steps();
  assertEquals(it.outcomes, ["s~1 granted", "s~1 granted", "s~2 granted"]);
  assertEquals([it.turns.holds("s~1"), it.turns.holds("s~2"), timers.size], [true, true, 0]);
  it.held.forEach((turn) => turn[Symbol.dispose]());
  assertEquals([it.turns.holds("s~1"), it.turns.holds("s~2")], [false, false]);
});

Deno.test("a call waits four seconds at most, counted from when it came, and then its window gets a process of its own", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob, eve] = three();
  await it.take(ada);
  void it.take(bob);
  timers.pass(3000);
  void it.take(eve);
  timers.pass(1000);
  await steps();
  assertEquals(it.outcomes, ["ada granted", "bob apart"]);
  timers.pass(2999);
  await steps();
  assertEquals(it.outcomes.length, 2);
  timers.pass(1);
  await steps();
  assertEquals(it.outcomes.at(-1), "eve apart");
  assertMatch((it.held.at(-1) as { why: string }).why, /asks questions \(elicitation\)/);
});

Deno.test("a window that has waited long enough in all waits no more", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob] = three();
  for (let i = 0; i < 2; i++) {
    it.until.set("ada", timers.nowMs + 2000);
    void it.take(bob);
    await steps();
    timers.pass(2001);
    await steps();
    it.held.pop()![Symbol.dispose]();
  }
  await it.take(ada);
  await it.take(bob);
  assertEquals(it.outcomes, ["bob granted", "bob granted", "ada granted", "bob apart"]);
  it.turns.leave("bob");
  void it.take(bob);
  await steps();
  assertEquals(it.outcomes.length, 4);
});

Deno.test("a call that could not have its turn in time does not wait for it", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  it.until.set("ada", timers.nowMs + 10_000);
  await it.take(three()[1]);
  assertEquals([it.outcomes, timers.size], [["bob apart"], 0]);
});

for (const [canIsolate, outcome] of [[true, "apart"], [false, "granted"]] as const) {
  Deno.test(`a call waits half a second for one that waits for its client, and then its window is ${outcome}`, async () => {
    using timers = new FakeTimers();
    const [ada, bob, eve] = three();
    const [parking, other] = [new Parking(), new Parking()];
    const running = [ada.call({ parking }), ada.call({ parking: other })];
    const it = turnsOf({ canIsolate, running });
    await it.take(ada);
    parking.park();
    void it.take(bob);
    timers.pass(1000);
    await steps();
    assertEquals(it.outcomes, ["ada granted"], "one call of hers is not parked");
    other.park();
    timers.pass(499);
    await steps();
    assertEquals(it.outcomes.length, 1);
    for (const ms of [1, 500]) timers.pass(ms);
    await steps();
    assertEquals(it.outcomes.at(-1), `bob ${outcome}`);
    assertEquals([parking.isHurried, other.isHurried], [!canIsolate, !canIsolate]);
    await it.take(eve);
    assertEquals(it.outcomes.at(-1), `eve ${outcome}`, "at once");
    running.forEach(({ parking }) => parking!.resume());
    void it.take(new Window("dan"));
    timers.pass(3000);
    await steps();
    assertEquals(it.outcomes.length, 3);
    timers.pass(1000);
    await steps();
    assertEquals([it.outcomes.at(-1), timers.size], [`dan ${outcome}`, 0]);
  });
}

Deno.test("a call that must end soon waits for a quarter of its time", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob] = three();
  await it.take(ada);
  void it.take(bob, { deadlineMs: performance.timeOrigin + timers.nowMs + 2000 });
  timers.pass(499);
  await steps();
  assertEquals(it.outcomes.length, 1);
  timers.pass(2);
  await steps();
  assertEquals(it.outcomes.at(-1), "bob apart");
});

Deno.test("a withdrawn call waits no more, and holds up nobody", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob, eve] = three();
  await it.take(ada);
  const controller = new AbortController();
  void it.take(bob, { signal: controller.signal });
  void it.take(eve);
  await steps();
  controller.abort(new Error("no more"));
  // In the moment it is withdrawn its turn comes.
  it.held[0]![Symbol.dispose]();
  await steps();
  assertEquals(it.outcomes.toSorted(), ["ada granted", "bob withdrawn", "eve granted"]);
  it.held.at(-1)![Symbol.dispose]();
  await it.take(ada);
  assertEquals([it.outcomes.at(-1), timers.size], ["ada granted", 0]);
});

Deno.test("calls that wait go elsewhere when the process serves their window no more", async () => {
  using _timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob] = three();
  await it.take(ada);
  void it.take(bob);
  it.gone.add("bob");
  it.turns.leave("bob");
  await steps();
  assertEquals(it.outcomes.at(-1), "bob void");
});

Deno.test("an exclusive process starts no copy: after its wait a call runs beside the other, and the next in line goes first", async () => {
  using timers = new FakeTimers();
  const it = turnsOf({ canIsolate: false });
  const [ada, bob, eve] = three();
  await it.take(ada);
  void it.take(bob);
  timers.pass(2000);
  void it.take(eve);
  timers.pass(2000);
  await steps();
  assertEquals(it.outcomes, ["ada granted", "bob granted"]);
  // A window whose calls come one after another must not keep it from those that wait.
  it.until.set("ada", timers.nowMs + 1000);
  it.held.splice(0).forEach((turn) => turn[Symbol.dispose]());
  void it.take(ada);
  await steps();
  assertEquals(it.outcomes.length, 2);
  timers.pass(1001);
  await steps();
  assertEquals(it.outcomes.at(-1), "eve granted");
  it.held.splice(0).forEach((turn) => turn[Symbol.dispose]());
  await steps();
  assertEquals(it.outcomes.at(-1), "ada granted");
});

Deno.test("a call whose time is up in the moment its turn comes holds it once", async () => {
  using timers = new FakeTimers();
  const it = turnsOf({ canIsolate: false });
  const [ada, bob] = three();
  await it.take(ada);
  void it.take(bob);
  timers.pass(4000);
  it.held.pop()![Symbol.dispose]();
  await steps();
  assertEquals(it.outcomes, ["ada granted", "bob granted"]);
  it.held.pop()![Symbol.dispose]();
  void it.take(ada);
  await steps();
  assertEquals(it.outcomes.at(-1), "ada granted");
});

Deno.test("a call that waits for its turn is shown so, and its client is told where it wants progress", async () => {
  using timers = new FakeTimers();
  const it = turnsOf();
  const [ada, bob] = three();
  await it.take(ada);
  const trace = {};
  void it.take(bob, { trace, progressToken: "p" });
  await steps();
  const what = 'another window\'s call of server "files", which asks its clients questions (elicitation)';
  assertEquals(currentWait(trace)?.what(), what);
  assertEquals(bob.heard, [{
    method: "notifications/progress",
    params: {
      progressToken: "p",
      progress: 0,
      message: `waits for ${what}: 4 s at most, then a process of its own is started`,
    },
  }]);
  timers.pass(4000);
  await steps();
  assertEquals(currentWait(trace), undefined);
  const silent = turnsOf({ canIsolate: false });
  await silent.take(ada);
  void silent.take(bob, { signal: AbortSignal.abort() });
  await assertRejects(async () => await silent.turns.take(bob.call({ signal: AbortSignal.abort() }), "x"));
  assertEquals(bob.heard.length, 1);
});
