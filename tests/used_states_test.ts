import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { MINUTE_MS } from "../lib/base/units.ts";
import { RoundTrips } from "../lib/round_trips/round_trips.ts";
import type { OpenedState } from "../lib/round_trips/sealed_states.ts";
import { UsedStates } from "../lib/round_trips/used_states.ts";
import { SqliteUsedStateStore } from "../lib/state/used_state_store.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { tempDir } from "./helpers/files.ts";
import { liveHeapBytes } from "./helpers/gc.ts";
import { accept, asked, form, questionsIn, RoundTripClient, said, type Work } from "./helpers/round_trips.ts";

const ELICIT = "elicitation/create";
const YES = { sure: accept({ sure: "yes" }) };

/** A client of a server of the new era that asks before it does something, which is counted. */
function paying(roundTrips = new RoundTrips(), { isRepeatable = false, work }: {
  isRepeatable?: boolean;
  work?: Work;
} = {}) {
  const question = { sure: { method: ELICIT, params: form("sure?", "sure") } };
  const it = {
    paid: 0,
    client: new RoundTripClient(async (context) => {
      if (!isRepeatable) context.markBegun?.();
      if (context.answers?.requestState === undefined) {
        return {
          result: { resultType: "input_required", inputRequests: question, requestState: "its own" },
        };
      }
      it.paid++;
      return await work?.(context) ?? said("paid");
    }, roundTrips),
    [Symbol.dispose]: () => roundTrips[Symbol.dispose](),
  };
  return it;
}

function codeOf({ error }: Result): unknown {
  // What a call throws is its message here.
  return (error?.data as { code?: string } | undefined)?.code ?? error?.message;
}

