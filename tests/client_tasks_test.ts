import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { settled, type Window } from "./helpers/instance.ts";
import { ask, QUESTION, together } from "./helpers/together.ts";

const RELATED = "io.modelcontextprotocol/related-task";

type Rig = Awaited<ReturnType<typeof together>>;

/** The name the server is given for the task `taskId`, as which `window` runs a question. */
async function begunBy({ upstream, run }: Rig, window: Window, taskId: string): Promise<string> {
  const call = run(window);
  window.answer = () => Promise.resolve({ result: { task: { taskId }, _meta: { [RELATED]: { taskId } } } });
  const id = `begins ${upstream.sent.length}`;
  const { result } = (await ask(upstream, id, { method: "sampling/createMessage" }))!;
  upstream.say({ id: call, result: {} });
  const name = (result!.task as JsonObject).taskId as string;
  assertEquals(result!._meta, { [RELATED]: { taskId: name } });
  return name;
}

Deno.test("a task that a client runs for a server is known by its window, until that is over", async () => {
  const rig = await together();
  const { instance, upstream, ada, bob, run } = rig;
  const name = await begunBy(rig, ada, "c1");
  assertNotEquals(name, "c1");
  run(bob);
  ada.answer = () => Promise.resolve({ result: { taskId: "c1", status: "working" } });
  const got = await ask(upstream, 2, { method: "tasks/get", params: { taskId: name } });
  assertEquals(got!.result as unknown, { taskId: name, status: "working" });
  assertEquals([ada.asked.at(-1)!.params, bob.asked], [{ taskId: "c1" }, []]);
  const status = "notifications/tasks/status";
  instance.notify(ada.caller, status, { taskId: "c1", status: "completed" });
  assertEquals(upstream.last(status).params, { taskId: name, status: "completed" });
  instance.detach(ada.caller);
  instance.notify(ada.caller, status, { taskId: "c1", status: "again" });
  assertEquals(upstream.last(status).params!.status, "completed");
  const over = await ask(upstream, 3, { method: "tasks/result", params: { taskId: name } });
  assertEquals(over!.error!.message, `no client runs a task "${name}" for this server`);
  assertEquals([ada.asked.length, bob.asked.length], [2, 0]);
});

Deno.test("two windows that name their tasks alike have two, and each speaks of its own", async () => {
  const rig = await together();
  const { instance, upstream, ada, bob, run } = rig;
  const [hers, his] = [await begunBy(rig, ada, "1"), await begunBy(rig, bob, "1")];
  assertNotEquals(hers, his);
  for (const window of [ada, bob]) {
    const by = window.caller.id;
    window.answer = () => Promise.resolve({ result: { by, _meta: { [RELATED]: { taskId: "1" } } } });
  }
  for (const [name, by] of [[hers, "ada"], [his, "bob"]] as const) {
    const { result } = (await ask(upstream, name, { method: "tasks/result", params: { taskId: name } }))!;
    assertEquals(result as unknown, { by, _meta: { [RELATED]: { taskId: name } } });
  }
  instance.notify(bob.caller, "notifications/tasks/status", { taskId: "1", status: "failed" });
  assertEquals(upstream.last("notifications/tasks/status").params, { taskId: his, status: "failed" });
  instance.detach(bob.caller);
  const after = await ask(upstream, "after", { method: "tasks/result", params: { taskId: hers } });
  assertEquals(after!.result!.by, "ada");
  run(ada);
  assertEquals(
    (await ask(upstream, "raw", { method: "tasks/get", params: { taskId: "1" } }))!.error!.code,
    -32602,
  );
  assertEquals(await begunBy(rig, ada, "1"), hers);
});

Deno.test("a window that runs no task of a server can say nothing of another's", async () => {
  const rig = await together();
  await begunBy(rig, rig.ada, "ct-1");
  const forged = { taskId: "ct-1", status: "failed", statusMessage: "forged" };
  rig.instance.notify(rig.bob.caller, "notifications/tasks/status", forged);
  assertEquals(rig.upstream.last("notifications/tasks/status"), undefined);
});

Deno.test("of a window's tasks a server is shown its own, under the names it has for them", async () => {
  const rig = await together();
  const { upstream, ada, run } = rig;
  const name = await begunBy(rig, ada, "1");
  run(ada);
  const tasks = [{ taskId: "1", status: "working" }, { taskId: "of another server" }, null];
  ada.answer = () => Promise.resolve({ result: { tasks, nextCursor: "2" } as unknown as JsonObject });
  const listed = await ask(upstream, "list", { method: "tasks/list" });
  assertEquals(listed!.result as unknown, { tasks: [{ taskId: name, status: "working" }], nextCursor: "2" });
  await ask(upstream, "p", { ...QUESTION, params: { _meta: { progressToken: 5 } } });
  ada.asked.at(-1)!.options!.onProgress!({ progress: 1, _meta: { [RELATED]: { taskId: "1" } } });
  assertEquals(upstream.last("notifications/progress").params, {
    progress: 1,
    progressToken: 5,
    _meta: { [RELATED]: { taskId: name } },
  });
  run(rig.bob);
  upstream.say({ method: "notifications/x", params: { _meta: { [RELATED]: { taskId: name } } } });
  assertEquals(ada.heard.at(-1)!.params, { _meta: { [RELATED]: { taskId: "1" } } });
});

Deno.test("what a window answers on behalf of a server's task names that, whatever its own are called", async () => {
  const rig = await together();
  const { instance, upstream, ada } = rig;
  await begunBy(rig, ada, "t1");
  upstream.answer = () => ({ result: { task: { taskId: "t1" } } });
  await instance.call(ada.call());
  const _meta = { [RELATED]: { taskId: "t1" } };
  ada.answer = () => Promise.resolve({ result: { task: { taskId: "2" }, _meta } });
  const { result } = (await ask(upstream, "q", { method: "sampling/createMessage", params: { _meta } }))!;
  assertEquals(result!._meta, _meta);
  assertNotEquals((result!.task as JsonObject).taskId, "2");
});

Deno.test("of the tasks a window runs for a server so many are known, and none under an endless name", async () => {
  const rig = await together();
  const { upstream, ada, bob, run } = rig;
  const oldest = await begunBy(rig, ada, "x".repeat(1024));
  const his = await begunBy(rig, bob, "1");
  run(ada);
  let count = 0;
  ada.answer = () => Promise.resolve({ result: { task: { taskId: `${count++}` } } });
  for (let at = 0; at < 100; at++) {
    for (let n = 0; n < 100; n++) upstream.say({ id: `${at} ${n}`, method: "sampling/createMessage" });
    await settled();
  }
  const code = async (taskId: string) =>
    (await ask(upstream, `about ${taskId}`, { method: "tasks/get", params: { taskId } }))!.error?.code;
  assertEquals([count, await code(oldest), await code(his)], [10_000, -32602, undefined]);
  ada.answer = () => Promise.resolve({ result: { task: { taskId: "x".repeat(1025) } } });
  const refused = await ask(upstream, "long", { method: "sampling/createMessage" });
  assertMatch(refused!.error!.message, /a taskId may hold 1024 characters at most$/);
});
