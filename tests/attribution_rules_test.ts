import { assertEquals } from "@std/assert";
import type { Call, Caller } from "../lib/call/call.ts";
import { Attribution, SETTLE_MS } from "../lib/upstream/instance/attribution.ts";
import { UnfetchedTasks } from "../lib/upstream/tasks/unfetched_tasks.ts";
import { call } from "./helpers/call.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const [ADA, BOB, CLEO] = ["ada", "bob", "cleo"].map((id) => ({ ...call().caller, id })) as [
  Caller,
  Caller,
  Caller,
];
const callOf = (caller: Caller): Call => call({ caller });

Deno.test("a server that knows one window alone speaks to it, whether it calls or not", () => {
  const attribution = new Attribution();
  assertEquals(attribution.addressee(true), undefined);
  attribution.sessionAttached(ADA);
  attribution.sessionAttached({ ...ADA });
  assertEquals(attribution.addressee(true), { caller: ADA });
  attribution.sessionAttached(BOB);
  assertEquals(attribution.addressee(true), undefined);
});

Deno.test("whoever calls a server is known to it from then on", () => {
  using _clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 0 });
  const [hers, his] = [callOf(ADA), callOf(BOB)];
  attribution.callStarted(hers);
  attribution.callEnded(hers);
  assertEquals(attribution.addressee(true), { caller: ADA });
  attribution.callStarted(his);
  attribution.callEnded(his);
  assertEquals(attribution.addressee(true), undefined);
});

Deno.test("requests of one client that declare different capabilities are one window's, those of another program in its session are not", () => {
  using _clock = new SteadyClock();
  const attribution = new Attribution();
  const [able, unable, other] = [["s~1", "ada"], ["s~2", "ada"], ["s~3", "eve"]].map(([id, name]) => {
    return callOf({ ...ADA, id: id!, session: "s", era: "modern", client: { name: name!, version: "1" } });
  }) as [Call, Call, Call];
  attribution.callStarted(unable);
  attribution.callStarted(able);
  assertEquals(attribution.callsOf(able.caller), [unable, able]);
  attribution.callEnded(unable);
  assertEquals(attribution.addressee(true), { caller: able.caller, call: able });
  assertEquals([attribution.quietInMs(unable.caller), attribution.quietInMs(BOB)], [0, Infinity]);
  attribution.callStarted(other);
  assertEquals([attribution.addressee(true), attribution.quietInMs(able.caller)], [undefined, Infinity]);
});

Deno.test("a client that is asked beside its calls is asked by the part of it that can be", () => {
  const attribution = new Attribution();
  attribution.sessionAttached({ ...ADA, id: "ada~1", session: "ada", era: "modern" });
  attribution.sessionAttached(ADA);
  attribution.sessionAttached({ ...ADA, id: "ada~2", session: "ada", era: "modern" });
  assertEquals(attribution.addressee(true), { caller: ADA });
});

Deno.test("what a server says is about the latest call of the one window whose calls run", () => {
  const attribution = new Attribution();
  const [first, second, his] = [callOf(ADA), callOf(ADA), callOf(BOB)];
  attribution.callStarted(first);
  attribution.callStarted(second);
  assertEquals(attribution.addressee(true), { caller: ADA, call: second });
  attribution.callEnded(second);
  assertEquals(attribution.addressee(true)?.call, first);
  attribution.callStarted(his);
  assertEquals(attribution.addressee(true), undefined);
});

Deno.test("for two seconds after a call of another window it is nobody's, and then the window's whose calls run", () => {
  using clock = new SteadyClock();
  const attribution = new Attribution();
  const [hers, his] = [callOf(ADA), callOf(BOB)];
  attribution.callStarted(hers);
  attribution.callEnded(hers);
  attribution.callStarted(his);
  assertEquals([attribution.quietInMs(BOB), SETTLE_MS], [2000, 2000]);
  clock.pass(1999);
  assertEquals([attribution.quietInMs(BOB), attribution.addressee(true)], [1, undefined]);
  assertEquals(attribution.candidates().map(({ id }) => id), ["ada", "bob"]);
  clock.pass(1);
  assertEquals([attribution.quietInMs(BOB), attribution.addressee(true)?.caller], [0, BOB]);
  assertEquals(attribution.candidates().map(({ id }) => id), ["bob"]);
  clock.pass(1000);
  assertEquals(attribution.quietInMs(BOB), 0);
});

Deno.test("a call that was withdrawn and not answered may be spoken of five times as long, whatever ends after it", () => {
  using clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 100 });
  const [dropped, answered] = [callOf(ADA), callOf(ADA)];
  attribution.callStarted(dropped);
  attribution.callStarted(answered);
  attribution.callEnded(dropped, { withdrawn: true });
  attribution.callEnded(answered);
  assertEquals(attribution.quietInMs(BOB), 500);
  clock.pass(500);
  assertEquals(attribution.quietInMs(BOB), 0);
});

