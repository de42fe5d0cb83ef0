import { assertEquals, assertStringIncludes } from "@std/assert";
import { RunningTask } from "../lib/admission/daemon_task.ts";
import { Deadlines } from "../lib/admission/deadlines.ts";
import { Drain, withTimeout } from "../lib/admission/policies.ts";
import { Permits } from "../lib/admission/permits.ts";
import { ProcessAdmission } from "../lib/admission/process_admission.ts";
import { MINUTE_MS } from "../lib/base/units.ts";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { Parking } from "../lib/call/parking.ts";
import { RoundTrips } from "../lib/round_trips/round_trips.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { call } from "./helpers/call.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { accept, asked, form, questionsIn, RoundTripClient, said } from "./helpers/round_trips.ts";

const ELICIT = "elicitation/create";
const GATHER_MS = 20;

/** A client whose tool asks `method`, and what it was answered. */
function asking(method = ELICIT, roundTrips = new RoundTrips()) {
  const answers: (Result | string)[] = [];
  const messages: string[] = [];
  const client = new RoundTripClient(async ({ ask, parking }) => {
    parkings.push(parking!);
    const answer = await ask(method, form("who?", "n")).catch((thrown): string => {
      messages.push(thrown.message);
      return thrown.code;
    });
    answers.push(answer);
    return said("done");
  }, roundTrips);
  const parkings: Parking[] = [];
  return { client, answers, messages, parkings };
}

/** Asks, and lets the question be gathered. */
async function question(client: RoundTripClient, timers: FakeTimers, parts = {}): Promise<Result> {
  const sent = client.send(parts);
  timers.pass(GATHER_MS);
  return await sent;
}

Deno.test("a client is waited for ten minutes; then a person's answer is a cancelled one", async () => {
  using timers = new FakeTimers();
  const { client, answers } = asking();
  using _ = client.roundTrips;
  await question(client, timers);
  timers.pass(10 * MINUTE_MS - 1000);
  assertEquals([client.roundTrips.parked, answers], [1, []]);
  timers.pass(1000);
  for (let i = 0; i < 9; i++) await Promise.resolve();
  assertEquals(client.roundTrips.parked, 0);
  assertEquals(answers, [{ result: { action: "cancel" } }]);
  assertEquals(timers.size, 0, "no timer is left");
});

Deno.test("what no person answers fails when its client does not come back", async () => {
  for (const method of ["sampling/createMessage", "roots/list"]) {
    using timers = new FakeTimers();
    const { client, answers } = asking(method);
    using _ = client.roundTrips;
    await question(client, timers);
    timers.pass(10 * MINUTE_MS);
    for (let i = 0; i < 9; i++) await Promise.resolve();
    assertEquals(answers, ["CANCELLED"]);
  }
});

Deno.test("a client has a minute once others wait, and gets the result when it comes later", async () => {
  using timers = new FakeTimers();
  const { client, answers, parkings } = asking();
  using _ = client.roundTrips;
  const asked = await question(client, timers);
  timers.pass(3 * MINUTE_MS);
  parkings[0]!.hurry();
  timers.pass(MINUTE_MS - 1);
  assertEquals([parkings[0]!.isParked, answers], [true, []]);
  timers.pass(1);
  assertEquals(parkings[0]!.isParked, false);
  assertEquals(await client.answer(asked, { n: accept({}) }), said("done"));
  assertEquals(answers, [{ result: { action: "cancel" } }]);
});

Deno.test("who is asked while others wait already has a minute too", async () => {
  using timers = new FakeTimers();
  const { client, answers, parkings } = asking();
  using _ = client.roundTrips;
  const sent = client.send();
  parkings[0]!.hurry();
  timers.pass(GATHER_MS);
  await sent;
  timers.pass(MINUTE_MS);
  for (let i = 0; i < 9; i++) await Promise.resolve();
  assertEquals(answers.length, 1);
});

