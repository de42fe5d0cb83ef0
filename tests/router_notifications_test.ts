import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { ask, callerOf, FakeServer, routerOf } from "./helpers/fake_server.ts";

Deno.test("a notification goes to those it may concern: of a window of all servers roots and tasks, no other", () => {
  const heard: string[] = [];
  const servers = ["a", "b"].map((name) => {
    const server = new FakeServer(name);
    server.notify = (_caller, method, params) => heard.push(`${name} ${method} ${JSON.stringify(params)}`);
    return server;
  });
  const router = routerOf([...servers, new FakeServer("deaf")]);
  const methods = ["initialized", "roots/list_changed", "tasks/status", "odd"];
  const tell = (server?: string) => {
    for (const method of methods) router.notify(callerOf({ server }), `notifications/${method}`, { n: 1 });
    return heard.splice(0);
  };
  assertEquals(tell(), [
    'a notifications/roots/list_changed {"n":1}',
    'b notifications/roots/list_changed {"n":1}',
    'a notifications/tasks/status {"n":1}',
    'b notifications/tasks/status {"n":1}',
  ]);
  assertEquals(
    tell("b"),
    methods.slice(1).map((method) => `b notifications/${method} {"n":1}`),
  );
});

Deno.test("at the door of one server no notification comes as a request, and no request as a notification", async () => {
  const server = new FakeServer("a");
  const heard: string[] = [];
  server.notify = (_caller, method) => heard.push(method);
  const router = routerOf([server]);
  for (const method of ["notifications/cancelled", "notifications/initialized", "notifications/x"]) {
    const asking = ask(router, method, { requestId: 1 }, { caller: callerOf({ server: "a" }) });
    const { code, message } = await assertRejects(() => asking, ExaiError);
    assertEquals([code, message], ["METHOD_NOT_FOUND", `this server has no method ${method}`]);
  }
  assertEquals(server.calls, []);
  for (const method of ["tools/call", "initialize", "notifications/x"]) {
    router.notify(callerOf({ server: "a" }), method, {});
  }
  assertEquals(heard, ["notifications/x"]);
});
