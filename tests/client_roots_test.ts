import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import type { AskOptions } from "../lib/call/call.ts";
import { ClientRoots } from "../lib/session/client_roots.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { FakeClock } from "./helpers/fake_clock.ts";

const A = [{ uri: "file:///a" }];
const B = [{ uri: "file:///b" }];

const told = (roots: unknown): Result => ({ result: { roots } as JsonObject });
const fault = (code: number, message: string): Result => ({ error: { code, message } });

/** The roots of a client whose answers are given by hand, and what was said of them. */
function client() {
  const asked: { answer: (result: Result) => void; fail: (why: ExaiError) => void; options: AskOptions }[] =
    [];
  const said: string[] = [];
  const roots = new ClientRoots({
    ask: (options) => {
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      asked.push({ answer: resolve, fail: reject, options });
      return promise;
    },
    onMissing: (why) => said.push(why),
    onLate: () => said.push("late"),
  });
  /** What `get` gives, and whether it has given it. */
  const get = () => {
    const got: { roots?: unknown; isOver?: boolean } = {};
    roots.get().then((found) => Object.assign(got, { roots: found, isOver: true }), () => {});
    return got;
  };
  return { roots, asked, said, get };
}

Deno.test("roots are asked for once, kept until they change, and whoever waits has them", async () => {
  using clock = new FakeClock();
  const { roots, asked, said, get } = client();
  assertEquals(roots.state, "unasked");
  const waiting = [get(), get()];
  assertEquals([roots.state, asked.length], ["asked", 1]);
  assertEquals([asked[0]!.options.timeoutMs, asked[0]!.options.signal?.aborted], [300_000, false]);
  asked[0]!.answer(told(A));
  await clock.settle();
  assertEquals(waiting, [{ roots: A, isOver: true }, { roots: A, isOver: true }]);
  assertEquals([roots.state, await roots.get(), asked.length, clock.pending], ["known", A, 1, 0]);
  roots.invalidate();
  assertEquals(roots.state, "unasked");
  const again = get();
  asked[1]!.answer(told(B));
  await clock.settle();
  assertEquals([again.roots, said], [B, []]);
});

Deno.test("a client that is silent is waited for ten seconds, then for one, and said to be so once", async () => {
  using clock = new FakeClock();
  const { roots, asked, said, get } = client();
  const first = get();
  await clock.pass(9999);
  assertEquals(first, {});
  await clock.pass(1);
  assertEquals(first, { roots: undefined, isOver: true });
  assertEquals([said, roots.state], [["it has not answered roots/list within 10 s"], "late"]);
  const second = get();
  await clock.pass(999);
  assertEquals(second, {});
  await clock.pass(1);
  assertEquals([second, said.length, asked.length], [{ roots: undefined, isOver: true }, 1, 1]);
  asked[0]!.answer(told(A));
  await clock.settle();
  assertEquals([said[1], roots.state], ["late", "known"]);
  roots.invalidate();
  const third = get();
  await clock.pass(9999);
  assertEquals(third, {}, "once it has told them it is waited for as at first");
});

Deno.test("a client is asked anew when it has been silent for more than ten seconds, and the old question withdrawn", async () => {
  using clock = new FakeClock();
  const { roots, asked, said, get } = client();
  get();
  await clock.pass(10_000);
  roots.retryOverdue();
  assertEquals(asked.length, 1, "not yet");
  await clock.pass(1);
  roots.retryOverdue();
  assertEquals(asked.length, 2);
  const { signal } = asked[0]!.options;
  assertEquals([signal?.aborted, (signal?.reason as ExaiError).code], [true, "TIMEOUT"]);
  assertEquals((signal?.reason as ExaiError).message, "the roots are asked for anew");
  asked[0]!.fail(signal!.reason);
  await clock.pass(700);
  assertEquals([asked.length, said.length], [2, 1], "a withdrawn question is no failure and not asked again");
  const waiting = get();
  assertEquals(asked.length, 2, "the new one is not old");
  asked[1]!.answer(told(B));
  await clock.settle();
  assertEquals([waiting.roots, roots.state], [B, "known"]);
  await clock.pass(20_000);
  roots.retryOverdue();
  assertEquals(asked.length, 2, "what is known is not overdue");
});

Deno.test("a client that has not missed anything is not reminded", async () => {
  using clock = new FakeClock();
  const { roots, asked } = client();
  await clock.pass(60_000);
  roots.retryOverdue();
  assertEquals(asked.length, 0);
});

