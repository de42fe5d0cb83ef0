import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { instanceOf, Window } from "./helpers/instance.ts";

const OK = { result: { ok: true } };

Deno.test("a task stays its window's though its server calls an elicitation of another window the same", async () => {
  const { instance, upstream } = await instanceOf();
  const [ada, bob] = [new Window("ada"), new Window("bob")];
  for (const { caller } of [ada, bob]) instance.attach(caller);
  upstream.answer = () => ({ result: { task: { taskId: "1", ttl: 60_000 } } });
  await instance.call(ada.call());
  const elicitation = { mode: "url", elicitationId: "1", url: "https://x.example", message: "m" };
  upstream.answer = () => ({
    error: { code: -32042, message: "first", data: { elicitations: [elicitation] } },
  });
  await instance.call(bob.call());
  upstream.say({ method: "notifications/tasks/status", params: { taskId: "1", status: "working" } });
  upstream.say({ method: "notifications/elicitation/complete", params: { elicitationId: "1" } });
  assertEquals([ada.heard.map(({ method }) => method), bob.heard.map(({ method }) => method)], [
    ["notifications/tasks/status"],
    ["notifications/elicitation/complete"],
  ]);
  upstream.answer = () => OK;
  await assertRejects(
    () => instance.call(bob.call({ method: "tasks/result", params: { taskId: "1" } })),
    ExaiError,
    "no task",
  );
  assertEquals(await instance.call(ada.call({ method: "tasks/result", params: { taskId: "1" } })), OK);
});
