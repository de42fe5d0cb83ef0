import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { ListMemory, type OutdatedLists } from "../lib/upstream/lists/list_memory.ts";
import type { ListKey, StoredView } from "../lib/upstream/list_store.ts";
import { type ListScope, listScopeOf } from "../lib/upstream/share_key.ts";
import type { Scope } from "../lib/upstream/sharing/decide_share.ts";
import { Window } from "./helpers/instance.ts";

const tool = (name: string): JsonObject => ({ name });
const namesOf = (list: readonly JsonObject[] | undefined) => list?.map(({ name, uri }) => name ?? uri);
const told = (outdated: OutdatedLists) => outdated.map(([kind, { id }]) => `${id} ${kind}`);

const STDIO = {
  kind: "stdio",
  name: "s",
  title: "s",
  share: "project",
  cwdFree: false,
  command: "c",
  args: ["a"],
  env: { E: "1" },
  cwd: "/w",
} as never as ServerConfig;
const HTTP = { ...STDIO, kind: "http", url: "http://h/", headers: { h: "1" } } as never as ServerConfig;
const DESCRIPTION: StoredView["description"] = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {} },
  serverInfo: { name: "s", version: "1" },
};
const place = (listKey: string, resourcesFor: ListScope["resourcesFor"] = "directory"): ListScope => ({
  listKey,
  advertised: {},
  credentials: "owner",
  resourcesFor,
});
const [HERE, THERE] = [place("here"), place("there")];
const [ADA, BOB] = ["ada", "bob"].map((id) => new Window(id).caller) as [Window["caller"], Window["caller"]];

/** A memory with what its store was asked for and given. */
function memoryOf(config = STDIO, kept?: StoredView) {
  const keys: ListKey[] = [];
  const saved: StoredView[] = [];
  const places = new Map<string, StoredView>();
  const memory = new ListMemory(config, {
    latest: (key) => (keys.push(key), kept),
    at: (_, place) => places.get(place),
    era: () => undefined,
    setEra: () => {},
    forget: () => {},
    varies: () => new Set(places.values().map(({ lists }) => JSON.stringify(lists))).size > 1,
    set: (_, place, view) => {
      places.set(place, view);
      saved.push(view);
    },
  });
  const learn = (list: JsonObject[], where = HERE, asOf = memory.viewAt(where).changes) =>
    told(memory.learn("tools", { list, asOf }, where));
  return { memory, keys, saved, learn };
}

Deno.test("a change that comes before it is known where a window works is told once it is", () => {
  const { memory, learn } = memoryOf();
  learn([tool("a")]);
  assertEquals(memory.listShown("tools", memory.viewOf(BOB).lists.get("tools")!, BOB), false);
  assertEquals(told(memory.changed(["tools"], HERE)), []);
  assertEquals(told(memory.setScope(BOB, HERE)), ["bob tools"]);
  assertEquals(told(memory.setScope(BOB, THERE)), []);
});

Deno.test("a window is shown what its own place shows, and before that is known what was kept", () => {
  const kept: StoredView = {
    description: DESCRIPTION,
    lists: { tools: [tool("kept")] },
    asked: ["sampling"],
  };
  const { memory, learn } = memoryOf(STDIO, kept);
  assertEquals([namesOf(memory.viewOf(ADA).current("tools")), memory.hasScope(ADA)], [["kept"], false]);
  assertEquals([...memory.usedCapabilities], ["sampling"]);
  memory.setScope(ADA, HERE);
  assertEquals([namesOf(memory.viewOf(ADA).current("tools")), memory.hasScope(ADA)], [["kept"], true]);
  assertEquals(memory.viewOf(ADA).description, DESCRIPTION);
  learn([tool("here")]);
  learn([tool("there")], THERE);
  assertEquals(namesOf(memory.viewOf(ADA).current("tools")), ["here"]);
  memory.setScope(ADA, THERE);
  assertEquals(namesOf(memory.viewOf(ADA).current("tools")), ["there"]);
  const shown = [...memory.lists()].map(([kind, list]) => `${kind} ${namesOf(list)}`);
  assert(["tools here", "tools there"].every((line) => shown.includes(line)), shown.join());
  assertEquals(namesOf(memory.viewOf(BOB).current("tools")), ["there"], "what was listed last, wherever");
});

