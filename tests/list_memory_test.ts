import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ServerConfig } from "../lib/base/server_config.ts";
import type { Caller } from "../lib/call/call.ts";
import type { InitializeResult } from "../lib/wire/mcp.ts";
import { ListMemory, View } from "../lib/upstream/list_memory.ts";
import type { KeptView, ViewKey } from "../lib/upstream/list_store.ts";
import { call } from "./helpers/call.ts";

const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  ...more,
});

const namesOf = (list: readonly JsonObject[] | undefined) => list?.map(({ name }) => name);

const DESCRIPTION: InitializeResult = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: {}, resources: {} },
  serverInfo: { name: "s", version: "1" },
};
const KEY: ViewKey = { server: "s", config: "c", capabilities: "{}" };
const [ADA, BOB] = ["ada", "bob"].map((id) => ({ ...call().caller, id })) as [Caller, Caller];

Deno.test("a view begins with what was kept, and knows who has seen which list", () => {
  const kept = { description: DESCRIPTION, lists: { tools: [tool("a")] }, asked: ["sampling"] };
  const view = new View(KEY, kept);
  assertEquals([view.current("tools"), view.current("prompts"), view.description], [
    kept.lists.tools,
    undefined,
    DESCRIPTION,
  ]);
  assertEquals([[...view.asked], view.isFresh, view.hasViewers], [["sampling"], false, false]);
  assertEquals([...view.viewers("tools")], []);
  view.seen("tools", ADA);
  view.seen("tools", BOB);
  view.seen("tools", ADA);
  assertEquals([[...view.viewers("tools")], [...view.viewers("prompts")]], [[ADA, BOB], []]);
  view.forget(ADA);
  assertEquals([[...view.viewers("tools")], view.hasViewers], [[BOB], true]);
  view.forget(BOB);
  assertEquals(view.hasViewers, false);
  const empty = new View(KEY, undefined);
  assertEquals([empty.description, empty.asked.size, empty.lists.size], [undefined, 0, 0]);
});

Deno.test("who saw a list hears of it when it says something else, once, and not of the first", () => {
  const view = new View(KEY, undefined);
  const list = [tool("a")];
  assertEquals(view.learn("tools", list), false);
  assertEquals(view.learn("tools", list), false);
  assertEquals(view.learn("tools", [tool("a")]), false);
  assertEquals(view.learn("tools", [tool("b")]), true);
  view.stale.add("tools");
  assertEquals(view.current("tools"), undefined);
  assertEquals(view.learn("tools", [tool("c")]), false);
  assertEquals(namesOf(view.current("tools")), ["c"]);
});

Deno.test("of a server in one directory no resources are remembered, unless it has none", () => {
  const view = new View(KEY, {
    description: DESCRIPTION,
    lists: { resources: [{ uri: "a:" }], tools: [tool("a")] },
  });
  view.forgetResources();
  assertEquals([view.current("resources"), view.lists.has("resources")], [undefined, false]);
  assertEquals([view.learn("resources", [{ uri: "b:" }]), view.lists.has("resources")], [false, false]);
  assertEquals(namesOf(view.current("tools")), ["a"]);
  view.description = { ...DESCRIPTION, capabilities: {} };
  assertEquals(view.current("resources"), []);
  view.description = undefined;
  assertEquals(view.current("resources"), undefined);
  const shared = new View(KEY, { description: { ...DESCRIPTION, capabilities: {} }, lists: {} });
  assertEquals(shared.current("resources"), undefined);
});

const STDIO = {
  kind: "stdio",
  name: "s",
  title: "s",
  share: "machine",
  cwdFree: false,
  command: "c",
  args: ["a"],
  env: { E: "1" },
  cwd: "/w",
  tools: { exclude: [], rename: {}, prefix: "" },
} as never as ServerConfig;
const HTTP = { ...STDIO, kind: "http", url: "http://h/", headers: { h: "1" } } as never as ServerConfig;

/** A memory with what its store was asked for and given. */
function memoryOf(config: ServerConfig, kept?: KeptView) {
  const keys: ViewKey[] = [];
  const saved: [ViewKey, KeptView][] = [];
  const memory = new ListMemory(config, {
    get: (key) => (keys.push(key), kept),
    set: (key, view) => void saved.push([key, view]),
  });
  return { memory, keys, saved };
}

