import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { FOLLOWS_TASKS, ModernHttpClient } from "./helpers/modern_http_client.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";
import { until } from "./helpers/until.ts";

const server = fromFileUrl(new URL("fixtures/modern_task_server.ts", import.meta.url));
const entry = { command: Deno.execPath(), args: ["run", "-A", "--no-check", server], share: "machine" };

/** A daemon with a server that begins tasks, and a client that says what becomes of them. */
async function taskDaemon(more: JsonObject = {}) {
  const it = await mountingDaemon({ jobs: { ...entry, ...more } });
  const other = new ModernHttpClient(it.http, {}, { "x-exai-window": "other" });
  const say = async (name: string, args: JsonObject = {}) => {
    const { content } = await other.call(name, args) as { content: [{ text: string }] };
    return content[0].text;
  };
  return {
    ...it,
    become: (become: string, taskId = "1") => say("let", { become, taskId }),
    /** Resolves once a request about a task has come that is as `is` says. */
    seen: (what: string, is: (request: Json[]) => boolean) =>
      until(what, async () => (JSON.parse(await say("seen")) as Json[][]).find(is)),
  };
}

const textIn = (result: Json | undefined) => ((result as JsonObject).content as [{ text: string }])[0].text;

Deno.test("a client that follows tasks is given one at once for that of its server, whose id it does not learn", async () => {
  await using it = await taskDaemon();
  const client = new ModernHttpClient(it.http, { capabilities: { ...FOLLOWS_TASKS, elicitation: {} } });
  const [one, two] = [await client.call("long"), await client.call("long")];
  assertEquals([one.resultType, one.status, one.pollIntervalMs], ["task", "working", 100]);
  assertNotEquals(one.taskId, "1");
  await it.become("complete", "2");
  await it.become("ask", "1");
  assertEquals(textIn((await client.task(two.taskId, "completed")).result), "the long way");
  const { inputRequests } = await client.task(one.taskId, "input_required");
  const [key] = Object.keys(inputRequests as JsonObject);
  const given = { action: "accept", content: { name: "Ada" } };
  await client.result("tasks/update", { taskId: one.taskId!, inputResponses: { [key!]: given } });
  const done = await client.task(one.taskId, "completed");
  assertEquals(JSON.parse(textIn(done.result)), { which: given });
});

Deno.test("a cancelled task is cancelled at its server", async () => {
  await using it = await taskDaemon();
  const client = new ModernHttpClient(it.http, { capabilities: FOLLOWS_TASKS });
  const { taskId } = await client.call("long");
  await client.result("tasks/cancel", { taskId: taskId! });
  await it.seen("its cancellation", ([method]) => method === "tasks/cancel");
});

Deno.test("clients that know no such tasks get the result, or what went wrong", async () => {
  await using it = await taskDaemon();
  using old = await RawClient.hello(it.url);
  const plain = new ModernHttpClient(it.http);
  const both = Promise.all([old.call("long"), plain.call("long")]);
  for (const n of ["1", "2"]) await it.seen(`task ${n}`, ([, taskId]) => taskId === n);
  await it.become("complete", "1");
  await it.become("complete", "2");
  const [first, second] = await both;
  assertEquals([firstText(first), textIn(second)], ["the long way", "the long way"]);
  for (const [n, become, why] of [["3", "fail", /it broke/], ["4", "lose", /may have been done/]] as const) {
    const call = old.call("long");
    await it.seen(`task ${n}`, ([, taskId]) => taskId === n);
    await it.become(become, n);
    assertMatch(JSON.stringify((await call).error), why);
  }
  await old.close();
});

Deno.test("who waits too long for a task of a server gets a handle, and the result by it", async () => {
  await using it = await taskDaemon({ detachAfterMs: 10 });
  const plain = new ModernHttpClient(it.http);
  const handle = /call-[\w-]+/.exec(textIn(await plain.call("long")))![0];
  await it.become("complete");
  assertEquals(textIn(await plain.call("await_call", { handle })), "the long way");
});

Deno.test("a task whose server ends has failed, with an unknown outcome", async () => {
  await using it = await taskDaemon();
  const client = new ModernHttpClient(it.http, { capabilities: FOLLOWS_TASKS });
  const { taskId } = await client.call("long");
  await it.become("end").catch(() => {});
  const { error } = await client.task(taskId, "failed");
  assertMatch(JSON.stringify(error), /OUTCOME_UNKNOWN/);
});
