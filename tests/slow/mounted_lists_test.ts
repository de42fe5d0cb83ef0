import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../../lib/base/errors.ts";
import type { ListStore, StoredView } from "../../lib/upstream/list_store.ts";
import { Mounts } from "../../lib/upstream/mounts.ts";
import type { ServerConfig } from "../../lib/config/server_config.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { HeldTimers } from "../helpers/held_timers.ts";
import { settled, Upstream, Window } from "../helpers/instance.ts";
import { type MountedOptions, mountedUpstreams, toolsResult } from "../helpers/mounted.ts";
import { until } from "../helpers/until.ts";

const DESCRIPTION: StoredView["description"] = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {} },
  serverInfo: { name: "kept", version: "1" },
};
const CHANGED = "notifications/tools/list_changed";
const { signal } = new AbortController();

/** A store that has kept these tools, and what is kept in it since. */
function storeOf(...names: string[]): ListStore & { saved: StoredView[] } {
  const saved: StoredView[] = [];
  const tools = toolsResult(...names).result!.tools as [];
  return {
    saved,
    latest: () =>
      names.length === 0 ? undefined : { description: DESCRIPTION, lists: { tools }, asked: ["sampling"] },
    at: () => undefined,
    era: () => undefined,
    setEra: () => {},
    forget: () => {},
    varies: () => false,
    set: (_key, _place, view) => void saved.push(view),
  };
}

function rigOf(options: MountedOptions & { names?: string[] } = {}) {
  const shown = { names: options.names ?? ["a"] };
  const it = mountedUpstreams({
    capabilities: { tools: { listChanged: true } },
    answer: ({ method }) => method === "tools/list" ? toolsResult(...shown.names) : { result: {} },
    ...options,
  });
  const [ada, bob] = ["ada", "bob"].map((id) => new Window(id, {}, { cwd: "/w" })) as [Window, Window];
  const listed = async (window: Window) =>
    (await it.mounted.list("tools", window.call({ method: "tools/list", params: {} }))).map(({ name }) =>
      name
    );
  const own = async (window: Window, params = {}): Promise<unknown> => {
    const { result } = await it.mounted.target(window.call({ method: "tools/list", params }));
    return (result!.tools as { name: string }[]).map(({ name }) => name);
  };
  return Object.assign(it, { ada, bob, listed, own, shown });
}

Deno.test("a server that nothing is kept of is started for its list and its description, and both are kept", async () => {
  const lists = storeOf();
  await using it = rigOf({ lists });
  assertEquals([await it.listed(it.ada), it.starts()], [["a"], 1]);
  await until("it is kept", () => lists.saved.at(-1)?.lists.tools ? true : undefined);
  assertEquals([lists.saved.at(-1)!.description.serverInfo.name, lists.saved.at(-1)!.asked], ["it", []]);
  assertEquals((await it.mounted.describe(it.ada.caller, signal)).serverInfo.name, "it");
  assertEquals([...it.mounted.slots][0]!.sessionIds, [], "no window holds it");
});

Deno.test("what was kept is shown at once, and the server looked at once to see whether it still is so", async () => {
  const lists = storeOf("kept", "old");
  await using it = rigOf({ lists, names: ["kept", "new"], config: { idleStopMs: 1 } });
  assertEquals([await it.listed(it.ada), await it.own(it.bob)], [["kept", "old"], ["kept", "old"]]);
  assertEquals((await it.mounted.describe(it.ada.caller, signal)).serverInfo.name, "kept");
  await until("both are told", () => [it.ada, it.bob].every(({ heard }) => heard.length > 0) || undefined);
  assertEquals([it.ada.heard.map(({ method }) => method), it.bob.heard.map(({ method }) => method)], [
    [CHANGED],
    [CHANGED],
  ]);
  assertEquals([await it.listed(it.ada), it.starts()], [["kept", "new"], 1]);
  assert(it.changes.some(([kind]) => kind === "tools"));
  await until("it has stopped", () => it.upstreams[0]!.isClosed || undefined);
  assertEquals([...it.mounted.slots], []);
  assertEquals([await it.listed(it.bob), it.starts()], [["kept", "new"], 1]);
});

Deno.test("a page that is not the first is the server's own", async () => {
  await using it = rigOf({ lists: storeOf("kept"), names: ["page"] });
  assertEquals([await it.own(it.ada, { cursor: "2" }), await it.own(it.bob)], [["page"], ["page"]]);
});

Deno.test("a window is shown what its own process lists, and told when another says it has changed", async () => {
  // A list that is read is waited for as long as it takes, and not for 50 ms.
  using _waits = new HeldTimers(50);
  await using it = rigOf({ lists: storeOf("kept"), config: { share: "machine" } });
  assertEquals(await it.listed(it.bob), ["kept"]);
  await it.mounted.target(it.ada.call());
  assertEquals(await it.listed(it.ada), ["a"]);
  // Where a window works is looked up on the disk after its first list.
  await until("the other window is told", () => it.bob.heard.length > 0 || undefined);
  assertEquals(await it.listed(it.bob), ["a"]);
  it.bob.heard.length = it.ada.heard.length = 0;
  it.shown.names = ["b"];
  it.upstreams[0]!.say({ method: CHANGED });
  await until("it is told again", () => it.bob.heard.length > 0 || undefined);
  assertEquals([it.ada.heard.length, it.bob.heard.map(({ method }) => method)], [1, [CHANGED]]);
  assertEquals(await it.listed(it.bob), ["b"]);
});

