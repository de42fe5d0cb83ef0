import { call } from "./helpers/call.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { untilAborted } from "../lib/base/abort.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { Caller } from "../lib/call/call.ts";
import { Subscriptions } from "../lib/upstream/instance/subscriptions.ts";
import type { Result } from "../lib/wire/rpc.ts";

const [ADA, BOB] = ["ada", "bob"].map((id) => ({ ...call().caller, id })) as [Caller, Caller];

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
const OK: Result = { result: {} };
const NO: Result = { error: { code: 1, message: "no" } };

/** Subscriptions of a server that notes what it is asked; the answers can be held back. */
function subscriptionsOf() {
  const asked: string[] = [];
  const lost: string[] = [];
  const answers = { renewal: OK as Result | Promise<Result> };
  const subscriptions = new Subscriptions({
    renew: (uri) => (asked.push(`!${uri}`), Promise.resolve(answers.renewal)),
    onSubscriptionLost: ({ id }, uri, why) => lost.push(`${id} ${uri} ${why}`),
  });
  const asks = (what: string, answer: Result | Promise<Result> = OK) => ({
    ask: () => (asked.push(what), Promise.resolve(answer)),
  });
  return {
    subscriptions,
    asked,
    lost,
    answers,
    add: (caller: Caller, uri = "a:", answer?: Result | Promise<Result>) =>
      subscriptions.subscribe(uri, caller, asks(`+${uri}`, answer)),
    take: (caller: Caller, uri = "a:", answer?: Result | Promise<Result>) =>
      subscriptions.unsubscribe(uri, caller, asks(`-${uri}`, answer)),
    who: (uri = "a:") => subscriptions.subscribersOf(uri).map(({ id }) => id),
  };
}

Deno.test("a server is asked for a resource by the first window, and told by the last", async () => {
  const { subscriptions, asked, add, take, who } = subscriptionsOf();
  assertEquals(await take(ADA), OK);
  assertEquals([asked, subscriptions.size], [[], 0]);
  assertEquals(await add(ADA, "a:", { result: { x: 1 } }), { result: { x: 1 } });
  assertEquals([await add(BOB), await add(ADA)], [OK, OK]);
  assertEquals([asked, who(), subscriptions.uris, subscriptions.size], [["+a:"], ["ada", "bob"], ["a:"], 1]);
  assertEquals(await take(ADA), OK);
  assertEquals([asked.length, who()], [1, ["bob"]]);
  await take(BOB);
  assertEquals([asked, who(), subscriptions.size], [["+a:", "-a:"], [], 0]);
  await add(ADA);
  assertEquals(asked.length, 3);
});

Deno.test("a window is subscribed from its question on, and not after a refusal or a failure", async () => {
  const { subscriptions, add, who, asked } = subscriptionsOf();
  const answer = Promise.withResolvers<Result>();
  const asking = add(ADA, "a:", answer.promise);
  await settled();
  assertEquals(who(), ["ada"]);
  answer.resolve(NO);
  assertEquals([await asking, who(), subscriptions.size], [NO, [], 0]);
  await assertRejects(() => add(ADA, "a:", Promise.reject(new Error("gone"))), Error, "gone");
  assertEquals(who(), []);
  await add(ADA);
  assertEquals([who(), asked.length], [["ada"], 3]);
});

Deno.test("a window that was subscribed stays so when the server refuses to be asked again, or to let it go", async () => {
  const { add, take, who, asked, subscriptions } = subscriptionsOf();
  await add(ADA);
  assertEquals(await take(ADA, "a:", NO), NO);
  assertEquals([who(), asked], [["ada"], ["+a:", "-a:"]]);
  await add(BOB);
  assertEquals(asked.length, 2);
  subscriptions.removeAll(BOB, () => Promise.resolve(OK));
  await settled();
  assertEquals(who(), ["ada"]);
});

Deno.test("what is asked about one resource waits for the answer before, about another it does not", async () => {
  const { add, take, who, asked } = subscriptionsOf();
  const answer = Promise.withResolvers<Result>();
  const first = add(ADA, "a:", answer.promise);
  const rest = [add(BOB), take(ADA), add(ADA, "b:")];
  await rest[2];
  assertEquals(asked, ["+a:", "+b:"]);
  answer.resolve(OK);
  await Promise.all([first, ...rest]);
  assertEquals([asked, who(), who("b:")], [["+a:", "+b:"], ["bob"], ["ada"]]);
});