Deno.test("a window that has seen a list hears once that its place shows another, and of other places nothing", () => {
  const { memory, learn } = memoryOf();
  const list = [tool("a")];
  assertEquals(learn(list), []);
  memory.setScope(ADA, HERE);
  memory.setScope(BOB, THERE);
  learn(list, THERE);
  for (const caller of [ADA, BOB]) assertEquals(memory.listShown("tools", list, caller), false);
  assertEquals([learn(list), learn([tool("a")]), learn([tool("b")]), learn([tool("c")])], [[], [], [
    "ada tools",
  ], []]);
  assertEquals(memory.listShown("tools", [tool("c")], ADA), false);
  assertEquals(memory.listShown("tools", [tool("old")], ADA), true);
  assertEquals(learn([tool("d")]), []);
});

Deno.test("a window that asks for a list need not be told of it", () => {
  const { memory, learn } = memoryOf();
  memory.setScope(ADA, HERE);
  memory.listRequested("tools", ADA);
  memory.listRequested("tools", BOB);
  memory.listShown("tools", [tool("a")], ADA);
  memory.listRequested("tools", ADA);
  assertEquals(learn([tool("b")]), []);
});

Deno.test("a window that is led elsewhere hears what is other there", () => {
  const { memory, learn } = memoryOf();
  const list = [tool("a")];
  learn(list);
  learn([tool("b")], THERE);
  memory.setScope(ADA, HERE);
  memory.listShown("tools", list, ADA);
  assertEquals([
    told(memory.setScope(ADA, HERE)),
    told(memory.setScope(ADA, THERE)),
    told(memory.setScope(ADA, HERE)),
  ], [
    [],
    ["ada tools"],
    [],
  ]);
});

Deno.test("a change is told to those of its place that have seen such a list, and the list is not shown any more", () => {
  const { memory, learn } = memoryOf();
  const list = [tool("a")];
  for (const where of [HERE, THERE]) learn(list, where);
  memory.setScope(ADA, HERE);
  memory.setScope(BOB, THERE);
  for (const caller of [ADA, BOB]) memory.listShown("tools", list, caller);
  assertEquals(told(memory.changed(["tools", "prompts"], HERE)), ["ada tools"]);
  assertEquals([memory.viewAt(HERE).current("tools"), namesOf(memory.viewAt(THERE).current("tools"))], [
    undefined,
    ["a"],
  ]);
  assertEquals(told(memory.changed(["tools"], place("nowhere"))), []);
  const { changes } = memory.viewAt(HERE);
  learn([tool("old")], HERE, changes - 1);
  assertEquals(memory.viewAt(HERE).current("tools"), undefined);
  learn([tool("new")], HERE, changes);
  assertEquals(namesOf(memory.viewAt(HERE).current("tools")), ["new"]);
});

Deno.test("of a window that is over nothing is kept, whatever comes late for it", () => {
  const { memory, learn } = memoryOf();
  const ada = new Window("ada").caller;
  memory.setScope(ada, HERE);
  memory.listShown("tools", [tool("a")], ada);
  memory.forget(ada);
  assertEquals([learn([tool("b")]), memory.hasScope(ada)], [[], false]);
  memory.setScope(ada, HERE);
  memory.listShown("tools", [tool("a")], ada);
  assertEquals([learn([tool("c")]), memory.hasScope(ada)], [[], false]);
});

Deno.test("resources of one directory are shown in no other, and those of one window not even to the next there", () => {
  const resources = [{ uri: "a:" }];
  const of = (where: ListScope) => {
    const { memory, saved } = memoryOf();
    memory.viewAt(where).description = DESCRIPTION;
    memory.learn("resources", { list: resources, asOf: 0 }, where);
    const other = memory.viewAt({ ...where, listKey: "other" });
    return [memory.viewAt(where).lists.has("resources"), other.lists.has("resources"), saved.length];
  };
  assertEquals(of(place("p", "everybody")), [true, true, 1]);
  assertEquals(of(place("p", "directory")), [true, false, 0]);
  assertEquals(of(place("p", "session")), [false, false, 0]);
});

