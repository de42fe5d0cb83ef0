import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ListStore, StoredView } from "../lib/upstream/list_store.ts";
import { ListCache } from "../lib/upstream/lists/list_cache.ts";
import { ListMemory } from "../lib/upstream/lists/list_memory.ts";
import { type ListScope, listScopeOf } from "../lib/upstream/share_key.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { instanceOf, settled, Upstream, Window } from "./helpers/instance.ts";
import { mountedServer } from "./helpers/shared_server.ts";

const CONFIG = { kind: "http", name: "s", url: "http://h/", headers: {} } as never as ServerConfig;
const DESCRIPTION: StoredView["description"] = {
  protocolVersion: "2026-07-28",
  capabilities: { tools: {} },
  serverInfo: { name: "s", version: "1" },
};
const scope = (listKey: string, credentials: string): ListScope => ({
  listKey,
  credentials,
  advertised: {},
  resourcesFor: "everybody",
});
const HERS = scope("hers", "ada");
const HERS_ELSEWHERE = scope("elsewhere", "ada");
const HIS = scope("his", "bob");

/** The tools of a server that says of its list who may keep it. */
function toolsFor(cacheScope: string): Promise<readonly JsonObject[]> {
  const cache = new ListCache({
    ask: () => Promise.resolve({ result: { tools: [{ name: "t" }], ttlMs: 60_000, cacheScope } }),
    has: () => true,
    isAnnounced: () => true,
  });
  return cache.get("tools");
}

Deno.test("a private list is shown to those with the same credentials, and to no others, also by the next daemon", async () => {
  for (const cacheScope of ["private", "public"]) {
    let kept: StoredView | undefined;
    const store = {
      latest: () => kept,
      at: () => undefined,
      varies: () => false,
      set: (_key: unknown, _place: string, view: StoredView) => void (kept = view),
    } as never as ListStore;
    const memory = new ListMemory(CONFIG, store);
    memory.verified(HERS, DESCRIPTION);
    memory.learn("tools", { list: await toolsFor(cacheScope), asOf: 0 }, HERS);
    const isPublic = cacheScope === "public";
    for (const one of [memory, new ListMemory(CONFIG, store)]) {
      const knows = (where: ListScope) => {
        const { lists, description } = one.viewAt(where);
        return [lists.has("tools"), description !== undefined];
      };
      assertEquals(knows(HERS_ELSEWHERE), [true, true], cacheScope);
      assertEquals(knows(HIS), [isPublic, isPublic], cacheScope);
      const anybody = one.viewOf(new Window("anybody").caller);
      assertEquals([anybody.lists.has("tools"), anybody.description !== undefined], [isPublic, isPublic]);
    }
    memory.verified(HIS, DESCRIPTION);
    memory.learn("tools", { list: await toolsFor(cacheScope), asOf: 0 }, HIS);
    assertEquals(memory.viewAt(scope("new", "ada")).lists.has("tools"), isPublic, "the latest is his");
  }
});

Deno.test("the first list of a window is what is kept for its own scope, while the server is slow to list", async () => {
  const lists = { tools: [{ name: "kept", inputSchema: { type: "object" } }] };
  const kept: StoredView = { description: DESCRIPTION, lists, privateTo: "somebody", asked: [] };
  const store = { latest: () => kept, at: () => kept, varies: () => false, set() {}, era() {}, setEra() {} };
  const upstream = new Upstream();
  upstream.answer = ({ method }) => {
    if (method === "server/discover") {
      return { result: { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } } };
    }
    return method === "tools/call" ? { result: { content: [], resultType: "complete" } } : undefined;
  };
  await using it = mountedServer(
    { ...CONFIG, era: "modern", share: "machine" },
    () => Promise.resolve(upstream),
    {
      lists: store as never as ListStore,
    },
  );
  await it.mounted.target(new Window("ada").call({ method: "tools/call", params: { name: "t" } }));
  const call = new Window("bob").call({ method: "tools/list", params: {} });
  assertEquals((await it.mounted.list("tools", call)).map(({ name }) => name), ["kept"]);
});

Deno.test("credentials are what a process or connection is given, and for whom, wherever it runs", () => {
  const STDIO = { kind: "stdio", name: "s", command: "c", args: ["a"], env: { T: "1" }, cwd: "/w" };
  const of = (parts: object, principal?: string) => {
    const bound = { ...parts } as ServerConfig;
    const { caller } = new Window("ada", {}, { principal });
    const session = { caller, workspace: "/w", roots: undefined, isRootless: false };
    return listScopeOf(bound, session, { scope: "machine", advertised: {}, bound }).credentials;
  };
  const others = [
    of({ ...STDIO, env: { T: "2" } }),
    of({ ...STDIO, args: ["b"] }),
    of(STDIO, "bob"),
    of(CONFIG),
    of({ ...CONFIG, headers: { authorization: "t" } }),
    of({ ...CONFIG, url: "http://h/?key=t" }),
  ];
  assertEquals(new Set([of(STDIO), ...others]).size, 7);
  assertEquals([of({ ...STDIO, cwd: "/x" }), of(STDIO, "owner")], [of(STDIO), of(STDIO)]);
});

Deno.test("of one server alone, a list asked for within the time it is good costs the server nothing", async () => {
  const upstream = new Upstream();
  upstream.answer = ({ method }) =>
    method === "server/discover"
      ? { result: { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } } }
      : { result: { tools: [{ name: "t" }], content: [], ttlMs: 60_000, cacheScope: "public" } };
  await using it = mountedServer({}, () => Promise.resolve(upstream));
  const window = new Window("ada");
  const ask = (method: string) => it.mounted.target(window.call({ method, params: { name: "t" } }));
  const asked = () =>
    upstream.sent.filter((message) => "method" in message && message.method === "tools/list");
  await ask("tools/call");
  await settled();
  const before = asked().length;
  for (let i = 0; i < 3; i++) {
    const { result } = await ask("tools/list") as { result: JsonObject };
    assertEquals([result.tools, result.cacheScope, Number(result.ttlMs) > 50_000], [
      [{ name: "t" }],
      "public",
      true,
    ]);
  }
  assertEquals([before, asked().length], [1, 1]);
});

Deno.test("a list that its server says is good is not asked for again, until it has changed", async () => {
  const upstream = new Upstream();
  upstream.answer = ({ method }) =>
    method === "server/discover"
      ? { result: { supportedVersions: ["2026-07-28"], capabilities: { tools: { listChanged: true } } } }
      : {
        result: {
          tools: [{ name: "t" }],
          ttlMs: method === "tools/list" ? 60_000 : 0,
          cacheScope: "private",
        },
      };
  const { instance } = await instanceOf({ upstream, era: { is: "remembered", era: "modern" } });
  assertEquals(instance.lists.fresh("tools"), undefined, "not read yet");
  const list = await instance.lists.get("tools");
  assertEquals(instance.lists.fresh("tools")?.list, list);
  assertEquals(instance.lists.fresh("tools")?.freshness.scope, "private");
  instance.lists.forget("tools");
  assertEquals(instance.lists.fresh("tools"), undefined, "it has changed");
});
