import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import type { JsonObject } from "../lib/base/json.ts";
import type { Caller } from "../lib/call/call.ts";
import { changedLists, listChangedMethod } from "../lib/call/list_changes.ts";
import type { Server } from "../lib/call/server.ts";
import { toolSetsOf } from "../lib/router/tool_set.ts";
import { paramsForRequest } from "../lib/session/modern_notifications.ts";
import { LIST_FLAGS } from "../lib/wire/list_flags.ts";
import { ask, callerOf, FakeServer, routerOf, toolsOf } from "./helpers/fake_server.ts";
import { until } from "./helpers/until.ts";

/** A router of `servers` and one window, which takes notifications as a session does. */
function windowOf(first: readonly Server[], options: Parameters<typeof routerOf>[1] = {}, alone?: string) {
  let servers = first;
  const router = routerOf([], { servers: () => servers, ...options });
  const told: string[] = [];
  const caller: Caller = callerOf({ id: "ada", server: alone, notify: (method) => hear(method) });
  const hear = (method: string) => {
    router.listChanges.changed(caller, changedLists(method), () => told.push(method.split("/")[1]!));
  };
  return {
    router,
    caller,
    list: (kind = "tools") => ask(router, `${kind}/list`, {}, { caller }),
    mount(now: readonly Server[]) {
      servers = now;
    },
    /** Says that each list may have changed; resolves with what the window is told. */
    async change(...kinds: string[]): Promise<string[]> {
      router.invalidate();
      for (const kind of kinds.length > 0 ? kinds : ["tools", "prompts", "resources"]) {
        hear(`notifications/${kind}/list_changed`);
      }
      await settled();
      return told.splice(0);
    },
    /** What the window was told since the last time. */
    async heard(): Promise<string[]> {
      await settled();
      return told.splice(0);
    },
    causes: () => router.changeCounts.causes.map(({ cause, server, count }) => `${cause} ${server} ${count}`),
  };
}

/** All that is decided without waiting is decided. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("a window is told of lists that have changed, once for each change, and of no others", async () => {
  const server = new FakeServer("a", { tools: toolsOf("t"), prompts: [{ name: "p" }] });
  const at = windowOf([server]);
  assertEquals(await at.change(), [], "it has seen no list");
  await at.list();
  assertEquals(await at.change(), []);
  server.lists.tools = structuredClone(server.lists.tools!);
  server.lists.prompts = [];
  assertEquals(await at.change(), [], "equal, and not seen");
  server.lists.tools = toolsOf("t", "u");
  assertEquals(await at.change("tools", "tools", "prompts"), ["tools"]);
  assertEquals(await at.change(), [], "it knows");
  server.lists.tools = toolsOf("u");
  assertEquals(await at.change(), ["tools"]);
  await at.list();
  assertEquals(await at.change(), []);
  assertEquals(at.causes(), ["changed a 2"]);
  assertEquals(at.router.changeCounts.total, 2);
});

Deno.test("resources and their templates are one notification", async () => {
  const server = new FakeServer("a", { resources: [{ uri: "x:1", name: "r" }] });
  const at = windowOf([server]);
  await at.list("resources");
  await at.list("resources/templates");
  server.lists.templates = [{ uriTemplate: "x:{n}", name: "t" }];
  assertEquals(await at.change("resources"), ["resources"]);
  server.lists.resources = [];
  assertEquals(await at.change("resources"), ["resources"]);
});

Deno.test("why lists changed is counted by cause and server", async () => {
  const [a, b] = [new FakeServer("a", { tools: toolsOf("t") }), new FakeServer("b", { tools: toolsOf("u") })];
  const sets = { now: toolSetsOf([]) };
  const at = windowOf([a], { toolSets: () => sets.now });
  const list = b.list.bind(b);
  b.list = () => Promise.reject(new Error("it is ill"));
  await at.list();
  at.mount([a, b]);
  assertEquals(await at.change(), [], "nothing of it can be seen");
  await at.list();
  b.list = list;
  assertEquals(await at.change(), ["tools"]);
  await at.list();
  const c = new FakeServer("c", { tools: toolsOf("v") });
  at.mount([a, b, c]);
  await at.change();
  await at.list();
  at.mount([a, c]);
  await at.change();
  await at.list();
  sets.now = toolSetsOf([{ client: "*", include: undefined, exclude: [], search: "on" }]);
  await at.change();
  assertEquals(at.causes().sort(), ["known b 1", "mounted c 1", "removed b 1", "settings undefined 1"]);
});

Deno.test("a server that cannot be asked just now is no change, and neither is its return", async () => {
  const [a, b] = [new FakeServer("a", { tools: toolsOf("t") }), new FakeServer("b", { tools: toolsOf("u") })];
  const at = windowOf([a, b]);
  await at.list();
  const list = b.list.bind(b);
  b.list = () => Promise.reject(new Error("it is being restarted"));
  assertEquals(await at.change(), []);
  a.lists.tools = toolsOf("t", "more");
  assertEquals(await at.change(), ["tools"], "what others change is told all the same");
  b.list = list;
  assertEquals(await at.change(), []);
});

Deno.test("a change while a list is being answered is told once the answer shows that it came too early", async () => {
  const server = new FakeServer("a", { tools: toolsOf("old") });
  const at = windowOf([server]);
  const held = Promise.withResolvers<readonly JsonObject[]>();
  const list = server.list.bind(server);
  server.list = () => held.promise;
  const listing = at.list();
  await settled();
  server.list = list;
  server.lists.tools = toolsOf("new");
  assertEquals(await at.change(), []);
  held.resolve(toolsOf("old"));
  await listing;
  assertEquals(await at.heard(), ["tools"]);
});

Deno.test("a change while lists are compared is compared too", async () => {
  const server = new FakeServer("a", { tools: toolsOf("one") });
  const at = windowOf([server]);
  await at.list();
  const held = Promise.withResolvers<readonly JsonObject[]>();
  const list = server.list.bind(server);
  server.list = () => held.promise;
  assertEquals(await at.change(), []);
  server.list = list;
  server.lists.tools = toolsOf("two");
  assertEquals(await at.change(), []);
  held.resolve(toolsOf("one"));
  assertEquals(await at.heard(), ["tools"]);
  assertEquals(at.router.changeCounts.total, 1);
});

Deno.test("a change during the last comparison is compared too, however many came before", async () => {
  const server = new FakeServer("a", { tools: toolsOf("one") });
  const at = windowOf([server]);
  await at.list();
  const list = server.list.bind(server);
  let comparisons = 0;
  server.list = async (kind, call) => {
    const before = await list(kind, call);
    if (++comparisons > 5) return before;
    if (comparisons === 5) server.lists.tools = toolsOf("two");
    at.caller.notify("notifications/tools/list_changed");
    return before;
  };
  assertEquals(await at.change("tools"), []);
  await until("it is told", () => at.causes().length > 0 || undefined);
  assertEquals([await at.heard(), at.causes()], [["tools"], ["changed a 1"]]);
});

Deno.test("a server that announces a change whenever it is asked is not asked for ever", async () => {
  const server = new FakeServer("a", { tools: toolsOf("one") });
  const at = windowOf([server]);
  await at.list();
  const list = server.list.bind(server);
  let asked = 0;
  server.list = async (kind, call) => {
    asked++;
    at.caller.notify("notifications/tools/list_changed");
    return await list(kind, call);
  };
  assertEquals(await at.change("tools"), []);
  await until("it is looked at once more", () => asked > 3 || undefined);
  await delay(700);
  assertEquals([asked, await at.heard()], [6, []]);
});

/** Servers with a tool of their name each, whose lists arrive once they are released. */
function lateServers(...names: string[]) {
  const held = Promise.withResolvers<void>();
  const servers = names.map((name) => {
    const server = new FakeServer(name, { tools: toolsOf(name) });
    const list = server.list.bind(server);
    server.list = async (kind, call) => (await held.promise, await list(kind, call));
    return server;
  });
  return { servers, release: held.resolve };
}