Deno.test("a server that has no resources has none anywhere, once it has described itself", () => {
  const view = memoryOf().memory.viewAt(HERE);
  assertEquals(view.current("resources"), undefined);
  view.description = DESCRIPTION;
  assertEquals([view.current("resources"), view.current("prompts")], [[], undefined]);
  view.stale.add("resources");
  assertEquals(view.current("resources"), undefined);
  view.stale.clear();
  view.description = { ...DESCRIPTION, capabilities: { resources: {} } };
  assertEquals(view.current("resources"), undefined);
});

Deno.test("what a place showed and asked is kept for the next daemon, once it has described itself", () => {
  const { memory, learn, saved } = memoryOf();
  learn([tool("a")]);
  memory.addUsedCapabilities(["sampling"]);
  assertEquals(saved, []);
  memory.viewAt(HERE).description = DESCRIPTION;
  const list = [tool("b")];
  learn(list);
  learn(list);
  memory.addUsedCapabilities(["sampling"]);
  assertEquals(saved, [{ description: DESCRIPTION, lists: { tools: list }, asked: ["sampling"] }]);
  memory.addUsedCapabilities(["sampling", "roots"]);
  assertEquals(saved.at(-1)!.asked, ["sampling", "roots"]);
});

Deno.test("what is kept is known by all of a configuration that decides which server runs, and by nothing else", () => {
  const digestOf = (config: ServerConfig) => {
    const { keys } = memoryOf(config);
    assertEquals(keys.map(({ server }) => server), ["s"]);
    return keys[0]!.config;
  };
  const changed = (config: ServerConfig, parts: object) => digestOf({ ...config, ...parts } as ServerConfig);
  const [stdio, http] = [digestOf(STDIO), digestOf(HTTP)];
  assertEquals(/^[0-9a-f]{64}$/.test(stdio), true);
  const ofStdio = [{ command: "d" }, { args: [] }, { env: {} }, { cwd: "/x" }];
  const ofHttp = [{ url: "http://i/" }, { headers: {} }, { kind: "sse" }];
  const others = [
    stdio,
    http,
    ...ofStdio.map((parts) => changed(STDIO, parts)),
    ...ofHttp.map((parts) => changed(HTTP, parts)),
  ];
  assertEquals(new Set(others).size, others.length);
  for (const parts of [{ title: "t" }, { share: "session" }, { cwdFree: true }, { startTimeoutMs: 1 }]) {
    assertEquals([changed(STDIO, parts), changed(HTTP, parts)], [stdio, http]);
  }
  assertEquals(changed(HTTP, { command: "d" }), http);
});

Deno.test("lists are compared with the server's once in each daemon, and in a directory where they were never read", () => {
  const kept: StoredView = { description: DESCRIPTION, lists: { tools: [tool("a")] } };
  const { memory, learn } = memoryOf(STDIO, kept);
  const [anywhere, session] = [place("any", "everybody"), place("s", "session")];
  const unverified = () => [HERE, anywhere, session].map((scope) => memory.isUnverified(scope));
  assertEquals([unverified(), memory.isSettled(ADA)], [[true, true, true], false]);
  memory.verified(THERE, DESCRIPTION);
  learn([tool("a")], THERE);
  assertEquals([unverified(), memory.isForeign(HERE)], [[true, false, false], true]);
  memory.verified(HERE, DESCRIPTION);
  learn([tool("a")]);
  assertEquals([unverified(), memory.awaitsScope(ADA)], [[false, false, false], false]);
  learn([tool("b")]);
  assertEquals(
    [unverified(), memory.awaitsScope(ADA)],
    [[false, true, true], true],
    "places differ: each is looked at",
  );
  memory.setScope(ADA, HERE);
  assertEquals(memory.isSettled(ADA), true);
});

Deno.test("a window that has asked in vain is told when there is a list, wherever it was read, and once", () => {
  const { memory, learn } = memoryOf();
  memory.setScope(ADA, HERE);
  memory.listMissed("tools", ADA);
  memory.listMissed("tools", BOB);
  assertEquals(learn([], THERE), [], "nothing was missed");
  memory.listMissed("prompts", ADA);
  for (const caller of [ADA, BOB]) memory.listMissed("tools", caller);
  memory.listRequested("tools", BOB);
  assertEquals([learn([tool("a")], HERE), learn([tool("a")], HERE)], [["ada tools"], []]);
});

