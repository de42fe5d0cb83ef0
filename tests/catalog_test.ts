import { assertEquals, assertRejects } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import type { ListKind, Server } from "../lib/call/server.ts";
import { Catalog } from "../lib/router/catalog.ts";
import { Router } from "../lib/router/router.ts";
import { toolSetsOf } from "../lib/router/tool_set.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { call as makeCall } from "./helpers/call.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { routerOf } from "./helpers/fake_server.ts";

/** No test waits so long: a list that waits for a deadline of this length never comes. */
const NEVER_MS = 2 ** 31 - 1;

/** A server of one tool whose list can be held back. */
class HeldServer implements Server {
  readonly target = () => Promise.resolve({ result: textResult("") });
  list: Server["list"];

  constructor(readonly name: string, public tools: string[] = [name]) {
    this.list = this.answer;
  }

  readonly answer = (kind: ListKind): Promise<JsonObject[]> =>
    Promise.resolve(kind === "tools" ? this.tools.map((name) => ({ name })) : []);

  /** From now on lists are not answered before the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.list = async (kind) => {
      await promise;
      return await this.answer(kind);
    };
    return () => {
      this.list = this.answer;
      resolve();
    };
  }

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
  }
}

/** A call of the session `id`; what its client is told is kept, and can be awaited. */
function callOf(id: string, cwd?: string) {
  const told = Promise.withResolvers<string>();
  const call = {
    method: "tools/list",
    params: {},
    caller: { id, cwd, notify: (method: string) => told.resolve(method) },
    signal: new AbortController().signal,
    progressToken: undefined,
    notify: () => {},
    ask: () => Promise.reject(new Error("not asked")),
  } as unknown as Call;
  return Object.assign(call, { told: told.promise });
}

const namesIn = (entries: ReadonlyMap<string, unknown>) => [...entries.keys()];

Deno.test("a server that is late is left out, and every window that missed it is told when it has come", async () => {
  const [slow, quick] = [new HeldServer("slow"), new HeldServer("quick")];
  const catalog = new Catalog({ servers: () => [slow, quick], deadlineMs: 1 });
  const release = slow.hold();
  const calls = [callOf("ada"), callOf("bob")];
  for (const call of calls) assertEquals(namesIn(await catalog.list("tools", call)), ["quick"]);
  release();
  for (const call of calls) {
    assertEquals(await call.told, "notifications/tools/list_changed");
    assertEquals(namesIn(await catalog.list("tools", call)), ["slow", "quick"]);
  }
});

Deno.test("once a server's list has changed, calls of its neighbours do not wait for it to be listed anew", async () => {
  const [moody, quick] = [new HeldServer("moody"), new HeldServer("quick")];
  const catalog = new Catalog({ servers: () => [moody, quick], deadlineMs: NEVER_MS });
  const call = callOf("ada");
  await catalog.list("tools", call);
  const release = moody.hold();
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "quick", call))?.server, quick);
  release();
});

Deno.test("a tool that has moved to another server is found there", async () => {
  const [before, after] = [new HeldServer("before", ["tool"]), new HeldServer("after", [])];
  const catalog = new Catalog({ servers: () => [before, after], deadlineMs: NEVER_MS });
  const call = callOf("ada");
  assertEquals((await catalog.find("tools", "tool", call))?.server, before);
  [before.tools, after.tools] = [[], ["tool"]];
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "tool", call))?.server, after);
});

Deno.test("what a server that was unmounted offered leads nowhere; its successor is found in its place", async () => {
  const servers = [new HeldServer("one", ["tool"])];
  const catalog = new Catalog({ servers: () => servers, deadlineMs: NEVER_MS });
  const call = callOf("ada");
  await catalog.list("tools", call);
  servers[0] = new HeldServer("one", ["tool"]);
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "tool", call))?.server, servers[0]);
  servers.length = 0;
  catalog.invalidate();
  assertEquals(await catalog.find("tools", "tool", call), undefined);
});