Deno.test("a client has a minute for each question of a task, once others wait", async () => {
  using timers = new FakeTimers();
  const { client, parkings } = asking();
  using _ = client.roundTrips;
  const answered = Promise.withResolvers<Result>();
  const first = client.send({
    start: ({ parking }) => {
      parkings.push(parking!);
      return { result: answered.promise, cancel() {} };
    },
  });
  const record = { taskId: "t", owner: "o", createdAtMs: 0, ttlMs: 1 };
  const task = new RunningTask(record, { call: { caller: asked(), parking: parkings[0]! }, cancel() {} });
  // The request is answered with the task.
  answered.resolve({ result: { resultType: "task" } });
  await first;
  for (let question = 1; question <= 2; question++) {
    let answer: Result | undefined;
    void task.ask(ELICIT, form("who?", "n")).then((given) => answer = given);
    parkings[0]!.hurry();
    timers.pass(MINUTE_MS - 1);
    for (let i = 0; i < 9; i++) await Promise.resolve();
    assertEquals(answer, undefined);
    timers.pass(1);
    for (let i = 0; i < 9; i++) await Promise.resolve();
    assertEquals(answer, { result: { action: "cancel" } }, `question ${question}`);
  }
  assertEquals(timers.size, 0);
});

Deno.test("a call that is withdrawn, or ends by itself, leaves no timer", async () => {
  using timers = new FakeTimers();
  const { client } = asking();
  using _ = client.roundTrips;
  const controller = new AbortController();
  const answers: unknown[] = [];
  void client.send({
    controller,
    start: ({ ask }) => {
      void ask(ELICIT, form("who?", "n")).then(({ result }) => answers.push(result));
      // A tool that goes on although it is cancelled.
      return { result: new Promise(() => {}), cancel: () => {} };
    },
  });
  assertEquals(timers.size, 1);
  controller.abort();
  assertEquals(timers.size, 0);
  for (let i = 0; i < 9; i++) await Promise.resolve();
  assertEquals(answers, [{ action: "cancel" }]);
  const withdrawn = new AbortController();
  let parking: Parking | undefined;
  const hurried = new RoundTripClient(async (context) => {
    parking = context.parking;
    await context.ask(ELICIT, form("who?", "n"), { signal: withdrawn.signal }).catch(() => {});
    return said("done");
  });
  using _hurried = hurried.roundTrips;
  const asked = await question(hurried, timers);
  parking!.hurry();
  assertEquals(timers.size, 2, "the client's ten minutes, and its one");
  withdrawn.abort();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals(timers.size, 1);
  assertEquals(await hurried.answer(asked, {}), said("done"));
});

Deno.test("sixty-four calls of one client wait at once, a thousand in all; the server of one more is told why it is not asked", async () => {
  using timers = new FakeTimers();
  const { client, answers } = asking();
  using _ = client.roundTrips;
  const send = async (id: string, count: number, principal?: string) => {
    const sent = Array.from({ length: count }, () => client.send({ caller: asked({ id, principal }) }));
    timers.pass(GATHER_MS);
    return await Promise.all(sent);
  };
  const ends = await send("one", 66);
  assertEquals(ends.filter(({ result }) => result?.resultType === "input_required").length, 64);
  assertEquals(answers, ["OVER_CAPACITY", "OVER_CAPACITY"]);
  assertEquals(client.roundTrips.parked, 64);
  for (let i = 0; i < 15; i++) await send(`other ${i}`, 64, `user ${i}`);
  assertEquals(client.roundTrips.parked, 1000);
  assertEquals(answers.length, 26, "16 times 64 are 24 too many");
  await client.answer(ends[0]!, { n: accept({}) }, { caller: asked({ id: "one" }) });
  assertEquals(client.roundTrips.parked, 999);
  const [next] = await send("last", 1);
  questionsIn(next!);
});