/** The daemons of one home, one after the other. */
async function home() {
  const dir = await tempDir({});
  const key = crypto.getRandomValues(new Uint8Array(32));
  const path = `${dir.path}/used_states.db`;
  return {
    path,
    daemon: (options?: Parameters<typeof paying>[1]) => {
      const usedStates = new SqliteUsedStateStore(path);
      const it = paying(new RoundTrips({ key, usedStates }), options);
      return {
        ...it,
        get paid() {
          return it.paid;
        },
        [Symbol.dispose]() {
          it[Symbol.dispose]();
          usedStates[Symbol.dispose]();
        },
        client: it.client,
      };
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("the next daemon does not do again what a retry has begun, and does what none has", async () => {
  await using it = await home();
  let used: Result;
  let fresh: Result;
  {
    using before = it.daemon();
    [used, fresh] = [await before.client.send(), await before.client.send()];
    assertEquals(await before.client.answer(used, YES), said("paid"));
  }
  for (let n = 0; n < 2; n++) {
    using after = it.daemon();
    const again = await after.client.answer(used, YES);
    assertEquals(codeOf(again), "OUTCOME_UNKNOWN");
    assertStringIncludes(again.error!.message, "without requestState");
    assertEquals((await after.client.answer(used, { sure: accept({ sure: "no" }) })).error?.code, -32602);
    const first = await after.client.answer(fresh, YES);
    if (n === 0) assertEquals(first, said("paid"));
    else assertEquals(codeOf(first), "OUTCOME_UNKNOWN", "the second daemon has begun it");
    assertEquals(after.paid, 1 - n);
  }
});

Deno.test("a daemon without the record of an earlier one repeats only what does no harm", async () => {
  for (const isRepeatable of [true, false]) {
    await using it = await home();
    let question: Result;
    {
      using before = it.daemon({ isRepeatable });
      question = await before.client.send();
    }
    await Deno.remove(it.path);
    using after = it.daemon({ isRepeatable });
    const result = await after.client.answer(question, YES);
    assertEquals([codeOf(result), after.paid], isRepeatable ? [undefined, 1] : ["OUTCOME_UNKNOWN", 0]);
  }
});

Deno.test("a retry that may be repeated runs again for the next daemon", async () => {
  await using it = await home();
  let question: Result;
  {
    using before = it.daemon({ isRepeatable: true });
    question = await before.client.send();
    await before.client.answer(question, YES);
  }
  using after = it.daemon({ isRepeatable: true });
  assertEquals(await after.client.answer(question, YES), said("paid"));
  assertEquals(after.paid, 1);
});

Deno.test("a state that is good for longer, as the clock was set back, is not used twice", async () => {
  await using it = await home();
  using timers = new FakeTimers();
  using daemon = it.daemon();
  const question = await daemon.client.send();
  assertEquals(await daemon.client.answer(question, YES), said("paid"));
  // The system's clock stands still meanwhile.
  timers.pass(10 * MINUTE_MS);
  assertEquals(codeOf(await daemon.client.answer(question, YES)), "OUTCOME_UNKNOWN");
  const otherwise = await daemon.client.answer(question, { sure: { action: "decline" } });
  assertStringIncludes(otherwise.error!.message, "other inputResponses");
  assertEquals(daemon.paid, 1);
});

Deno.test("the record of a daemon says what was used, what was not, and nothing of other daemons", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/used_states.db`;
  const expiresAtMs = Date.now() + 60_000;
  let daemon: string;
  {
    using before = new SqliteUsedStateStore(path);
    daemon = before.daemon;
    before.add({ key: "a", answers: "x", expiresAtMs });
    before.add({ key: "old", answers: "x", expiresAtMs: Date.now() - 1 });
    before.add({ key: "b", answers: "x", expiresAtMs });
  }
  {
    using next = new SqliteUsedStateStore(path);
    const found = ["a", "b", "old", "c"].map((key) => next.find(key, daemon));
    assertEquals(found, [{ answers: "x" }, { answers: "x" }, undefined, undefined]);
    assertEquals(next.find("c", "another daemon"), "unknown");
  }
});

Deno.test("a daemon whose record was not whole is vouched for by no later one", async () => {
  await using dir = await tempDir({ "folder": "a file" });
  using timers = new FakeTimers();
  const path = `${dir.path}/folder/used_states.db`;
  let daemon: string;
  {
    using faulty = new SqliteUsedStateStore(path);
    daemon = faulty.daemon;
    assertStringIncludes(faulty.fault ?? "", "used requestStates");
    faulty.add({ key: "lost", answers: "x", expiresAtMs: Date.now() + 60_000 });
    assertEquals(faulty.find("a", "an earlier one"), "unknown");
    await Deno.remove(`${dir.path}/folder`);
    timers.pass(5000);
    assertEquals(faulty.fault, undefined);
    faulty.add({ key: "kept", answers: "x", expiresAtMs: Date.now() + 60_000 });
  }
  using next = new SqliteUsedStateStore(path);
  assertEquals([next.find("lost", daemon), next.find("kept", daemon)], ["unknown", { answers: "x" }]);
});

Deno.test("a result that made room for others of its client is not made again, and others' stay", async () => {
  using it = paying();
  const other = asked({
    privateOwner: () => Promise.resolve({ principal: "owner", workspace: "session 2" }),
  });
  const others = await it.client.send({ caller: other });
  await it.client.answer(others, YES, { caller: other });
  const questions = await Promise.all(Array.from({ length: 65 }, () => it.client.send()));
  for (const question of questions) await it.client.answer(question, YES);
  assertEquals(it.paid, 66);
  assertEquals(codeOf(await it.client.answer(questions[0]!, YES)), "OUTCOME_UNKNOWN");
  assertEquals(await it.client.answer(questions[1]!, YES), said("paid"));
  assertEquals(await it.client.answer(others, YES, { caller: other }), said("paid"));
  const otherwise = await it.client.answer(questions[0]!, { sure: { action: "decline" } });
  assertStringIncludes(otherwise.error!.message, "other inputResponses");
  assertEquals(it.paid, 66);
});

Deno.test("a retry is made once although its result needed room, or was withdrawn, or its client has gone", async () => {
  const memory = new RoundTrips({ budget: new ByteBudget({ maxBytes: 1000 }) });
  using large = paying(memory, { work: () => Promise.resolve(said("x".repeat(5000))) });
  const first = await large.client.send();
  await large.client.answer(first, YES);
  assertEquals([codeOf(await large.client.answer(first, YES)), large.paid], ["OUTCOME_UNKNOWN", 1]);

  const never = Promise.withResolvers<Result>();
  using slow = paying(undefined, { work: () => never.promise });
  const second = await slow.client.send();
  const controller = new AbortController();
  const running = slow.client.answer(second, YES, { controller });
  while (slow.paid === 0) await new Promise((resolve) => setTimeout(resolve));
  controller.abort();
  await running;
  assertEquals([codeOf(await slow.client.answer(second, YES)), slow.paid], ["OUTCOME_UNKNOWN", 1]);

  using gone = paying();
  const third = await gone.client.send();
  await gone.client.answer(third, YES);
  gone.client.roundTrips.forget(asked());
  assertEquals([codeOf(await gone.client.answer(third, YES)), gone.paid], ["OUTCOME_UNKNOWN", 1]);
});

Deno.test("a retry that fails before it has begun can be sent again, also with other answers, and runs once", async () => {
  const refusal = { error: { code: -32000, message: "too many calls run", data: { code: "OVER_CAPACITY" } } };
  let refusals = 2;
  const question = { sure: { method: ELICIT, params: form("sure?", "sure") } };
  const client = new RoundTripClient((context) => {
    if (!context.answers) {
      return Promise.resolve({ result: { resultType: "input_required", inputRequests: question } });
    }
    if (refusals-- > 0) return Promise.resolve(refusal);
    context.markBegun?.();
    return Promise.resolve({ error: { code: -32000, message: "failed" } });
  });
  using _ = client.roundTrips;
  const asked = await client.send();
  for (let n = 0; n < 2; n++) assertEquals(codeOf(await client.answer(asked, YES)), "OVER_CAPACITY");
  const no = { sure: accept({ sure: "no" }) };
  for (let n = 0; n < 2; n++) assertEquals(codeOf(await client.answer(asked, no)), "failed");
  assertEquals(client.started, 4, "once it has begun, its error is kept");
  assertStringIncludes((await client.answer(asked, YES)).error!.message, "other inputResponses");
});

Deno.test("the result of a retry is kept without what its requests carry", async () => {
  using it = paying();
  const question = await it.client.send();
  const answer = async () => {
    const place = { notify() {} };
    assertEquals(await it.client.answer(question, YES, { place }), said("paid"));
    return new WeakRef(place);
  };
  const places = [await answer(), await answer()];
  await liveHeapBytes();
  assertEquals(places.map((place) => place.deref()), [undefined, undefined]);
  assertEquals(it.paid, 1);
});

Deno.test("what a server asks without a state of its own gets one, and is done once", async () => {
  const seen: unknown[] = [];
  const question = { sure: { method: ELICIT, params: form("sure?", "sure") } };
  const client = new RoundTripClient(({ answers }) => {
    seen.push(answers);
    return Promise.resolve(
      answers ? said("done") : { result: { resultType: "input_required", inputRequests: question } },
    );
  });
  using _ = client.roundTrips;
  const asked = await client.send();
  assertEquals(questionsIn(asked), question);
  for (let n = 0; n < 2; n++) assertEquals(await client.answer(asked, YES), said("done"));
  assertEquals(seen, [undefined, { inputResponses: YES, requestState: undefined, server: undefined }]);
});

Deno.test("a question that no server may ask, once something has begun, is no reason to do it again", async () => {
  using it = paying(undefined, {
    work: () => Promise.resolve({ result: { resultType: "input_required", inputRequests: { a: 1 } } }),
  });
  const question = await it.client.send();
  for (let n = 0; n < 2; n++) assertEquals(codeOf(await it.client.answer(question, YES)), "INTERNAL");
  assertEquals(it.paid, 1);
});

Deno.test("a client may use so many states, and holds up no other with that", () => {
  using used = new UsedStates(undefined);
  const state = (key: string, client = "one"): OpenedState => ({
    key,
    client,
    daemon: used.daemon,
    expiresAtMs: 0,
    content: { kind: "again", id: key, questions: {} },
  });
  for (let n = 0; n < 4096; n++) used.add(state(`${n}`), "x");
  used.add(state("0"), "x");
  const error = assertThrows(() => used.add(state("more"), "x"), ExaiError);
  assertEquals(error.code, "OVER_CAPACITY");
  used.add(state("more", "another"), "x");
  const known = ["0", "4095", "more", "none"].map((key) => used.find(state(key)) !== undefined);
  assertEquals(known, [true, true, true, false], "none is forgotten");
});