Deno.test("what is kept is known by all of a configuration that decides which server runs, and by nothing else", () => {
  const digestOf = (config: ServerConfig) => {
    const { memory, keys } = memoryOf(config);
    memory.view({});
    memory.view({ roots: {} });
    assertEquals([keys[0]!.server, keys[0]!.capabilities, keys[1]!.capabilities], [
      "s",
      "{}",
      '{"roots":{}}',
    ]);
    assertEquals(keys[0]!.config, keys[1]!.config);
    return keys[0]!.config;
  };
  const changed = (config: ServerConfig, parts: object) => digestOf({ ...config, ...parts } as ServerConfig);
  const [stdio, http] = [digestOf(STDIO), digestOf(HTTP)];
  assertEquals([stdio.length, stdio.includes("E")], [64, false]);
  const others = [
    stdio,
    http,
    ...[{ share: "session" }, { cwdFree: true }, { command: "d" }, { args: [] }, { env: {} }, { cwd: "/x" }]
      .map((
        parts,
      ) => changed(STDIO, parts)),
    ...[{ share: "session" }, { cwdFree: true }, { url: "http://i/" }, { headers: {} }, { kind: "sse" }].map((
      parts,
    ) => changed(HTTP, parts)),
  ];
  assertEquals(new Set(others).size, others.length);
  assertEquals([changed(STDIO, { title: "t" }), changed(HTTP, { command: "d" })], [stdio, http]);
});

Deno.test("windows of the same capabilities have one view, and resources of one directory are in none", () => {
  const resources = { description: DESCRIPTION, lists: { resources: [{ uri: "a:" }] } };
  const remembers = (parts: Partial<ServerConfig>, capabilities: JsonObject = {}) =>
    memoryOf({ ...STDIO, ...parts } as ServerConfig, resources).memory.view(capabilities).lists.has(
      "resources",
    );
  assertEquals(remembers({}), true);
  assertEquals(remembers({}, { roots: {} }), false);
  assertEquals(remembers({ share: "session" }), false);
  assertEquals(remembers({ share: "project" }), false);
  assertEquals(remembers({ share: "project", cwdFree: true }), true);
  assertEquals(remembers({ args: ["${workspaceFolder}"] }), false);
  const { memory } = memoryOf(STDIO);
  assert(memory.viewOf(ADA) === memory.viewOf({ ...BOB, capabilities: { sampling: {} } }));
  const own = memoryOf({ ...STDIO, share: "session" }).memory;
  assert(own.viewOf(ADA) !== own.viewOf({ ...BOB, capabilities: { sampling: {} } }));
  const placed = memoryOf({ ...STDIO, share: "project" }).memory;
  assert(placed.viewOf(ADA) !== placed.viewOf({ ...BOB, capabilities: { roots: {} } }));
});

Deno.test("a change makes every view stale, and everybody who saw such a list is to hear of it", () => {
  const { memory } = memoryOf(STDIO);
  const [one, two] = [memory.view({}), memory.view({ roots: {} })];
  one.learn("tools", [tool("a")]);
  one.learn("prompts", [{ name: "p" }]);
  one.seen("tools", ADA);
  two.seen("tools", BOB);
  two.seen("prompts", BOB);
  memory.changed(["tools"]);
  assertEquals([one.current("tools"), namesOf(one.current("prompts"))], [undefined, ["p"]]);
  assertEquals(Array.from(memory.viewers(["tools"]), ([kind, { id }]) => `${kind} ${id}`), [
    "tools ada",
    "tools bob",
  ]);
  assertEquals([...memory.lists()].map(([kind]) => kind), ["tools", "prompts"]);
  memory.forget(BOB);
  assertEquals(Array.from(memory.viewers(["tools", "prompts"])).length, 1);
});

Deno.test("what a server showed and asked is kept for the next daemon, once it has described itself", () => {
  const { memory, saved } = memoryOf(STDIO);
  const view = memory.view({});
  view.learn("tools", [tool("a")]);
  memory.keep(view);
  memory.asked(view, ["sampling"]);
  assertEquals(saved, []);
  view.description = DESCRIPTION;
  memory.asked(view, ["sampling"]);
  assertEquals(saved, []);
  memory.asked(view, ["sampling", "roots"]);
  assertEquals(saved, [[view.key, {
    description: DESCRIPTION,
    lists: { tools: [tool("a")] },
    asked: ["sampling", "roots"],
  }]]);
});

Deno.test("so many views are kept; the oldest that nobody looks at makes room", () => {
  const { memory, keys } = memoryOf(STDIO);
  const views = Array.from({ length: 64 }, (_, n) => memory.view({ n }));
  views[0]!.seen("tools", ADA);
  assert(memory.view({ n: 0 }) === views[0] && memory.view({ n: 1 }) === views[1]);
  assertEquals(keys.length, 64);
  memory.view({ n: 64 });
  assert(memory.view({ n: 0 }) === views[0] && memory.view({ n: 2 }) === views[2]);
  assert(memory.view({ n: 1 }) !== views[1]);
});