Deno.test("a call whose client withdraws the request while its question is sealed ends", async () => {
  using timers = new FakeTimers();
  const { client } = asking();
  using _ = client.roundTrips;
  const [sealing, sealed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const caller = asked({
    privateOwner: async () => {
      sealing.resolve();
      await sealed.promise;
      return { principal: "owner", workspace: "session 1" };
    },
  });
  const controller = new AbortController();
  const sent = client.send({ caller, controller });
  timers.pass(GATHER_MS);
  await sealing.promise;
  controller.abort(new DOMException("gone"));
  assertEquals([client.roundTrips.parked, client.cancelled.length], [1, 0]);
  sealed.resolve();
  await sent;
  assertEquals([client.roundTrips.parked, client.cancelled.length], [0, 1]);
  assertEquals(timers.size, 0);
});

Deno.test("two hundred and fifty calls of another user wait at once, in however many sessions", async () => {
  using timers = new FakeTimers();
  const { client, answers, messages } = asking();
  using _ = client.roundTrips;
  const ask = async (count: number, principal: string) => {
    const sent = Array.from(
      { length: count },
      (_, n) => client.send({ caller: asked({ id: `${n}`, principal }) }),
    );
    timers.pass(GATHER_MS);
    return await Promise.all(sent);
  };
  const [first] = await ask(251, "ada");
  assertEquals([client.roundTrips.parked, answers], [250, ["OVER_CAPACITY"]]);
  assertStringIncludes(messages[0]!, "250 calls");
  await ask(9, "bob");
  assertEquals(client.roundTrips.parked, 259);
  await ask(300, "owner");
  assertEquals(client.roundTrips.parked, 559);
  await client.answer(first!, { n: accept({}) }, { caller: asked({ id: "0", principal: "ada" }) });
  const [next] = await ask(1, "ada");
  questionsIn(next!);
});

Deno.test("what its requests declare gives a client no more calls that wait", async () => {
  using timers = new FakeTimers();
  const { client, answers } = asking();
  using _ = client.roundTrips;
  const sent = Array.from(
    { length: 66 },
    (_, n) => client.send({ caller: asked({ id: `s~${n}`, session: "s" }) }),
  );
  timers.pass(GATHER_MS);
  const ends = await Promise.all(sent);
  assertEquals(ends.filter(({ result }) => result?.resultType === "input_required").length, 64);
  assertEquals(answers, ["OVER_CAPACITY", "OVER_CAPACITY"]);
});

Deno.test("a set of capabilities that is given up ends its own calls, and the session all of them", async () => {
  using timers = new FakeTimers();
  const { client } = asking();
  using _ = client.roundTrips;
  const callers = ["s~1", "s~2", "s~3"].map((id) => asked({ id, session: "s" }));
  const sent = callers.map((caller) => client.send({ caller }));
  timers.pass(GATHER_MS);
  const ends = await Promise.all(sent);
  client.roundTrips.forget(callers[0]!);
  assertEquals(client.roundTrips.parked, 2);
  const answered = await client.answer(ends[1]!, { n: accept({}) }, { caller: callers[1]! });
  assertEquals(answered.error, undefined);
  client.roundTrips.forget(asked({ id: "s" }));
  assertEquals(client.roundTrips.parked, 0);
});

Deno.test("a result that nobody fetches makes room when memory is needed, and its client is told so", async () => {
  using timers = new FakeTimers();
  const budget = new ByteBudget({ maxBytes: 1000 });
  const withdrawn = new AbortController();
  const roundTrips = new RoundTrips({ budget });
  const client = new RoundTripClient(async ({ ask }) => {
    await ask(ELICIT, form("who?", "n"), { signal: withdrawn.signal }).catch(() => {});
    return said("x".repeat(5000));
  }, roundTrips);
  using _ = roundTrips;
  const asked = await question(client, timers);
  withdrawn.abort();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  const late = await client.answer(asked, {});
  assertEquals((late.error?.data as { code: string }).code, "OUTCOME_UNKNOWN");
  assertEquals(budget.bytes < 1000, true);
});

Deno.test("a state is refused when its time is over", async () => {
  using timers = new FakeTimers();
  const { client } = asking();
  using _ = client.roundTrips;
  const asked = await question(client, timers);
  const now = Date.now;
  try {
    Date.now = () => now() + 10 * MINUTE_MS;
    const refused = await client.answer(asked, { n: accept({}) });
    assertEquals(refused.error?.code, -32602);
    assertStringIncludes(refused.error!.message, "expired");
  } finally {
    Date.now = now;
  }
});

Deno.test("the time of a parked call stands still, and so does its deadline", async () => {
  using timers = new FakeTimers();
  using deadlines = new Deadlines();
  const parking = new Parking();
  const aborted: Error[] = [];
  const ended = Promise.withResolvers<Result>();
  let deadlineMs: () => number | undefined = () => undefined;
  const running = withTimeout(1000, deadlines)((call) => {
    deadlineMs = () => call.deadlineMs;
    return ended.promise;
  })(call({ parking, abort: (reason) => void aborted.push(reason) }));
  const began = deadlineMs()!;
  timers.pass(600);
  parking.park();
  timers.pass(60_000);
  assertEquals([aborted.length, deadlineMs()], [0, began + 60_000]);
  assertEquals(timers.size, 0, "nothing is looked at while it waits");
  parking.resume();
  timers.pass(399);
  assertEquals(aborted.length, 0);
  timers.pass(1);
  assertEquals(aborted.length, 1);
  ended.resolve(said("done"));
  await running;
  assertEquals(timers.size, 0);
});

Deno.test("a daemon that stops does not wait for a person, and one that waits for rest does", async () => {
  const parking = new Parking();
  const drain = new Drain();
  const ended = Promise.withResolvers<Result>();
  const running = drain.guard(() => ended.promise)(call({ parking }));
  parking.park();
  let isIdle = false;
  void drain.idle().then(() => isIdle = true);
  await Promise.resolve();
  assertEquals([drain.running, isIdle], [1, false]);
  await drain.close();
  ended.resolve(said("done"));
  await running;
  assertEquals(drain.running, 0);
});

Deno.test("a call that waits for the permit of a parked one hurries it, whichever came first", async () => {
  const permits = new Permits({ perKey: 9, total: 9, queueMax: 9 });
  for (const isParkedFirst of [true, false]) {
    const admission = new ProcessAdmission({ name: "one", permits, maxInflight: 1, queueMax: 9 });
    const ended = Promise.withResolvers<Result>();
    const worker = { alive: true, call: () => ended.promise };
    const parking = new Parking();
    const first = admission.run(call({ parking }), worker);
    await Promise.resolve();
    if (isParkedFirst) parking.park();
    assertEquals(parking.isHurried, false);
    const second = admission.run(call({ caller: asked({ id: "2" }) }), worker);
    if (!isParkedFirst) parking.park();
    assertEquals(parking.isHurried, true);
    ended.resolve(said("done"));
    await Promise.all([first, second]);
  }
});

Deno.test("a call that takes the permit while another waits is hurried once it is parked", async () => {
  const permits = new Permits({ perKey: 9, total: 9, queueMax: 9 });
  const admission = new ProcessAdmission({ name: "one", permits, maxInflight: 1, queueMax: 9 });
  const ends = Array.from({ length: 3 }, () => Promise.withResolvers<Result>());
  let began = 0;
  const worker = { alive: true, call: () => ends[began++]!.promise };
  const parking = new Parking();
  const run = (id: string, parts = {}) => admission.run(call({ caller: asked({ id }), ...parts }), worker);
  const [first, second, third] = [run("a"), run("b", { parking }), run("c")];
  ends[0]!.resolve(said("done"));
  await first;
  while (began < 2) await Promise.resolve();
  assertEquals([admission.waiting, parking.isHurried], [1, false]);
  parking.park();
  assertEquals(parking.isHurried, true);
  for (const { resolve } of ends) resolve(said("done"));
  await Promise.all([second, third]);
});
