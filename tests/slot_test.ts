import { assertEquals, assertNotEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { UNLIMITED } from "../lib/call/admission.ts";
import { Slot } from "../lib/upstream/slot.ts";
import type { SlotRequest } from "../lib/upstream/slot_request.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { instanceOf, settled, Window } from "./helpers/instance.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";

const ASKED = { elicitation: {} };

/** A slot with a running instance of nobody yet; `stops` counts how often it was to be stopped. */
async function slotOf(
  request: Partial<SlotRequest> = {},
  { idleStopMs = 20, isStarted = true, settleMs = 0 } = {},
) {
  const rig = await instanceOf({ settleMs });
  const started = Promise.withResolvers<typeof rig.instance>();
  let stops = 0;
  const slot = new Slot(started.promise, {
    key: '["a key"]',
    scope: "project",
    why: "because",
    canIsolate: true,
    advertised: { elicitation: {} },
    listScope: { listKey: "k", advertised: {}, credentials: "owner", resourcesFor: "directory" },
    session: {} as never,
    mixesRoots: false,
    roots: undefined,
    config: { kind: "stdio", command: "none", args: [], env: {}, idleStopMs } as unknown as ServerConfig,
    admission: UNLIMITED,
    ...request,
  }, () => Promise.resolve(void stops++));
  if (isStarted) started.resolve(rig.instance);
  await settled();
  return { ...rig, slot, start: () => started.resolve(rig.instance), stops: () => stops };
}

const windows = (capabilities = ASKED) =>
  ["ada", "bob"].map((id) => new Window(id, capabilities)) as [Window, Window];

Deno.test("a slot says what it was made for, and names its key without telling it", async () => {
  const { slot } = await slotOf();
  assertEquals([slot.scope, slot.why, slot.canIsolate, slot.key, slot.advertised as unknown, slot.alive], [
    "project",
    "because",
    true,
    '["a key"]',
    { elicitation: {} },
    true,
  ]);
  assertNotEquals(slot.keyHash, slot.key);
  assertEquals((await slotOf({ scope: "session" })).slot.canIsolate, false);
  assertEquals((await slotOf({ canIsolate: false })).slot.canIsolate, false);
});

Deno.test("whoever leases a slot is attached to its instance, at once or when that has started", async () => {
  const { slot, instance, start } = await slotOf({}, { isStarted: false });
  const [ada, bob] = windows();
  slot.attach(ada.caller);
  assertEquals([slot.started, instance.attached.size, slot.isIdle], [undefined, 0, false]);
  start();
  await settled();
  slot.attach(bob.caller);
  assertEquals([slot.started === instance, [...instance.attached.keys()], slot.sessionIds], [
    true,
    ["ada", "bob"],
    ["ada", "bob"],
  ]);
  assertEquals([[...slot.callers].map(({ id }) => id), slot.hasSession(ada.caller)], [["ada", "bob"], true]);
  slot.leave(ada.caller);
  assertEquals([slot.hasSession(ada.caller), [...instance.attached.keys()]], [false, ["bob"]]);
  slot.detach(bob.caller);
  assertEquals([slot.sessionIds, instance.attached.size], [[], 0]);
});

Deno.test("a session that is over takes nothing from the next one under its id", async () => {
  const { slot, instance } = await slotOf();
  const [ada] = windows();
  slot.attach(ada.caller);
  const again = new Window("ada", ASKED);
  slot.attach(again.caller);
  slot.leave(ada.caller);
  slot.detach(ada.caller);
  assertEquals([[...slot.callers], [...instance.attached.values()]], [[again.caller], [again.caller]]);
});

Deno.test("a session that leaves keeps its tasks, one that is over does not", async () => {
  const { slot, instance } = await slotOf();
  const [ada] = windows();
  slot.attach(ada.caller);
  instance.tasks.add(ada.caller, { taskId: "t" });
  slot.leave(ada.caller);
  assertEquals([instance.tasks.has(ada.caller), slot.isIdle], [true, false]);
  slot.detach(ada.caller);
  assertEquals([instance.tasks.has(ada.caller), slot.isIdle], [false, true]);
});

Deno.test("a slot is idle when no call, no task and no subscription needs it", async () => {
  const { slot, instance, upstream } = await slotOf();
  const [ada] = windows();
  slot.attach(ada.caller);
  assertEquals([slot.isIdle, slot.isCalled], [true, false]);
  slot.beginCall();
  assertEquals([slot.isIdle, slot.isCalled], [false, true]);
  slot.endCall();
  assertEquals([slot.isIdle, slot.isCalled], [true, false]);
  void instance.call(ada.call());
  assertEquals(slot.isIdle, false);
  upstream.say({ id: upstream.last("tools/call").id, result: {} });
  assertEquals(slot.isIdle, true);
  upstream.answer = () => ({ result: {} });
  await instance.resubscribe(ada.caller, "a:");
  assertEquals(slot.isIdle, false);
});

Deno.test("with nobody left it is stopped after a while, unless somebody comes back", async () => {
  const { slot, stops } = await slotOf({}, { idleStopMs: 30 });
  const [ada] = windows();
  slot.attach(ada.caller);
  slot.leave(ada.caller);
  slot.attach(ada.caller);
  await delay(60);
  assertEquals(stops(), 0);
  slot.detach(ada.caller);
  assertEquals(stops(), 0);
  await delay(60);
  assertEquals(stops(), 1);
});

Deno.test("the end of a session that was never on it does not begin its time anew", async () => {
  const { slot, stops } = await slotOf({}, { idleStopMs: 1000 });
  using timers = new FakeTimers();
  const [ada] = windows();
  slot.attach(ada.caller);
  slot.detach(ada.caller);
  for (let n = 0; n < 3; n++) {
    timers.pass(400);
    slot.detach(new Window(`other ${n}`).caller);
  }
  assertEquals(stops(), 1);
});

Deno.test("a call keeps it though its session has left, and the last that ends lets it go", async () => {
  const { slot, stops } = await slotOf({ scope: "session" });
  const [ada, bob] = windows();
  slot.attach(ada.caller);
  slot.beginCall();
  slot.beginCall();
  slot.leave(ada.caller);
  slot.leave(bob.caller);
  slot.endCall();
  assertEquals(stops(), 0);
  slot.endCall();
  assertEquals(stops(), 1);
  slot.attach(ada.caller);
  slot.beginCall();
  slot.endCall();
  assertEquals(stops(), 1);
});

Deno.test("whoever needs its lists keeps it while it starts, also when the session it is for is over", async () => {
  for (const isAttached of [true, false]) {
    const { slot, stops } = await slotOf({ scope: "session" }, { isStarted: false });
    using timers = new FakeTimers();
    const [ada] = windows();
    if (isAttached) slot.attach(ada.caller);
    const kept = [slot.keep(), slot.keep()];
    slot.detach(ada.caller);
    slot.stopUnused();
    timers.pass(60_000);
    kept[0]![Symbol.dispose]();
    assertEquals([stops(), slot.isCalled], [0, false]);
    kept[1]![Symbol.dispose]();
    timers.pass(3000);
    assertEquals(stops(), 1);
  }
});

Deno.test("one of a single session is stopped at once, one that is to run as long as the daemon never", async () => {
  const [ada] = windows();
  const own = await slotOf({ scope: "session" }, { idleStopMs: 0 });
  own.slot.attach(ada.caller);
  own.slot.detach(ada.caller);
  assertEquals(own.stops(), 1);
  const lasting = await slotOf({}, { idleStopMs: 0 });
  lasting.slot.attach(ada.caller);
  lasting.slot.detach(ada.caller);
  await delay(10);
  assertEquals(lasting.stops(), 0);
});

Deno.test("one whose tasks run is looked at again each minute, and stopped when they are over", async () => {
  const { slot, instance, stops } = await slotOf({ scope: "session" });
  const [ada] = windows();
  slot.attach(ada.caller);
  instance.tasks.add(ada.caller, { taskId: "t" });
  {
    using time = new HurriedTime((ms) => ms === 60_000);
    slot.leave(ada.caller);
    await settled();
    assertEquals([stops(), time.delaysMs[0]], [0, 60_000]);
    instance.tasks.answered("tasks/result", "t", { result: {} });
    await delay(5);
    assertEquals(stops(), 1);
  }
  const brief = await slotOf({ scope: "session" });
  brief.slot.attach(ada.caller);
  brief.instance.tasks.add(ada.caller, { taskId: "t", ttl: 200 });
  brief.slot.leave(ada.caller);
  assertEquals(brief.stops(), 0);
  await delay(300);
  assertEquals(brief.stops(), 1);
});

Deno.test("somebody who comes back while its tasks are waited for keeps it", async () => {
  const { slot, instance, stops } = await slotOf({ scope: "session" });
  const [ada, bob] = windows();
  slot.attach(ada.caller);
  instance.tasks.add(ada.caller, { taskId: "t", ttl: 200 });
  slot.leave(ada.caller);
  slot.attach(bob.caller);
  await delay(300);
  assertEquals(stops(), 0);
});

Deno.test("one that is closed is not stopped any more", async () => {
  const { slot, stops } = await slotOf({}, { idleStopMs: 10 });
  const [ada] = windows();
  slot.attach(ada.caller);
  slot.leave(ada.caller);
  slot.close();
  slot.detach(ada.caller);
  await delay(30);
  assertEquals([stops(), slot.alive], [0, false]);
});

Deno.test("questions that could be two windows' are counted, and which was the last", async () => {
  const { slot } = await slotOf({ canIsolate: false });
  const [ada, bob] = windows();
  for (const { caller } of [ada, bob]) slot.attach(caller);
  const about = { method: "elicitation/create", capability: "elicitation" };
  slot.noteQuestion({ ...about, candidates: [], isRefused: false });
  assertEquals([slot.refusedQuestions, [...slot.usedCapabilities]], [undefined, ["elicitation"]]);
  const suspects = [ada.caller, bob.caller];
  slot.noteQuestion({ ...about, candidates: suspects, isRefused: true });
  slot.noteQuestion({ method: "x/\x1bodd", capability: undefined, candidates: suspects, isRefused: true });
  assertEquals(
    [slot.refusedQuestions?.count, slot.refusedQuestions?.lastMethod, slot.usedCapabilities.size],
    [2, "x/\\x1bodd", 1],
  );
  assertEquals(slot.refusedQuestions!.lastAt.getTime() > Date.now() - 10_000, true);
});

Deno.test("a window whose question was refused though it takes turns goes on by itself, if copies may run", async () => {
  for (const canIsolate of [true, false]) {
    const { slot } = await slotOf({ canIsolate });
    const [ada, bob] = windows();
    const mute = new Window("mute");
    for (const { caller } of [ada, bob, mute]) slot.attach(caller);
    assertEquals(slot.takesTurns(ada.caller), false);
    const refused = {
      method: "elicitation/create",
      capability: "elicitation",
      candidates: [ada.caller],
      isRefused: true,
    };
    slot.noteQuestion(refused);
    assertEquals([ada, bob, mute].map(({ caller }) => slot.takesTurns(caller)), [true, true, false]);
    const turnsOf = async (of: Window[]) => {
      const turns = [];
      for (const window of of) {
        using turn = await slot.turnOf(window.call());
        turns.push(turn.is);
      }
      return turns;
    };
    assertEquals(await turnsOf([ada, bob]), ["granted", "granted"]);
    {
      using _turn = await slot.turnOf(ada.call());
      slot.noteQuestion(refused);
    }
    assertEquals(await turnsOf([ada, bob]), [canIsolate ? "apart" : "granted", "granted"]);
    for (const { caller } of [bob, mute]) slot.leave(caller);
    assertEquals(await turnsOf([ada]), ["granted"]);
  }
});

Deno.test("before it has started nobody takes turns, and nothing fails when it never does", async () => {
  const { slot } = await slotOf({}, { isStarted: false });
  const [ada] = windows();
  slot.attach(ada.caller);
  slot.usedCapabilities.add("elicitation");
  assertEquals(slot.takesTurns(ada.caller), false);
  slot.detach(ada.caller);
  const failing = new Slot(
    Promise.reject(new Error("no")),
    { ...slot, session: {}, advertised: {}, config: { kind: "stdio", env: {}, idleStopMs: 0 } } as never,
    () => Promise.resolve(),
  );
  await settled();
  assertEquals([failing.started, failing.isIdle], [undefined, false]);
});