Deno.test("a window that no longer waits leaves the line, and those behind it are served", async () => {
  const { subscriptions, add, who } = subscriptionsOf();
  const answer = Promise.withResolvers<Result>();
  const first = add(ADA, "a:", answer.promise);
  const controller = new AbortController();
  const ask = () => Promise.reject(new Error("not to be asked"));
  const turn = (before: Promise<void>) => untilAborted(before, controller.signal);
  const dropped = subscriptions.subscribe("a:", BOB, { ask, turn });
  const last = add({ ...BOB, id: "cleo" });
  controller.abort();
  await assertRejects(() => dropped, ExaiError);
  answer.resolve(OK);
  await Promise.all([first, last]);
  assertEquals(who(), ["ada", "cleo"]);
});

Deno.test("of a window that is gone all is taken back; the server is asked where nobody else is left", async () => {
  const { subscriptions, add, who } = subscriptionsOf();
  const answer = Promise.withResolvers<Result>();
  await add(ADA, "a:");
  await add(ADA, "b:");
  await add(BOB, "b:");
  await add(BOB, "d:");
  const coming = add(ADA, "c:", answer.promise);
  const removed: string[] = [];
  subscriptions.removeAll(ADA, (uri) => (removed.push(uri), Promise.reject(new Error("no matter"))));
  answer.resolve(OK);
  await coming;
  await settled();
  assertEquals([removed, subscriptions.uris, who("b:")], [["a:", "c:"], ["b:", "d:"], ["bob"]]);
});

Deno.test("what nobody wants any more is asked for anew, though the server would not let it go", async () => {
  const { subscriptions, add, asked } = subscriptionsOf();
  await add(ADA);
  const answer = Promise.withResolvers<Result>();
  subscriptions.removeAll(ADA, () => answer.promise);
  const again = add(BOB);
  answer.resolve(NO);
  await again;
  assertEquals(asked, ["+a:", "+a:"]);
});

Deno.test("a server may tell of a part of what was subscribed to, at any slash within reason", async () => {
  const { add, who } = subscriptionsOf();
  await add(ADA, "f:/a");
  await add(BOB, "f:/a/b/");
  assertEquals([who("f:/a"), who("f:/a/"), who("f:/a/b"), who("f:/a/b/c"), who("f:/ab")], [
    ["ada"],
    ["ada"],
    ["ada"],
    ["ada", "bob"],
    [],
  ]);
  const deep = "d:" + "/x".repeat(63);
  await add(ADA, deep);
  assertEquals([who(`${deep}/y`), who("d:/x/x")], [["ada"], []]);
  const deeper = "e:" + "/x".repeat(64);
  await add(ADA, deeper);
  assertEquals([who(deeper), who(`${deeper}/y`)], [["ada"], []]);
});

Deno.test("nobody waits longer than two seconds for what another has asked about the same resource", async () => {
  const { add, asked } = subscriptionsOf();
  void add(ADA, "a:", new Promise<Result>(() => {}));
  using time = new HurriedTime((ms) => ms === 2000);
  const unfinished = AbortSignal.timeout;
  AbortSignal.timeout = (ms) => (time.delaysMs.push(ms), unfinished.call(AbortSignal, 1));
  try {
    await add(BOB);
  } finally {
    AbortSignal.timeout = unfinished;
  }
  assertEquals([asked, time.delaysMs], [["+a:", "+a:"], [2000]]);
});

/** One window is subscribed and another overtakes its unsubscribing, which the server is slow with. */
async function overtaken(answer: Result | Promise<Result> = OK) {
  const it = subscriptionsOf();
  const { subscriptions, asked } = it;
  await it.add(ADA);
  const left = Promise.withResolvers<Result>();
  const leaving = it.take(ADA, "a:", left.promise);
  await settled();
  const overtake = (caller: Caller, answer: Result | Promise<Result> = OK) =>
    subscriptions.subscribe("a:", caller, {
      ask: () => (asked.push("+a:"), Promise.resolve(answer)),
      turn: () => Promise.resolve(),
    });
  return { ...it, left, leaving, overtake, coming: overtake(BOB, answer) };
}

Deno.test("who overtakes an unsubscribing has the server asked, and again once that is answered", async () => {
  const { asked, who, left, leaving, coming, add } = await overtaken();
  assertEquals([await coming, asked], [OK, ["+a:", "-a:", "+a:"]]);
  assertEquals(who(), ["ada", "bob"]);
  left.resolve(OK);
  assertEquals(await leaving, OK);
  await settled();
  assertEquals([asked.slice(3), who()], [["!a:"], ["bob"]]);
  await add(ADA);
  assertEquals(asked.length, 4, "it is known that the server has agreed");
});

