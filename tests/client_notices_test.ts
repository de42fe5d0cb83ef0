import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { settled, Window } from "./helpers/instance.ts";
import { mountedUpstreams, sentTo, TOOLS } from "./helpers/mounted.ts";
import { until } from "./helpers/until.ts";

Deno.test("the status of a client's task reaches the process it is run for, also when its window has moved on", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  let root = "file:///a";
  const ada = new Window("ada", { sampling: {}, roots: { listChanged: true } }, {
    cwd: "/w",
    roots: () => Promise.resolve([{ uri: root }]),
  });
  ada.answer = () => Promise.resolve({ result: { task: { taskId: "1" } } });
  await it.mounted.target(ada.call());
  const [first] = it.upstreams;
  first!.say({ id: "q", method: "sampling/createMessage" });
  const { result } = await until("the task is begun", () => first!.answered("q"));
  root = "file:///b";
  it.mounted.notify(ada.caller, "notifications/roots/list_changed", {});
  await until("another process", async () => {
    await it.mounted.target(ada.call());
    return it.upstreams[1];
  });
  const status = "notifications/tasks/status";
  it.mounted.notify(ada.caller, status, { taskId: "1", status: "completed" });
  it.mounted.notify(new Window("bob").caller, status, { taskId: "1", status: "failed" });
  await settled();
  const { taskId } = result!.task as JsonObject;
  assertEquals(sentTo(first!, status).map((message) => "params" in message && message.params), [
    { taskId, status: "completed" },
  ] as never);
  assertEquals(sentTo(it.upstreams[1]!, status), []);
});
