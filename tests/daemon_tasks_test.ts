import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { removeHome } from "./helpers/files.ts";
import { FOLLOWS_TASKS, ModernHttpClient } from "./helpers/modern_http_client.ts";
import { OddServer } from "./helpers/odd_server.ts";

const FOLLOWS = { capabilities: FOLLOWS_TASKS };
const ANSWERS = { capabilities: { ...FOLLOWS_TASKS, elicitation: {} } };

/** A server whose calls are detached after a moment. */
function patientServer() {
  return Object.assign(new OddServer(), { detachAfterMs: 10 });
}

Deno.test("a call that takes long becomes a task for a client that follows tasks, and its result is asked for", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const client = new ModernHttpClient(it.http, FOLLOWS);
  const created = await client.call("hold");
  assertEquals([created.resultType, created.status, created.content], ["task", "working", undefined]);
  const { taskId } = created;
  const working = await client.result("tasks/get", { taskId });
  assertEquals([working.resultType, working.status], ["complete", "working"]);
  assert(
    Number.isInteger(working.ttlMs) && Number.isInteger(working.pollIntervalMs),
    JSON.stringify(working),
  );
  odd.release.resolve();
  const done = await client.task(taskId, "completed");
  assertEquals(done.result, {
    resultType: "complete",
    content: [{ type: "text", text: "released" }],
  });
  assertEquals(odd.runs, 1);
  assertEquals((await client.result("tasks/cancel", { taskId })).status, undefined, "it has ended already");
});

Deno.test("a client that has not declared the extension gets a handle, and is told what it lacks", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const plain = new ModernHttpClient(it.http);
  const given = await plain.call("hold");
  assertMatch(JSON.stringify(given.content), /Its handle is call-/);
  const { error } = await plain.ask("tasks/get", { taskId: "x" });
  assertEquals((error as JsonObject).code, -32021);
  const required = { extensions: { "io.modelcontextprotocol/tasks": {} } };
  assertEquals(((error as JsonObject).data as JsonObject).requiredCapabilities, required);
  odd.release.resolve();
  const discovered = await plain.result("server/discover");
  assertEquals((discovered.capabilities as JsonObject).extensions, required.extensions);
});

Deno.test("a task asks its client, and goes on with the answer", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const client = new ModernHttpClient(it.http, ANSWERS);
  const { taskId } = await client.call("holds_and_asks");
  odd.release.resolve();
  const asking = await client.task(taskId, "input_required");
  const [[key, question]] = Object.entries(asking.inputRequests as JsonObject) as [[string, JsonObject]];
  assertEquals([question.method, (question.params as JsonObject).message], [
    "elicitation/create",
    "your name?",
  ]);
  await client.result("tasks/update", { taskId, inputResponses: { other: { action: "decline" } } });
  const { error } = await client.ask("tasks/update", {
    taskId,
    inputResponses: { [key]: { action: "maybe" } },
  });
  assertEquals((error as JsonObject).code, -32602);
  assertEquals((await client.result("tasks/get", { taskId })).status, "input_required", "it is asked still");
  const answer = { action: "accept", content: { name: "Ada" } };
  assertEquals(
    (await client.result("tasks/update", { taskId, inputResponses: { [key]: answer } })).resultType,
    "complete",
  );
  const done = await client.task(taskId, "completed");
  assertEquals(JSON.parse(((done.result as JsonObject).content as [{ text: string }])[0].text), answer);
});

Deno.test("a cancelled task is so at once, and its call is stopped", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const client = new ModernHttpClient(it.http, FOLLOWS);
  const { taskId } = await client.call("hold");
  assertEquals((await client.result("tasks/cancel", { taskId })).resultType, "complete");
  assertEquals((await client.result("tasks/get", { taskId })).status, "cancelled");
  assertEquals(((await odd.aborted.promise) as { code: string }).code, "CANCELLED");
  odd.release.resolve();
});

Deno.test("a task is found by other requests of its client, whatever they declare, and by no other window", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const client = new ModernHttpClient(it.http, FOLLOWS, { "x-exai-window": "one" });
  const { taskId } = await client.call("hold");
  const same = new ModernHttpClient(it.http, ANSWERS, { "x-exai-window": "one" });
  assertEquals((await same.result("tasks/get", { taskId })).status, "working");
  const stranger = new ModernHttpClient(it.http, FOLLOWS, { "x-exai-window": "two" });
  for (const method of ["tasks/get", "tasks/cancel", "tasks/update"]) {
    const { error } = await stranger.ask(method, { taskId, inputResponses: {} });
    assertEquals((error as JsonObject).code, -32602, method);
  }
  const own = await stranger.call("hold");
  assertNotEquals(own.taskId, taskId);
  assertEquals((await client.result("tasks/get", { taskId })).status, "working", "it was not cancelled");
  odd.release.resolve();
});