Deno.test("a window is quiet when no calls of others run, and it says which run", () => {
  using _clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 100 });
  const [hers, his, cleos] = [callOf(ADA), callOf(BOB), callOf(CLEO)];
  attribution.callStarted(his);
  assertEquals([attribution.quietInMs(BOB), [...attribution.runningCalls()]], [0, [his]]);
  assertEquals([attribution.quietInMs(ADA), [...attribution.runningCalls()]], [Infinity, [his]]);
  attribution.callEnded(his);
  assertEquals([attribution.quietInMs(ADA), [...attribution.runningCalls()]], [100, []]);
  attribution.callStarted(hers);
  attribution.callStarted(cleos);
  assertEquals([...attribution.runningCalls()], [hers, cleos]);
});

Deno.test("while another window has a task that runs, what names nothing is nobody's", () => {
  const tasks = new UnfetchedTasks();
  const attribution = new Attribution({ tasks });
  attribution.callStarted(callOf(BOB));
  tasks.add(BOB, { taskId: "his" });
  assertEquals(attribution.addressee(true)?.caller, BOB);
  tasks.add(ADA, { taskId: "hers" });
  assertEquals(attribution.addressee(true), undefined);
});

Deno.test("windows whose calls have settled are forgotten beyond some number, and none that may still be meant", () => {
  using clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 100 });
  const end = (id: string) => {
    const its = callOf({ ...ADA, id });
    attribution.callStarted(its);
    attribution.callEnded(its);
  };
  const running = callOf({ ...ADA, id: "running" });
  attribution.callStarted(running);
  for (let n = 0; n < 63; n++) end(`early ${n}`);
  clock.pass(100);
  end("late");
  assertEquals(attribution.candidates().map(({ id }) => id), ["running", "late"]);
  // The clock goes back to where all would be meant who are remembered.
  clock.pass(-1);
  assertEquals(attribution.candidates().map(({ id }) => id), ["running", "late"]);
});

Deno.test("up to that number nobody is forgotten", () => {
  using clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 100 });
  for (let n = 0; n < 64; n++) {
    const its = callOf({ ...ADA, id: `window ${n}` });
    attribution.callStarted(its);
    attribution.callEnded(its);
    if (n === 62) clock.pass(100);
  }
  clock.pass(-1);
  assertEquals(attribution.candidates().length, 64);
});

Deno.test("a window that comes back under its id is known by its new session, once the calls of the old one have settled", () => {
  using clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 100 });
  attribution.sessionAttached(BOB);
  const old = callOf(ADA);
  attribution.callStarted(old);
  attribution.callEnded(old);
  attribution.sessionEnded(ADA);
  const again = { ...ADA };
  const its = callOf(again);
  attribution.sessionAttached(again);
  attribution.callStarted(its);
  assertEquals([attribution.addressee(true), attribution.quietInMs(ADA)], [undefined, 100]);
  clock.pass(100);
  const found = attribution.addressee(true);
  assertEquals([found?.caller === again, found?.call === its, attribution.candidates()], [true, true, [
    again,
  ]]);
});

Deno.test("a call that outlives its session is nobody's, also when the window is back, and ends as its own", () => {
  using _clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 0 });
  const [old, its] = [callOf(ADA), callOf({ ...ADA })];
  attribution.callStarted(old);
  attribution.sessionEnded(ADA);
  attribution.callStarted(its);
  assertEquals([attribution.addressee(true), [...attribution.runningCalls()]], [undefined, [its, old]]);
  attribution.callEnded(old);
  assertEquals([attribution.addressee(true)?.call === its, [...attribution.runningCalls()]], [true, [its]]);
  attribution.callEnded(its);
  assertEquals([...attribution.runningCalls()], []);
});

Deno.test("two sessions of one id are told apart, also where nobody has said that the first is over", () => {
  const attribution = new Attribution({ settleMs: 0 });
  const again = { ...ADA };
  const [old, its] = [callOf(ADA), callOf(again)];
  attribution.callStarted(old);
  attribution.callEnded(old);
  attribution.callStarted(its);
  assertEquals(attribution.addressee(true)?.caller === again, true);
});

Deno.test("of sessions that are over none is remembered once its calls have settled", () => {
  using clock = new SteadyClock();
  const attribution = new Attribution({ settleMs: 100 });
  for (const caller of [ADA, BOB]) {
    const its = callOf(caller);
    attribution.callStarted(its);
    attribution.callEnded(its);
    clock.pass(100);
    attribution.sessionEnded(caller);
  }
  // The clock goes back to where both would be meant.
  clock.pass(-150);
  assertEquals(attribution.quietInMs(CLEO), 0);
});
