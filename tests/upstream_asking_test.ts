import { assertEquals, assertRejects } from "@std/assert";
import type { AskOptions, Call } from "../lib/call/call.ts";
import { askOnce } from "../lib/call/call.ts";
import { askFor } from "../lib/upstream/asking.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { call } from "./helpers/call.ts";

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

const QUESTION = { method: "elicitation/create", params: {}, options: {} };
const back = () => Promise.resolve();
const never = () => new Promise<void>(() => {});
const gone = () => Promise.reject(new Error("the call is over"));

Deno.test("a question for several calls is put to the client once, and all of them wait for it", async () => {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const { asked, away, calls } = callsOf([back, back, back], () => promise);
  const answer = askFor(calls, QUESTION);
  assertEquals([asked, [...away]], [[0], [0, 1, 2]]);
  resolve({ result: { action: "accept" } });
  assertEquals(await answer, { result: { action: "accept" } });
});

Deno.test("the answer goes on as soon as one of the calls may, whatever has become of the others", async () => {
  const client = () => Promise.resolve({ result: { ok: true } });
  assertEquals(await askFor(callsOf([gone, never, back], client).calls, QUESTION), { result: { ok: true } });
});

Deno.test("what asking comes to is told once, and so is that no call may go on", async () => {
  const refused = () => Promise.reject(new Error("nobody answered"));
  for (const backs of [[back], [back, back]]) {
    await assertRejects(() => askFor(callsOf(backs, refused).calls, QUESTION), Error, "nobody answered");
  }
  const client = () => Promise.resolve({ result: {} });
  await assertRejects(() => askFor(callsOf([gone, gone], client).calls, QUESTION), Error, "the call is over");
});