Deno.test("a server that does not answer, or fails, goes on being shown as it was", async () => {
  await using it = rigOf();
  assertEquals(await it.listed(it.ada), ["a"]);
  const [upstream] = it.upstreams;
  let answer: Result | undefined;
  upstream!.answer = () => answer;
  upstream!.say({ method: CHANGED });
  // Where a window works is looked up on the disk after its first list.
  await until("the window is told", () => it.ada.heard.length > 0 || undefined);
  it.ada.heard.length = 0;
  assertEquals(await it.listed(it.ada), ["a"]);
  answer = toolsResult("late");
  upstream!.say({ id: upstream!.last("tools/list").id, ...answer });
  await until("it is told again", () => it.ada.heard.length > 0 || undefined);
  assertEquals([it.ada.heard.map(({ method }) => method), await it.listed(it.ada)], [[CHANGED], ["late"]]);
  answer = { error: { code: 1, message: "busy" } };
  upstream!.say({ method: CHANGED });
  assertEquals(await it.listed(it.ada), ["late"]);
});

Deno.test("a server that was never well says what is wrong with it", async () => {
  await using it = rigOf({
    onStart: () => {
      throw new ExaiError("UPSTREAM_UNAVAILABLE", "no such program");
    },
  });
  await assertRejects(() => it.listed(it.ada), ExaiError, "no such program");
  await assertRejects(() => it.mounted.describe(it.ada.caller, signal), ExaiError);
});

Deno.test("a list is asked for anew of what runs, for every window that would be led there", async () => {
  await using it = rigOf();
  const refresh = (window: Window) => it.mounted.refresh("tools", window.call(), { isNamed: false });
  assertEquals([await refresh(it.ada), it.starts()], [true, 1]);
  assertEquals(await it.listed(it.ada), ["a"]);
  it.shown.names = ["a", "b"];
  assertEquals([await refresh(it.bob), it.starts()], [true, 1]);
  assertEquals(await it.listed(it.ada), ["a", "b"]);
  assertEquals([await refresh(it.ada), it.starts()], [false, 1]);
  await using machine = rigOf({ config: { share: "machine" } });
  await machine.listed(machine.ada);
  machine.shown.names = ["c"];
  assertEquals(
    await machine.mounted.refresh("tools", new Window("cleo", {}, { cwd: "/x" }).call(), { isNamed: false }),
    true,
  );
});

Deno.test("what a server asked in the last daemon is known, and what it asks now is kept", async () => {
  const lists = storeOf("a");
  await using it = rigOf({ lists });
  await it.mounted.target(it.ada.call());
  assertEquals([...[...it.mounted.slots][0]!.usedCapabilities], ["sampling"]);
  await settled();
  it.upstreams[0]!.say({ id: "q", method: "elicitation/create", params: {} });
  await settled();
  assertEquals(lists.saved.at(-1)!.asked, ["sampling", "elicitation"]);
});

Deno.test("what is wrong with a list is told once, by name", async () => {
  await using it = rigOf({
    answer: ({ method }) => ({ result: method === "tools/list" ? { tools: [{ name: "odd" }] } : {} }),
  });
  assertEquals(await it.listed(it.ada), []);
  assertEquals(it.mounted.lists.faults.length, 1);
});

Deno.test("a window that has a task on a process it was on before sees it beside those of now", async () => {
  const roots = [{ uri: "file:///a" }];
  await using it = mountedUpstreams({
    answer: ({ method, params }, n) => {
      if (method === "tasks/list") {
        if (params?.cursor === "2") return { result: { tasks: [{ taskId: `more${n}` }] } };
        return {
          result: {
            tasks: [{ taskId: `t${n}` }, { taskId: "both", n }],
            nextCursor: n === 1 ? "2" : undefined,
          } as never,
        };
      }
      return { result: params?.task ? { task: { taskId: params.task } } : {} } as never;
    },
  });
  const ada = new Window("ada", { roots: {} }, { roots: () => Promise.resolve([...roots]) });
  const idsOf = async (params = {}) => {
    const { result } = await it.mounted.target(ada.call({ method: "tasks/list", params }));
    return (result!.tasks as { taskId: string; n?: number }[]).map(({ taskId, n }) => taskId + (n ?? ""));
  };
  const begin = (taskId: string) => it.mounted.target(ada.call({ params: { name: "x", task: taskId } }));
  for (const taskId of ["t1", "both", "more1"]) await begin(taskId);
  assertEquals(await idsOf(), ["t1", "both1"]);
  roots[0] = { uri: "file:///b" };
  it.mounted.notify(ada.caller, "notifications/roots/list_changed", {});
  await settled();
  for (const taskId of ["t2", "more2"]) await begin(taskId);
  // What a process lists that was not begun on it may be anybody's there.
  assertEquals(await idsOf(), ["t2", "t1", "both1", "more1"]);
  assertEquals(await idsOf({ cursor: "2" }), ["more2"]);
  it.upstreams[0]!.answer = () => ({ error: { code: 1, message: "busy" } });
  assertEquals(await idsOf(), ["t2"]);
  assertEquals(
    (await it.mounted.target(ada.call({ method: "tasks/get", params: { taskId: "t1" } }))).error?.code,
    1,
  );
});