Deno.test("a task is as good on an address of one server, and of a server that gives no handles", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd], settings: { detachAfterMs: 10 } });
  const client = new ModernHttpClient(it.http, FOLLOWS, {}, "/mcp/odd");
  const { taskId } = await client.call("hold");
  odd.release.resolve();
  await client.task(taskId, "completed");
  const plain = new ModernHttpClient(it.http);
  assertEquals(JSON.stringify((await plain.call("hold")).content).includes("released"), true);
});

Deno.test("who listens to a task is told its question and its end", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const client = new ModernHttpClient(it.http, ANSWERS);
  const { taskId } = await client.call("holds_and_asks");
  const foreign = "call-00000000-0000-4000-8000-000000000000";
  using told = await client.listen({ notifications: { taskIds: [taskId!, foreign] } });
  const [ack] = await told.next((messages) => messages.length === 1);
  assertEquals((ack!.params as JsonObject).notifications, { taskIds: [taskId] });
  odd.release.resolve();
  const asked = (await told.next((messages) => messages.length === 2)).at(-1)!.params as JsonObject;
  assertEquals([asked.taskId, asked.status], [taskId, "input_required"]);
  const [key] = Object.keys(asked.inputRequests as JsonObject);
  await client.result("tasks/update", { taskId, inputResponses: { [key!]: { action: "cancel" } } });
  const isOver = ({ params }: JsonObject) => (params as JsonObject).status === "completed";
  const done = (await told.next((messages) => messages.some(isOver))).find(isOver)!.params as JsonObject;
  assertMatch(JSON.stringify(done.result), /cancel/);
  using late = await client.listen({ notifications: { taskIds: [taskId!] } });
  const [, first] = await late.next((messages) => messages.length === 2);
  assertEquals((first!.params as JsonObject).status, "completed", "it is told to those who come later");
  const plain = new ModernHttpClient(it.http);
  const { error } = await plain.ask("subscriptions/listen", { notifications: { taskIds: [taskId!] } });
  assertEquals((error as JsonObject).code, -32021);
});

Deno.test("each listen is told a change of a task once, however many there are", async () => {
  const odd = patientServer();
  await using it = await testDaemon({ servers: [odd] });
  const [client, other] = [new ModernHttpClient(it.http, FOLLOWS), new ModernHttpClient(it.http, ANSWERS)];
  const taskIds = [(await client.call("hold")).taskId!, (await client.call("hold")).taskId!];
  using one = await client.listen({ notifications: { taskIds } });
  using two = await client.listen({ notifications: { taskIds } });
  using three = await other.listen({ notifications: { taskIds } });
  const listens = [one, two, three];
  for (const listen of listens) await listen.next((messages) => messages.length === 1);
  odd.release.resolve();
  for (const listen of listens) {
    // All that is said of the first of them comes before what is said of the second.
    const told = await listen.next((messages) =>
      taskIds.every((id) => messages.some(({ params }) => (params as JsonObject).taskId === id))
    );
    assertEquals(told.length, 1 + taskIds.length, JSON.stringify(told));
  }
});

Deno.test("after a restart a task has its result, and one that ran has failed with an unknown outcome", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-test-" });
  await using _home = { [Symbol.asyncDispose]: () => removeHome(home) };
  const ids: unknown[] = [];
  for (const release of [true, false]) {
    const odd = patientServer();
    await using it = await testDaemon({ servers: [odd], settings: { home } });
    const client = new ModernHttpClient(it.http, FOLLOWS);
    const { taskId } = await client.call("hold");
    ids.push(taskId);
    if (!release) continue;
    odd.release.resolve();
    await client.task(taskId, "completed");
  }
  await using it = await testDaemon({ settings: { home } });
  const client = new ModernHttpClient(it.http, FOLLOWS);
  const [done, lost] = await Promise.all(
    ids.map((taskId) => client.result("tasks/get", { taskId } as JsonObject)),
  );
  assertEquals(((done!.result as JsonObject).content as [{ text: string }])[0].text, "released");
  assertEquals(lost!.status, "failed");
  assertMatch(JSON.stringify(lost!.error), /OUTCOME_UNKNOWN/);
});
