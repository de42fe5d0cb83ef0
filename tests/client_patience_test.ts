import { delay } from "@std/async/delay";
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { ClientPatience } from "../lib/admission/client_patience.ts";
import { CallTimeouts } from "../lib/app/call_timeouts.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { SECOND_MS } from "../lib/base/units.ts";
import type { Call, Caller, Target } from "../lib/call/call.ts";
import { type Identity, ownerOf } from "../lib/call/owner.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { GivenUp } from "../lib/call/wait.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { NO_TASKS } from "./helpers/no_task_records.ts";
import { SOMEBODY } from "./helpers/threads.ts";

/** A model call of 130 s by a client named `client`, with default settings, and what it comes to. */
async function slowCall(client: string, { progressEveryMs }: { progressEveryMs?: number } = {}) {
  using tools = new TestTools();
  const timeouts = new CallTimeouts(defaultSettings({}), tools.server, NO_TASKS);
  using timers = new FakeTimers();
  const realNow = Date.now;
  Date.now = () => timers.nowMs;
  try {
    const reply = Promise.withResolvers<void>();
    const { promise: begun, resolve } = Promise.withResolvers<Call>();
    const target: Target = async (call) => {
      resolve(call);
      await reply.promise;
      call.signal.throwIfAborted();
      return { result: textResult("thought through") };
    };
    const call = makeCall("tools/call", { name: "chat" }, { caller: callerNamed(client), progressToken: 1 });
    const answer = timeouts.limit(tools.server)(target)(call);
    const running = await begun;
    for (let ms = 0; ms < 130 * SECOND_MS; ms += 5 * SECOND_MS) {
      timers.pass(5 * SECOND_MS);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      if (progressEveryMs !== undefined && ms % progressEveryMs === 0) {
        running.notify("notifications/progress", { progressToken: 1, progress: ms });
      }
    }
    reply.resolve();
    const { result } = await answer;
    const { handle } = (result!._meta as Record<string, JsonObject> | undefined)?.["exai/detached"] ?? {};
    const text = JSON.stringify(result);
    if (handle === undefined) return { text };
    const [awaiting] = timeouts.withAwaiting([tools.server]).slice(-1);
    const late = await awaiting!.target(
      makeCall("tools/call", { name: "await_call", arguments: { handle } }, { caller: callerNamed(client) }),
    );
    return { text, late: JSON.stringify(late.result) };
  } finally {
    Date.now = realNow;
  }
}

function callerNamed(name: string, identity: Identity = SOMEBODY): Caller {
  return {
    ...makeCall("", {}).caller,
    client: { name, version: "1" },
    belonging: { owner: () => Promise.resolve(ownerOf(identity)) },
  };
}

Deno.test("a model that thinks for 130 s, with default settings: Claude Code, which is told of progress, has the reply", async () => {
  const { text } = await slowCall("claude-code", { progressEveryMs: 10 * SECOND_MS });
  assertStringIncludes(text, "thought through");
});

Deno.test("a model that thinks for 130 s, with default settings: a client of 60 s has a handle in time, then the reply", async () => {
  for (const client of ["codex-mcp-client", "mcporter", "some client"]) {
    const { text, late } = await slowCall(client, { progressEveryMs: 10 * SECOND_MS });
    assertMatch(text, /chat is still running after 45\.0 s/);
    assertStringIncludes(late!, "thought through");
  }
});

Deno.test("a tool that asks no model keeps the short time limit", async () => {
  using tools = new TestTools();
  const timeouts = new CallTimeouts(defaultSettings({ callTimeoutMs: 20 }), tools.server, NO_TASKS);
  const stopped: Target = (call) =>
    new Promise((_, reject) => call.signal.addEventListener("abort", () => reject(call.signal.reason)));
  const call = makeCall("tools/call", { name: "planner" });
  const error = await assertRejects(() => timeouts.limit(tools.server)(stopped)(call)) as Error;
  assertStringIncludes(error.message, "longer than the 0.02 s");
});

Deno.test("of a thousand names of clients the daemon remembers how long they wait, not of all there are", () => {
  const patience = new ClientPatience();
  const caller = (number: number) => ({ client: { name: `client-${number}`, version: "1" } });
  const waits = (number: number) => patience.of(caller(number)).waitMs;
  const unknownMs = waits(-1);
  for (let number = 0; number <= 1000; number++) patience.learn(caller(number), SECOND_MS);
  assertEquals([waits(0), waits(1) < unknownMs, waits(1000) < unknownMs], [unknownMs, true, true]);
});

Deno.test("a failure after the client gave up is not what the same call made again gets", async () => {
  using tools = new TestTools();
  const timeouts = new CallTimeouts(defaultSettings({}), tools.server, NO_TASKS);
  const outcomes = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let runs = 0;
  const target = timeouts.limit(tools.server)(async () => {
    const run = runs++;
    await outcomes[run]!.promise;
    return { result: textResult(`run ${run}`, { isError: run === 0 }) };
  });
  const controller = new AbortController();
  const params = { name: "chat", arguments: { prompt: "q" } };
  const first = target(
    makeCall("tools/call", params, { caller: callerNamed("c"), signal: controller.signal }),
  );
  controller.abort(new GivenUp("timed_out", "too slow"));
  await assertRejects(() => first, GivenUp);
  outcomes[0]!.resolve();
  await delay(0);
  outcomes[1]!.resolve();
  const { result } = await target(makeCall("tools/call", params, { caller: callerNamed("c") }));
  assertEquals(result, textResult("run 1"));
});