/** Mounted servers each of which is an {@linkcode Upstream}. */
function mountsOf() {
  const changes: (readonly string[])[] = [];
  const upstreams = new Map<string, Upstream>();
  const mounts = new Mounts({
    connect: ({ name }) => {
      const upstream = new Upstream();
      upstream.answer = () => ({ result: {} });
      upstreams.set(name, upstream);
      return Promise.resolve(upstream);
    },
    clientInfo: { name: "exai", version: "1" },
    onListChanged: () => {},
    onServersChanged: (names) => void changes.push(names),
  });
  const config = (name: string, more: Partial<ServerConfig> = {}) =>
    ({
      kind: "stdio",
      name,
      title: name,
      share: "machine",
      cwdFree: true,
      tools: { exclude: [], rename: {}, prefix: "" },
      startTimeoutMs: 5000,
      idleStopMs: 0,
      command: name,
      args: [],
      env: {},
      ...more,
    }) as ServerConfig;
  const apply = (added: string[], removed: string[] = [], changed: string[] = []) => {
    const names = [...added, ...removed, ...changed];
    mounts.apply({ servers: new Map(names.map((name) => [name, config(name)])), added, removed, changed });
  };
  return { mounts, apply, changes, upstreams, names: () => mounts.servers.map(({ name }) => name) };
}

Deno.test("servers are in the order of their names, and it is told which have come, gone or changed", async () => {
  const { mounts, apply, changes, names } = mountsOf();
  apply(["b", "a", "c"]);
  const before = mounts.servers.find(({ name }) => name === "a");
  assertEquals(names(), ["a", "b", "c"]);
  apply([], ["b"], ["a"]);
  assertEquals([names(), mounts.servers[0] === before], [["a", "c"], false]);
  apply([]);
  apply([], ["none"]);
  assertEquals(changes, [["b", "a", "c"], ["b", "a"], ["none"]]);
  await mounts[Symbol.asyncDispose]();
  assertEquals(names(), []);
});

Deno.test("a task that runs while its server is taken out and put back is reached by its window, and by no other", async () => {
  const { mounts, apply, upstreams } = mountsOf();
  const [ada, bob] = [new Window("ada"), new Window("bob")];
  const ask = (window: Window, taskId: string) =>
    mounts.servers[0]!.target(window.call({ method: "tasks/get", params: { taskId } }));
  const begin = (taskId: string) => {
    upstreams.get("a")!.answer = ({ method }) => ({
      result: method === "tools/call" ? { task: { taskId, ttl: 60_000 } } : { of: taskId },
    });
    return mounts.servers[0]!.target(ada.call({ params: { name: "x", task: {} } }));
  };
  const first = ["one", "two"];
  apply(["a"]);
  for (const [n, taskId] of first.entries()) {
    await mounts.servers[0]!.target(ada.call());
    await begin(taskId);
    apply([], ["a"]);
    apply(["a"]);
    for (const known of first.slice(0, n + 1)) {
      assertEquals((await ask(ada, known)).result, { of: known });
      await assertRejects(() => ask(bob, known), ExaiError, `no task "${known}" of this session`);
    }
  }
  await mounts[Symbol.asyncDispose]();
});

Deno.test("one that was changed goes on with its subscriptions; one that is taken out is stopped; reload forgives", async () => {
  const { mounts, apply, upstreams } = mountsOf();
  apply(["a"]);
  const ada = new Window("ada");
  await mounts.servers[0]!.target(ada.call({ method: "resources/subscribe", params: { uri: "a:" } }));
  const [first] = [upstreams.get("a")!];
  apply([], [], ["a"]);
  await until("it is subscribed again", () => {
    const now = upstreams.get("a")!;
    return now !== first ? now.last("resources/subscribe") : undefined;
  });
  await until("the old one is stopped", () => first.isClosed || undefined);
  const failing = [...mounts.servers[0]!.records][0]!.supervisor;
  failing.failed({ begunAtMs: 0 }, new ExaiError("UPSTREAM_UNAVAILABLE", "x"), 0);
  mounts.resetBackoff();
  assertEquals(failing.isClean, true);
  apply([], ["a"]);
  await mounts[Symbol.asyncDispose]();
  assertEquals(upstreams.get("a")!.isClosed, true);
});