Deno.test("a tool a window was shown still leads to its server when that cannot be listed: it says itself why", async () => {
  const server = new HeldServer("ill");
  const catalog = new Catalog({ servers: () => [server], deadlineMs: NEVER_MS });
  const call = callOf("window");
  await catalog.list("tools", call);
  catalog.invalidate();
  server.list = () => Promise.reject(new Error("it is being restarted"));
  assertEquals((await catalog.find("tools", "ill", call))?.server, server);
  assertEquals(await catalog.find("tools", "never", call), undefined);
});

Deno.test("the first call of a window does not wait for a slow server that it does not name", async () => {
  const [slow, quick] = [new HeldServer("slow"), new HeldServer("quick")];
  const catalog = new Catalog({ servers: () => [slow, quick], deadlineMs: NEVER_MS });
  const release = slow.hold();
  const call = callOf("ada");
  assertEquals((await catalog.find("tools", "quick", call))?.server, quick);
  const other = catalog.find("tools", "slow", call);
  release();
  assertEquals((await other)?.server, slow);
});

Deno.test("a name two servers have at hand is not that of the one that is quicker", async () => {
  const [one, two, slow] = [
    new HeldServer("one", ["echo"]),
    new HeldServer("two", ["echo"]),
    new HeldServer("slow"),
  ];
  const catalog = new Catalog({ servers: () => [one, two, slow], deadlineMs: NEVER_MS });
  const release = slow.hold();
  const found = catalog.find("tools", "echo", callOf("ada"));
  setTimeout(release, 150);
  assertEquals(await found, undefined);
});

Deno.test("a list that is late for one window is not waited for by another, wherever that is", async () => {
  const slow = new HeldServer("slow");
  const release = slow.hold();
  let deadlineMs = 1;
  const catalog = new Catalog({
    servers: () => [slow],
    get deadlineMs() {
      return deadlineMs;
    },
  });
  assertEquals(namesIn(await catalog.list("tools", callOf("ada", "/p"))), []);
  deadlineMs = NEVER_MS;
  assertEquals(namesIn(await catalog.list("tools", callOf("bob", "/p"))), []);
  assertEquals(namesIn(await catalog.list("tools", callOf("cyd", "/q"))), []);
  release();
  await soon(() => Promise.resolve());
  assertEquals(namesIn(await catalog.list("tools", callOf("dan", "/q"))), ["slow"]);
});

Deno.test("lists that a server remembers are waited for, however long that takes", async () => {
  const [busy, late] = [new HeldServer("busy"), new HeldServer("late")];
  const knows = Object.assign(busy, { knows: () => true });
  const catalog = new Catalog({ servers: () => [knows, late], deadlineMs: 1 });
  for (const server of [busy, late]) {
    const answer = server.answer;
    server.list = (kind) => soon(() => answer(kind));
  }
  assertEquals(namesIn(await catalog.list("tools", callOf("ada"))), ["busy"]);
  await soon(() => Promise.resolve());
});

const soon = <T>(work: () => Promise<T>) =>
  new Promise<T>((resolve) => setTimeout(() => resolve(work()), 30));

Deno.test("a server that never lists delays a name that nobody has once, and its own names each time", async () => {
  using clock = new FakeClock();
  const silent = Object.assign(new HeldServer("silent"), { startTimeoutMs: 300 });
  silent.list = () => new Promise(() => {});
  const catalog = new Catalog({ servers: () => [silent], deadlineMs: 1 });
  const call = callOf("ada");
  const isSlow = async (name: string) => {
    let isLate = true;
    const searching = catalog.search("tools", name, call).finally(() => isLate = false);
    await clock.pass(250);
    const wasLate = isLate;
    await clock.pass(100);
    const { missing } = await searching;
    assertEquals(missing.map(({ why }) => why), ["its list was waited for 0.3 s and has not come"]);
    return wasLate;
  };
  assertEquals(await isSlow("none"), true);
  assertEquals(await isSlow("neither"), false);
  assertEquals(await isSlow("silent__tool"), true);
});

