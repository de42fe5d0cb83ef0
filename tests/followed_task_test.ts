import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { followTask } from "../lib/upstream/tasks/followed_task.ts";
import { CODES } from "../lib/wire/codes.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { liveHeapBytes } from "./helpers/gc.ts";
import { Window } from "./helpers/instance.ts";

const CREATED = { result: { resultType: "task", taskId: "t", status: "working", pollIntervalMs: 100 } };

/** The outcome of a task that is in each of `states`, one after another, for a client that can sample. */
function outcomeOf(...states: JsonObject[]): Promise<Result> {
  const call = new Window("ada", { sampling: {} }).call();
  const ask = () => Promise.resolve({ result: { taskId: "t", pollIntervalMs: 100, ...states.shift() } });
  return followTask(call, CREATED, { server: "far", ask, isOpen: () => true });
}

Deno.test("the failure of a task is told as if the call had been answered with it", async () => {
  const failed = (requiredCapabilities: JsonObject) => {
    const error = { code: CODES.MISSING_CAPABILITY.rpc, message: "no", data: { requiredCapabilities } };
    return outcomeOf({ status: "failed", error });
  };
  const [lacking, told] = await Promise.all([failed({ roots: {}, sampling: {} }), failed({ sampling: {} })]);
  assertEquals((lacking.error!.data as JsonObject).requiredCapabilities, { roots: {} });
  assertEquals(told.error!.code, CODES.INTERNAL.rpc);
  assertStringIncludes(told.error!.message, 'server "far"');
});

Deno.test("a task that ends with what no call ends with is an error", async () => {
  for (const resultType of ["input_required", "task", "odd"]) {
    const outcome = outcomeOf({ status: "completed", result: { resultType, content: [] } });
    await assertRejects(() => outcome, ExaiError, "without a result of its call");
  }
  const result = { content: [], resultType: "complete" };
  assertEquals(await outcomeOf({ status: "completed", result }), { result });
});

Deno.test("a server that fails to tell of a task for a moment is asked again, one that does not know it is not", async () => {
  const follow = (...answers: Result[]) => {
    const call = new Window("ada").call();
    const ask = (method: string): Promise<Result> =>
      Promise.resolve(method === "tasks/get" ? answers.shift()! : { result: {} });
    return followTask(call, CREATED, { server: "far", ask, isOpen: () => true });
  };
  const failing = (code: number): Result => ({ error: { code, message: "not now" } });
  const result = { content: [] };
  const done: Result = { result: { taskId: "t", status: "completed", result } };
  const [busy, unknown] = await Promise.allSettled([
    follow(failing(-32603), failing(-32000), done),
    follow(failing(-32602), done),
  ]);
  assertEquals(busy, { status: "fulfilled", value: { result } });
  assertEquals(unknown.status, "rejected");
  assertEquals(((unknown as PromiseRejectedResult).reason as ExaiError).code, "OUTCOME_UNKNOWN");
});

Deno.test("of what a server has said of a task before, nothing is kept", async () => {
  const answers: WeakRef<Result>[] = [];
  const third = Promise.withResolvers<void>();
  const controller = new AbortController();
  const call = new Window("ada").call({ signal: controller.signal });
  const ask = (method: string) => {
    const answer = { result: { taskId: "t", status: "working", pollIntervalMs: 100 } };
    if (method === "tasks/get" && answers.push(new WeakRef(answer)) === 4) third.resolve();
    return Promise.resolve(answer);
  };
  const following = followTask(call, CREATED, { server: "far", ask, isOpen: () => true });
  await third.promise;
  await liveHeapBytes();
  assertEquals(answers.slice(0, 2).map((answer) => answer.deref()), [undefined, undefined]);
  controller.abort(new ExaiError("CANCELLED", "enough"));
  await assertRejects(() => following, ExaiError, "enough");
});