Deno.test("whoever needs the roots of a client that has been silent too long asks anew", async () => {
  using clock = new FakeClock();
  const { asked, get } = client();
  get();
  await clock.pass(10_001);
  const waiting = get();
  assertEquals([asked.length, asked[0]!.options.signal?.aborted], [2, true]);
  asked[0]!.fail(new ExaiError("TIMEOUT", "withdrawn"));
  await clock.settle();
  get();
  assertEquals(asked.length, 2, "the end of the old question is not the end of the new one");
  asked[1]!.answer(told(A));
  await clock.settle();
  assertEquals(waiting.roots, A);
});

Deno.test("a client that answers with an error is asked twice again after a pause, and then gone on without", async () => {
  using clock = new FakeClock();
  const { roots, asked, said, get } = client();
  const waiting = get();
  asked[0]!.answer(fault(-32603, "not yet"));
  await clock.pass(99);
  assertEquals(asked.length, 1);
  await clock.pass(1);
  assertEquals(asked.length, 2);
  asked[1]!.fail(new ExaiError("TIMEOUT", "nor now"));
  await clock.pass(499);
  assertEquals(asked.length, 2);
  await clock.pass(1);
  asked[2]!.answer(told("none"));
  await clock.pass(1000);
  assertEquals([waiting, asked.length], [{ roots: undefined, isOver: true }, 3]);
  assertEquals(said, ["it answers roots/list with an error: the answer holds no list of roots"]);
  assertEquals(roots.state, "late");
  const next = get();
  assertEquals(asked.length, 4, "the next who needs them asks again");
  asked[3]!.answer(told(A));
  await clock.settle();
  assertEquals([next.roots, said.at(-1)], [A, "late"]);
});

Deno.test("a client that answered with an error is not asked again before its time", async () => {
  using clock = new FakeClock();
  const { roots, asked, get } = client();
  get();
  for (let n = 0; n < 3; n++) {
    asked[n]!.answer(fault(-32603, "no"));
    await clock.pass(500);
  }
  assertEquals(roots.state, "late");
  roots.retryOverdue();
  assertEquals(asked.length, 3);
  await clock.pass(10_000);
  roots.retryOverdue();
  assertEquals(asked.length, 4);
});

Deno.test("a question that was withdrawn between two tries is not tried again", async () => {
  using clock = new FakeClock();
  const { asked, get } = client();
  get();
  await clock.pass(9950);
  asked[0]!.answer(fault(-32603, "not yet"));
  await clock.pass(51);
  get();
  assertEquals(asked.length, 2);
  await clock.pass(1000);
  assertEquals(asked.length, 2);
});

Deno.test("the reason is the client's own word", async () => {
  using clock = new FakeClock();
  const { asked, said, get } = client();
  get();
  for (let n = 0; n < 3; n++) {
    asked[n]!.answer(fault(-32603, `fault ${n}`));
    await clock.pass(500);
  }
  assertEquals(said, ["it answers roots/list with an error: fault 2"]);
});

Deno.test("a client that does not know the question has no roots, now and later", async () => {
  using clock = new FakeClock();
  const { roots, asked, said, get } = client();
  const waiting = get();
  await clock.pass(10_000);
  asked[0]!.answer(fault(-32601, "what?"));
  await clock.settle();
  assertEquals([waiting.roots, roots.state, await roots.get()], [undefined, "known", undefined]);
  assertEquals(said.includes("late"), false, "no roots have come late");
  assertEquals(asked.length, 1);
});

Deno.test("the end of the session ends the waiting, and nothing is asked again", async () => {
  using clock = new FakeClock();
  const { roots, asked, said } = client();
  const waiting = roots.get();
  asked[0]!.fail(new ExaiError("CANCELLED", "gone"));
  assertEquals((await assertRejects(() => waiting, ExaiError)).message, "gone");
  await clock.pass(1000);
  assertEquals([asked.length, said, roots.state], [1, [], "unasked"]);
});

Deno.test("of what a client tells only roots are taken, so many and so long as a person may have", async () => {
  using clock = new FakeClock();
  const taken = async (roots: Json[]) => {
    const { asked, get } = client();
    const got = get();
    asked[0]!.answer(told(roots));
    await clock.settle();
    return got.roots as JsonObject[];
  };
  assertEquals(await taken([null, 3, "x", [], {}, { uri: 3 }, { uri: "a:", name: "n" }]), [{
    uri: "a:",
    name: "n",
  }]);
  const many = Array.from({ length: 1001 }, (_, n) => ({ uri: `a:${n}` }));
  assertEquals((await taken(many)).length, 1000);
  const long = (chars: number) => ({ uri: "x".repeat(chars) });
  assertEquals((await taken([long(8100), long(8200)])).length, 1);
});