Deno.test("a window hears of the list of a server mounted anew although the old one's never comes", async () => {
  let servers = [new HeldServer("moody")];
  const catalog = new Catalog({ servers: () => servers, deadlineMs: 1 });
  servers[0]!.hold();
  assertEquals(namesIn(await catalog.list("tools", callOf("ada"))), []);
  const anew = new HeldServer("moody");
  const release = anew.hold();
  servers = [anew];
  const call = callOf("ada");
  assertEquals(namesIn(await catalog.list("tools", call)), []);
  release();
  assertEquals(await call.told, "notifications/tools/list_changed");
});

Deno.test("a server's own name before a tool's always leads to it, and so does a name it had; of several it says which", async () => {
  const [one, two] = [new HeldServer("one", ["echo", "own"]), new HeldServer("two", ["echo"])];
  let servers: Server[] = [one];
  const narrowed = toolSetsOf([
    { client: "narrow", include: undefined, exclude: ["own"], search: undefined },
  ]);
  const router = new Router({
    servers: () => servers,
    serverInfo: { name: "exai", version: "1" },
    policies: [],
    policiesFor: () => [],
    queryPoliciesFor: () => [],
    listDeadlineMs: 1000,
    toolSets: () => narrowed,
  });
  const { caller: ada } = makeCall();
  const narrow = { ...ada, id: "narrow", client: { name: "narrow", version: "1" } };
  const ask = (name: string, client?: string) =>
    router.target(makeCall({ params: { name }, caller: client ? narrow : ada }));
  for (const name of ["echo", "one__echo", "own", "one__own"]) await ask(name);
  for (const name of ["own", "one__own"]) await assertRejects(() => ask(name, "narrow"), Error, "hidden");
  servers = [one, two];
  router.invalidate();
  await ask("echo");
  await router.target(makeCall({ method: "tools/list", params: {}, caller: ada }));
  await ask("echo");
  for (const name of ["one__echo", "two__echo", "one__own"]) await ask(name);
  const fresh = routerOf([one, two]);
  const unnamed = fresh.target(makeCall({ params: { name: "echo" } }));
  await assertRejects(() => unnamed, Error, "it is one__echo or two__echo now");
});

Deno.test("what comes after the end of a session is kept for nobody, and not shown to the next under its id", async () => {
  const [quick, slow] = [new HeldServer("quick"), new HeldServer("slow")];
  const catalog = new Catalog({ servers: () => [quick, slow], deadlineMs: NEVER_MS });
  const release = slow.hold();
  const [call, next] = [callOf("ada"), callOf("ada")];
  const found = await catalog.find("tools", "quick", call);
  assertEquals(found?.server, quick);
  catalog.forget(call.caller);
  release();
  await soon(() => Promise.resolve());
  for (const { caller } of [call, next]) assertEquals(catalog.nameOf("tools", found!, caller), undefined);
  await catalog.list("tools", next);
  assertEquals(catalog.nameOf("tools", found!, next.caller), "quick");
});

Deno.test("a window under the id of one that is over hears of a late list, and the one that is over does not", async () => {
  const slow = new HeldServer("slow");
  const catalog = new Catalog({ servers: () => [slow], deadlineMs: 1 });
  const release = slow.hold();
  const [call, next] = [callOf("ada"), callOf("ada")];
  let isTold = false;
  void call.told.then(() => isTold = true);
  assertEquals(namesIn(await catalog.list("tools", call)), []);
  catalog.forget(call.caller);
  assertEquals(namesIn(await catalog.list("tools", next)), []);
  release();
  assertEquals(await next.told, "notifications/tools/list_changed");
  assertEquals(isTold, false);
});
