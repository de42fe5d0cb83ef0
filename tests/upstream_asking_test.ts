import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { AskOptions, Call } from "../lib/call/call.ts";
import { askOnce } from "../lib/call/call.ts";
import { Parking } from "../lib/call/parking.ts";
import { askOnceFor } from "../lib/upstream/questions/pending_questions.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { call } from "./helpers/call.ts";
import { instanceOf, settled, Window } from "./helpers/instance.ts";
import { ASKED, QUESTION, together } from "./helpers/together.ts";

/** Calls whose client is asked in `asked`; each is `away` while it waits, and comes back as `back` says. */
function callsOf(backs: readonly (() => Promise<void>)[], client: () => Promise<Result>) {
  const asked: number[] = [];
  const away = new Set<number>();
  const calls = backs.map((back, at): Call =>
    call({
      ask: async (_method, _params, options?: AskOptions) => {
        away.add(at);
        try {
          return await askOnce(options, () => (asked.push(at), client()));
        } finally {
          await back();
          away.delete(at);
        }
      },
    })
  );
  return { asked, away, calls };
}

const ASKING = { method: "elicitation/create", params: {}, options: {} };
const back = () => Promise.resolve();
const never = () => new Promise<void>(() => {});
const gone = () => Promise.reject(new Error("the call is over"));

Deno.test("a question for several calls is put to the client once, and all of them wait for it", async () => {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const { asked, away, calls } = callsOf([back, back, back], () => promise);
  const answer = askOnceFor(calls, ASKING);
  assertEquals([asked, [...away]], [[0], [0, 1, 2]]);
  resolve({ result: { action: "accept" } });
  assertEquals(await answer, { result: { action: "accept" } });
});

Deno.test("the answer goes on as soon as one of the calls may, whatever has become of the others", async () => {
  const client = () => Promise.resolve({ result: { ok: true } });
  assertEquals(await askOnceFor(callsOf([gone, never, back], client).calls, ASKING), {
    result: { ok: true },
  });
});

Deno.test("what asking comes to is told once, and so is that no call may go on", async () => {
  const refused = () => Promise.reject(new Error("nobody answered"));
  for (const backs of [[back], [back, back]]) {
    await assertRejects(() => askOnceFor(callsOf(backs, refused).calls, ASKING), Error, "nobody answered");
  }
  const client = () => Promise.resolve({ result: {} });
  await assertRejects(
    () => askOnceFor(callsOf([gone, gone], client).calls, ASKING),
    Error,
    "the call is over",
  );
});

/** Ada alone, with calls that run and can be cancelled, asked a question that nobody has answered yet. */
async function pending(calls: number) {
  const { instance, upstream } = await instanceOf();
  const ada = new Window("ada", ASKED);
  const { promise, resolve } = Promise.withResolvers<Result>();
  ada.answer = () => promise;
  instance.attach(ada.caller);
  const running = Array.from({ length: calls }, () => {
    const controller = new AbortController();
    instance.call(ada.call({ signal: controller.signal })).catch(() => {});
    return { controller, id: upstream.last("tools/call").id };
  });
  upstream.say({ id: "q", ...QUESTION });
  await settled();
  const [{ options }, ...more] = ada.asked as [Window["asked"][number]];
  assertEquals(more, []);
  return { upstream, signal: options!.signal!, running, answer: resolve };
}

const CANCELLED = new ExaiError("CANCELLED", "enough");

Deno.test("a question is withdrawn with the call it is of", async () => {
  const { signal, running: [call] } = await pending(1);
  call!.controller.abort(CANCELLED);
  assertEquals([signal.aborted, signal.reason], [true, CANCELLED]);
});

Deno.test("a question that may be of several calls of a window stands until none of them is left", async () => {
  const { upstream, signal, running: [first, second, third], answer } = await pending(3);
  third!.controller.abort(CANCELLED);
  upstream.say({ id: first!.id, result: {} });
  assertEquals(signal.aborted, false);
  second!.controller.abort(CANCELLED);
  assertEquals([signal.aborted, signal.reason], [true, CANCELLED]);
  answer({ result: {} });

  const ending = await pending(2);
  ending.running[0]!.controller.abort(CANCELLED);
  ending.upstream.say({ id: ending.running[1]!.id, result: {} });
  assertEquals(ending.signal.reason, CANCELLED);

  const answered = await pending(2);
  for (const { id } of answered.running) answered.upstream.say({ id, result: {} });
  assertEquals(answered.signal.aborted, false);
  answered.answer({ result: { action: "accept" } });
  await settled();
  assertEquals(answered.upstream.answered("q")!.result, { action: "accept" });
});

Deno.test("of a client that is asked by answers each call is asked one question, the latest first, and a parked one last", async () => {
  const { instance, upstream } = await instanceOf();
  const ada = new Window("ada", ASKED);
  instance.attach(ada.caller);
  const asked: string[] = [];
  const parkings = ["one", "two", "three"].map((name) => {
    const parking = new Parking();
    const ask = () => (asked.push(name), new Promise<Result>(() => {}));
    instance.call(ada.call({ parking, ask: (_, __, options) => askOnce(options, ask) })).catch(() => {});
    return parking;
  });
  parkings[2]!.park();
  for (let id = 1; id <= 4; id++) upstream.say({ id, ...QUESTION });
  assertEquals(asked, ["two", "one", "two", "one"]);
  parkings[2]!.resume();
  upstream.say({ id: 5, ...QUESTION });
  assertEquals(asked.at(-1), "three");
});

Deno.test("a call whose request cannot be asked is refused its question beside a parked call of the same client", async () => {
  const { instance, upstream } = await instanceOf();
  const [able, unable] = [ASKED, {}].map((can, i) => new Window(`s~${i}`, can, { session: "s" }));
  const parking = new Parking();
  for (const [window, more] of [[able!, { parking }], [unable!, {}]] as const) {
    instance.attach(window.caller);
    instance.call(window.call(more)).catch(() => {});
  }
  parking.park();
  upstream.say({ id: 1, ...QUESTION });
  await settled();
  assertEquals(upstream.answered(1)?.error?.code, -32601);
  assertEquals(able!.asked, []);
});

Deno.test("a question is put to the call whose request says that its client can be asked", async () => {
  const { instance, upstream } = await instanceOf();
  const parts = [ASKED, {}].map((able, i) => new Window(`s~${i}`, able, { session: "s" }));
  for (const window of parts) {
    instance.attach(window.caller);
    instance.call(window.call()).catch(() => {});
  }
  upstream.say({ id: 1, ...QUESTION });
  await settled();
  assertEquals(parts.map(({ asked }) => asked.length), [1, 0]);
  assertEquals(upstream.answered(1)?.result, { action: "accept" });
});

Deno.test("a call that begins after a question does not keep it", async () => {
  const rig = await together();
  const { instance, upstream, ada } = rig;
  const controller = new AbortController();
  instance.call(ada.call({ signal: controller.signal })).catch(() => {});
  ada.answer = () => new Promise(() => {});
  upstream.say({ id: "q", ...QUESTION });
  await settled();
  rig.run(ada);
  controller.abort(CANCELLED);
  assertEquals(ada.asked[0]!.options!.signal!.reason, CANCELLED);
});
