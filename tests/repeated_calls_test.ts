import { assertEquals, assertNotEquals } from "@std/assert";
import { type RepeatableCall, RepeatedCalls, repeatKey } from "../lib/admission/repeated_calls.ts";
import { MINUTE_MS, SECOND_MS } from "../lib/base/units.ts";
import { type Identity, ownerOf } from "../lib/call/owner.ts";
import { makeCall } from "./helpers/exai_tools.ts";
import { SOMEBODY } from "./helpers/threads.ts";

/** A caller in the session `id`. */
function callerOf(id: string, identity: Identity = SOMEBODY) {
  const belonging = { owner: () => Promise.resolve(ownerOf(identity)) };
  return { ...makeCall("", {}).caller, id, belonging };
}

/** Whether `by` is given the result of a call of the session `one`. */
async function isFound(by: string, { agoMs, ...more }: Partial<RepeatableCall> & { agoMs: number }) {
  const calls = new RepeatedCalls<RepeatableCall>();
  const startedAtMs = Date.now() - agoMs;
  const call = { caller: callerOf("one") };
  calls.add("key", { call, startedAtMs, isAwaited: true, endedAtMs: undefined, ...more });
  return await calls.find("key", { caller: callerOf(by) }) !== undefined;
}

Deno.test("a call that its caller still waits for is given to nobody else, and to itself only after a while", async () => {
  assertEquals(await isFound("one", { agoMs: 11 * SECOND_MS }), true);
  assertEquals(await isFound("one", { agoMs: SECOND_MS }), false);
  assertEquals(await isFound("other", { agoMs: 11 * SECOND_MS }), false);
});

Deno.test("a call that nobody waits for is given to its workspace, for a quarter of an hour after its end", async () => {
  const given = { isAwaited: false, agoMs: 60 * MINUTE_MS };
  assertEquals(await isFound("other", given), true);
  assertEquals(await isFound("other", { ...given, endedAtMs: Date.now() - 14 * MINUTE_MS }), true);
  assertEquals(await isFound("other", { ...given, endedAtMs: Date.now() - 16 * MINUTE_MS }), false);
});

Deno.test("calls are the same whatever the order of their arguments, and not whatever the order in a list", () => {
  const keyOf = (args: Parameters<typeof makeCall>[1]) =>
    repeatKey({ params: { name: "chat", arguments: args } });
  assertEquals(keyOf({ a: 1, b: { c: [1, 2], d: 2 } }), keyOf({ b: { d: 2, c: [1, 2] }, a: 1 }));
  assertNotEquals(keyOf({ a: [1, 2] }), keyOf({ a: [2, 1] }));
});