Deno.test("who overtakes an unsubscribing that is answered first hears what the server says after it", async () => {
  for (const renewal of [OK, NO]) {
    const answer = Promise.withResolvers<Result>();
    const { asked, who, left, leaving, coming, answers } = await overtaken(answer.promise);
    answers.renewal = renewal;
    left.resolve(OK);
    await leaving;
    answer.resolve(OK);
    assertEquals([await coming, asked.slice(3), who()], [renewal, ["!a:"], renewal === OK ? ["bob"] : []]);
  }
});

Deno.test("an overtaken unsubscribing that the server refuses ends nothing, and needs nothing asked again", async () => {
  const { asked, who, left, leaving, coming, add } = await overtaken();
  await coming;
  left.resolve(NO);
  assertEquals(await leaving, NO);
  await settled();
  await add({ ...BOB, id: "cleo" });
  assertEquals([asked.length, who()], [3, ["ada", "bob", "cleo"]]);
});

Deno.test("windows whom the server ends what it had agreed to, and refuses it then, are told", async () => {
  for (const why of ["no", "gone"]) {
    const { who, left, leaving, coming, lost, answers, subscriptions } = await overtaken();
    await coming;
    answers.renewal = why === "no" ? NO : Promise.reject(new Error("gone"));
    left.resolve(OK);
    await leaving;
    await settled();
    assertEquals([lost, who(), subscriptions.size], [[`bob a: ${why}`], [], 0]);
  }
});

Deno.test("a window that overtakes its own unsubscribing is subscribed in the end", async () => {
  const { asked, who, left, leaving, coming, overtake, take } = await overtaken(NO);
  await coming;
  assertEquals(await overtake(ADA), OK);
  left.resolve(OK);
  await leaving;
  await settled();
  assertEquals([asked.at(-1), who()], ["!a:", ["ada"]]);
  await take(ADA);
  assertEquals([asked.at(-1), who()], ["-a:", []]);
});

Deno.test("of two that leave at once the server is asked for the last, though the first is not answered", async () => {
  const { asked, who, left, leaving, coming, subscriptions } = await overtaken();
  await coming;
  const second = subscriptions.unsubscribe("a:", BOB, {
    ask: () => (asked.push("-a:"), Promise.resolve(OK)),
    turn: () => Promise.resolve(),
  });
  assertEquals(await second, OK);
  left.resolve(OK);
  await leaving;
  await settled();
  assertEquals([asked, who(), subscriptions.size], [["+a:", "-a:", "+a:", "-a:"], [], 0]);
});

Deno.test("who overtakes the end of a window that is gone hears of the resource all the same", async () => {
  const { subscriptions, asked, add, who } = subscriptionsOf();
  await add(ADA);
  const left = Promise.withResolvers<Result>();
  subscriptions.removeAll(ADA, (uri) => (asked.push(`-${uri}`), left.promise));
  await settled();
  const ask = () => (asked.push("+a:"), Promise.resolve(OK));
  await subscriptions.subscribe("a:", BOB, { ask, turn: () => Promise.resolve() });
  left.resolve(OK);
  await settled();
  assertEquals([asked, who()], [["+a:", "-a:", "+a:", "!a:"], ["bob"]]);
});

Deno.test("after an unsubscribing that was never answered the next window has the server asked", async () => {
  const { asked, who, add, take } = subscriptionsOf();
  await add(ADA);
  await assertRejects(() => take(ADA, "a:", Promise.reject(new Error("late"))), Error, "late");
  assertEquals(who(), ["ada"]);
  await add(BOB);
  assertEquals([asked, who()], [["+a:", "-a:", "+a:"], ["ada", "bob"]]);
});

Deno.test("the end of a window takes nothing of another that has come under its id meanwhile", async () => {
  const { subscriptions, asked, add, who } = subscriptionsOf();
  await add(ADA);
  subscriptions.removeAll(ADA, (uri) => (asked.push(`-${uri}`), Promise.resolve(OK)));
  const next = { ...ADA };
  await add(next);
  subscriptions.removeAll(ADA, (uri) => (asked.push(`-${uri}`), Promise.resolve(OK)));
  await settled();
  assertEquals([asked, who(), subscriptions.subscribersOf("a:")[0] === next], [
    ["+a:", "-a:", "+a:"],
    ["ada"],
    true,
  ]);
});