Deno.test("a session that comes through other daemons is shown what was read for it, and nobody else is", () => {
  const { memory, learn, saved } = memoryOf();
  const far: Window["caller"] = { ...new Window("far").caller, via: ["b"] };
  const scope = listScopeOf(STDIO, {
    caller: far,
    workspace: "/w",
    roots: undefined,
    isRootless: false,
  }, { scope: "machine", advertised: {}, bound: STDIO });
  learn([tool("a")]);
  memory.verified(HERE, DESCRIPTION);
  assertEquals(memory.viewOf(far).lists.size, 0, "before its place is known");
  memory.setScope(far, scope);
  assertEquals([memory.viewOf(far).lists.size, memory.isUnverified(scope)], [0, true]);
  memory.verified(scope, DESCRIPTION);
  const kept = saved.length;
  memory.learn("tools", { list: [tool("b")], asOf: 0 }, scope);
  assertEquals([memory.viewOf(far).current("tools"), memory.isUnverified(scope)], [[tool("b")], false]);
  assertEquals([memory.viewAt(THERE).current("tools"), saved.length], [[tool("a")], kept]);
});

Deno.test("so many places are remembered; one that no window is in makes room", () => {
  const { memory } = memoryOf();
  const views = Array.from({ length: 64 }, (_, n) => memory.viewAt(place(`p${n}`)));
  memory.setScope(ADA, place("p0"));
  assert(memory.viewAt(place("p1")) === views[1]);
  memory.viewAt(place("p64"));
  assert(memory.viewAt(place("p0")) === views[0] && memory.viewAt(place("p2")) === views[2]);
  assert(memory.viewAt(place("p1")) !== views[1]);
});

Deno.test("windows see the same lists where their processes are told the same, and look around in the same place", () => {
  const of = (
    parts: object,
    scope: Scope,
    { workspace = "/w", uris = undefined as string[] | undefined, told = {} } = {},
  ) => {
    const bound = { ...STDIO, ...parts } as ServerConfig;
    const roots = uris?.map((uri) => ({ uri }));
    const session = { caller: ADA, workspace, roots, isRootless: false };
    return listScopeOf(bound, session, { scope, advertised: told, bound });
  };
  const key = (...args: Parameters<typeof of>) => of(...args).listKey;
  assertEquals([
    of({}, "session").resourcesFor,
    of({}, "project").resourcesFor,
    of({}, "machine").resourcesFor,
  ], [
    "session",
    "directory",
    "everybody",
  ]);
  assertEquals(of({ cwdFree: true }, "project").resourcesFor, "everybody");
  assertEquals(of({ args: ["${workspaceFolder}"] }, "machine").resourcesFor, "directory");
  assertEquals(of({}, "machine", { told: { roots: {} } }).advertised, { roots: {} });
  const there = { workspace: "/x" };
  assertEquals(key({}, "machine", there), key({}, "machine"));
  assert(key({}, "project", there) !== key({}, "project"));
  assert(key({}, "machine", { told: { roots: {} } }) !== key({}, "machine"));
  assert(key({}, "project", { uris: ["file:///v"] }) !== key({}, "project"));
  assertEquals(
    key({}, "project", { uris: ["file:///a%20b", "odd:x"] }),
    key({}, "project", { uris: ["file:///a b", "odd:x"] }),
  );
});

Deno.test("what a server says of itself is kept for windows elsewhere, unless it names the directory it runs in", () => {
  const here = { ...HERE, directory: "/work/here" };
  const saying = (instructions: string) => ({ ...DESCRIPTION, instructions });
  const said = (text: string) => {
    const { memory, saved, learn } = memoryOf();
    memory.verified(here, saying(text));
    learn([tool("t")], here);
    return [memory.viewAt(here), memory.viewOf(BOB), saved[0]!].map(({ description }) =>
      description?.instructions
    );
  };
  assertEquals(said("Read first."), ["Read first.", "Read first.", "Read first."]);
  assertEquals(said("You are in /work/here."), ["You are in /work/here.", undefined, undefined]);
});