Deno.test("lists that arrive together are one notification, and none for a window that was shown them meanwhile", async () => {
  for (const isShown of [false, true]) {
    const { servers, release } = lateServers("a", "b");
    const at = windowOf(servers, { listDeadlineMs: 1 });
    await at.list();
    release();
    await settled();
    if (isShown) await at.list();
    await delay(100);
    assertEquals(await at.heard(), isShown ? [] : ["tools"]);
  }
});

Deno.test("a window that calls a tool before its list has arrived is told of that list", async () => {
  const { servers, release } = lateServers("a");
  const at = windowOf(servers, { listDeadlineMs: 1 });
  await at.list();
  const called = ask(at.router, "tools/call", { name: "a" }, { caller: at.caller });
  await settled();
  release();
  await called;
  await until("it is told", () => at.causes().length > 0 || undefined);
  assertEquals(await at.heard(), ["tools"]);
});

Deno.test("comparing lists for a window changes nothing about the names it may call", async () => {
  const server = new FakeServer("a", { tools: toolsOf("old") });
  const at = windowOf([server]);
  await at.list();
  server.lists.tools = toolsOf("new");
  await at.change();
  await ask(at.router, "tools/call", { name: "new" }, { caller: at.caller });
  server.lists.tools = toolsOf("old", "new");
  await ask(at.router, "tools/call", { name: "old" }, { caller: at.caller });
});

Deno.test("a window of one server is told by the same rule; of a list in pages it is told each time", async () => {
  const server = new FakeServer("a");
  let result: JsonObject = { tools: toolsOf("t") };
  server.answer = () => ({ result });
  const at = windowOf([server], {}, "a");
  await at.list();
  assertEquals(await at.change("tools"), []);
  result = { tools: toolsOf("t", "u") };
  assertEquals(await at.change("tools"), ["tools"]);
  result = { tools: toolsOf("t"), nextCursor: "2" };
  await at.list();
  assertEquals(await at.change("tools"), ["tools"]);
  assertEquals(await at.change("tools"), ["tools"]);
});

Deno.test("a session that has ended is told nothing", async () => {
  const server = new FakeServer("a", { tools: toolsOf("t") });
  const at = windowOf([server]);
  await at.list();
  at.router.detach(at.caller);
  server.lists.tools = [];
  assertEquals(await at.change(), []);
});

Deno.test("each change of a list that a listen may ask for is one of some list, and is told to no request", () => {
  assertEquals(LIST_FLAGS.map(({ flag, method }) => [flag, changedLists(method)]), [
    ["toolsListChanged", ["tools"]],
    ["promptsListChanged", ["prompts"]],
    ["resourcesListChanged", ["resources", "templates"]],
  ]);
  for (const { method } of LIST_FLAGS) {
    assertEquals(changedLists(method).map(listChangedMethod).every((told) => told === method), true);
    assertEquals(paramsForRequest({ token: "1", logLevel: "debug" }, method, {}), undefined);
  }
});
