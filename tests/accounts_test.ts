// Which account at a server a window has, and that nothing of one account is shown to another.

// @ts-types="@modelcontextprotocol/sdk/inMemory"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { toFileUrl } from "@std/path";
import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import {
  accountNames,
  accountOf,
  type AccountWindow,
  choosesByDirectory,
} from "../lib/config/account_choice.ts";
import type { ServerConfig, UrlServerConfig } from "../lib/config/server_config.ts";
import { SqliteServerLists } from "../lib/state/saved_lists.ts";
import type { UpstreamTransport } from "../lib/transport/upstream_transport.ts";
import type { MountedServer } from "../lib/upstream/mounted_server.ts";
import { digestOf, serverIdentity } from "../lib/upstream/server_identity.ts";
import { slotRequestFor } from "../lib/upstream/slot_request.ts";
import type { Caller, Root } from "../lib/call/call.ts";
import { Window } from "./helpers/instance.ts";
import { lists, mountedUpstreams, toolsResult } from "./helpers/mounted.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { twoWorkspaces, type Workspaces } from "./helpers/two_workspaces.ts";
import { until } from "./helpers/until.ts";

function configOf(parts: Partial<UrlServerConfig>): UrlServerConfig {
  const common = { name: "s", title: "s", share: "auto", cwdFree: false };
  return { kind: "http", url: "https://x.example/mcp", headers: {}, ...common, ...parts } as UrlServerConfig;
}

Deno.test("a window has the first account that is for its directory and its client", async () => {
  const config = configOf({
    account: "rest",
    accounts: [
      { name: "both", directories: ["/work/shop", "/linked"], clients: ["cursor*"] },
      { name: "shop", directories: ["/work/shop"] },
      { name: "ci", clients: ["CI-*"] },
    ],
  });
  const real = (dir: string) => Promise.resolve(dir.replace(/linked$/, "real"));
  const of = (window: AccountWindow, parts: Partial<UrlServerConfig> = {}) =>
    accountOf({ ...config, ...parts }, window, real);
  assertEquals(await of({ client: "Cursor-vscode", directories: ["/work/shop/web"] }), "both");
  assertEquals(await of({ client: "claude-code", directories: ["/work/shop"] }), "shop");
  assertEquals(await of({ client: "cursor", directories: ["/real/x"] }), "both", "behind a link");
  assertEquals(await of({ client: "cursor", directories: ["/work/shopping"] }), "rest");
  assertEquals(await of({ client: "ci-1", directories: ["/other", "/work/shop"] }), "shop", "its real path");
  assertEquals(await of({ client: "ci-1", directories: [] }), "ci");
  assertEquals(await of({ directories: [] }), "rest");
  assertEquals(await of({ directories: [] }, { account: undefined }), "default");
  assertEquals(accountNames(config), ["both", "shop", "ci", "rest"]);
  assertEquals(accountNames(configOf({ accounts: [{ name: "a", clients: ["x"] }, { name: "b" }] })), [
    "a",
    "b",
  ]);
  assertEquals(accountNames(configOf({})), ["default"]);
  assertEquals([choosesByDirectory(config), choosesByDirectory(configOf({ accounts: [{ name: "b" }] }))], [
    true,
    false,
  ]);
});

/** A window in `cwd` whose client has the roots `roots`, if any. */
function windowIn(cwd: string, more: { client?: string; roots?: () => Promise<readonly Root[]> } = {}) {
  const { client = "editor", roots } = more;
  return new Window(crypto.randomUUID(), roots ? { roots: {} } : {}, {
    cwd,
    client: { name: client, version: "1" },
    ...roots ? { roots } : {},
  }).caller;
}

function requestOf(config: ServerConfig, caller: Caller, isUnasked = false) {
  return slotRequestFor(config, caller, {
    isolationReason: undefined,
    isUnasked,
    asksRoots: () => false,
    daemonId: undefined,
  });
}

Deno.test("an account is a part of the share key and of the scope of lists, and other windows of it share", async () => {
  await using dirs = await twoWorkspaces();
  const { p, below, q } = dirs;
  const config = configOf({ accounts: [{ name: "work", directories: [p] }] });
  const [atWork, below_, elsewhere, other] = await Promise.all([
    requestOf(config, windowIn(p)),
    requestOf(config, windowIn(below)),
    requestOf(config, windowIn(q)),
    requestOf(config, windowIn(dirs.home)),
  ]);
  const keysOf = ({ key, listScope: { listKey, credentials } }: typeof atWork) => [key, listKey, credentials];
  const accountIn = (
    { config, listScope }: typeof atWork,
  ) => [(config as UrlServerConfig).account, listScope.account];
  assertEquals(keysOf(atWork), keysOf(below_));
  assertEquals(keysOf(elsewhere), keysOf(other));
  for (const [i, key] of keysOf(atWork).entries()) assertNotEquals(key, keysOf(elsewhere)[i]);
  assertEquals([accountIn(atWork), accountIn(elsewhere)], [["work", "work"], ["default", "default"]]);
  // What was kept before there were accounts stays good.
  const plain = await requestOf(configOf({}), windowIn(q));
  assertEquals(keysOf(plain), keysOf(elsewhere));
  const named = await requestOf(configOf({ account: "work" }), windowIn(q));
  assertEquals(keysOf(named), keysOf(atWork));
});

Deno.test("a window whose client has not told its directory yet has no account by directory", async () => {
  await using dirs = await twoWorkspaces();
  const config = configOf({ accounts: [{ name: "work", directories: [dirs.p] }] });
  const roots = () => Promise.resolve([{ uri: toFileUrl(dirs.q).href }]);
  const caller = windowIn(dirs.p, { roots });
  const error = await assertRejects(() => requestOf(config, caller, true));
  assertMatch(
    String(error),
    /has accounts by directory in mcp.json, and this client has not told its roots yet/,
  );
  const { config: bound } = await requestOf(config, caller);
  assertEquals((bound as UrlServerConfig).account, "default", "by its roots, not by its cwd");
  const byClient = configOf({ accounts: [{ name: "work", clients: ["editor"] }] });
  const asked = await requestOf(byClient, caller, true);
  assertEquals((asked.config as UrlServerConfig).account, "work");
});

/** A server behind a URL with a tool by the name of the account that asks, and what it was connected to as. */
function serverOfAccounts(dirs: Workspaces, lists?: SqliteServerLists) {
  const connected: (string | undefined)[] = [];
  const calls: string[] = [];
  const connect = async (config: ServerConfig) => {
    const { account } = config as UrlServerConfig;
    connected.push(account);
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const server = new McpServer({ name: "fixture", version: "1" }, {
      instructions: `of ${account}`,
      capabilities: { tools: { listChanged: true } },
    });
    server.registerTool(`tool_of_${account}`, {}, () => {
      calls.push(account!);
      return { content: [{ type: "text", text: `by ${account}` }] };
    });
    await server.connect(theirs);
    return ours as unknown as UpstreamTransport;
  };
  const accounts = [{ name: "work", directories: [dirs.p] }, { name: "home" }];
  const config = configOf({ accounts, share: "auto" }) as Partial<ServerConfig>;
  return { ...mountedServer(config, connect, { lists }), connected, calls };
}

async function toolsOf(mounted: MountedServer, caller: Caller): Promise<string[]> {
  const list = await mounted.list("tools", new Window(caller.id, {}, caller).call({ caller }));
  return list.map(({ name }) => String(name));
}

async function callTool(mounted: MountedServer, caller: Caller, name: string): Promise<unknown> {
  const params = { name, arguments: {} };
  const call = new Window(caller.id, {}, caller).call({ method: "tools/call", params, caller });
  const { result, error } = await mounted.target(call) as {
    result?: { content: { text: string }[] };
    error?: unknown;
  };
  return error ?? result?.content[0]?.text;
}

Deno.test("windows of two accounts have two connections, and each sees and calls its own tools, also after a restart", async () => {
  await using dirs = await twoWorkspaces();
  using lists = new SqliteServerLists(":memory:");
  const [atWork, alsoAtWork, atHome] = [windowIn(dirs.p), windowIn(dirs.below), windowIn(dirs.q)];
  {
    await using server = serverOfAccounts(dirs, lists);
    const { mounted, connected, calls } = server;
    assertEquals(await toolsOf(mounted, atWork), ["tool_of_work"]);
    assertEquals(await toolsOf(mounted, atHome), ["tool_of_home"]);
    assertEquals(await toolsOf(mounted, alsoAtWork), ["tool_of_work"]);
    assertEquals(await callTool(mounted, alsoAtWork, "tool_of_work"), "by work");
    assertEquals(await callTool(mounted, atHome, "tool_of_home"), "by home");
    assertMatch(
      JSON.stringify(await callTool(mounted, atHome, "tool_of_work")),
      /not found|no tool|unknown/i,
    );
    assertEquals(calls, ["work", "home"]);
    assertEquals([...new Set(connected)].sort(), ["home", "work"]);
    assertEquals(connected.length, 2);
  }
  // The next daemon has nothing but what was kept.
  await using next = serverOfAccounts(dirs, lists);
  const stranger = windowIn(dirs.home);
  assertEquals(next.mounted.lists.factsFor(stranger).tools, undefined, "whose it is, is not known yet");
  assertEquals(await toolsOf(next.mounted, stranger), ["tool_of_home"]);
  assertEquals(await toolsOf(next.mounted, windowIn(dirs.p)), ["tool_of_work"]);
});

Deno.test("what one account was shown can be forgotten, and nothing of the others is", async () => {
  await using dirs = await twoWorkspaces();
  using lists = new SqliteServerLists(":memory:");
  const [atWork, atHome] = [windowIn(dirs.p), windowIn(dirs.q)];
  const knownTo = ({ mounted }: { mounted: MountedServer }, caller: Caller) =>
    mounted.lists.factsFor(caller).tools?.map(({ name }) => name);
  {
    await using server = serverOfAccounts(dirs, lists);
    for (const caller of [atWork, atHome]) await toolsOf(server.mounted, caller);
    assertEquals(knownTo(server, atWork), ["tool_of_work"]);
    server.mounted.lists.forgetAccount("work");
    assertEquals([knownTo(server, atWork), knownTo(server, atHome)], [undefined, ["tool_of_home"]]);
  }
  // The next daemon has nothing but what was kept.
  await using next = serverOfAccounts(dirs, lists);
  const { name, config } = next.mounted;
  const key = { server: name, config: serverIdentity(config) };
  assertEquals(lists.latest(key)?.account, "home");
  const { listScope } = await requestOf(config, atWork);
  assertEquals(lists.at(key, digestOf(listScope.listKey)), undefined);
});

Deno.test("a list that comes after its account was signed in to anew is kept for nobody", async () => {
  await using server = mountedUpstreams({ capabilities: { tools: {} }, answer: () => undefined });
  const ada = new Window("ada");
  const listing = server.mounted.list("tools", lists(ada));
  const asked = await until("the request", () => server.upstreams[0]?.last("tools/list"));
  for (const slot of server.mounted.slots) server.mounted.retireSlot(slot, 1000);
  server.mounted.lists.forgetAccount("default");
  server.upstreams[0]!.say({ id: asked.id, ...toolsResult("of_before") });
  await assertRejects(() => listing);
  assertEquals(server.mounted.lists.factsFor(ada.caller).tools, undefined);
});

Deno.test("a window whose roots change goes on in the account of its new directory, and is told of its lists", async () => {
  await using dirs = await twoWorkspaces();
  await using server = serverOfAccounts(dirs);
  let at = dirs.p;
  const heard: string[] = [];
  const caller: Caller = {
    ...windowIn(dirs.home, { roots: () => Promise.resolve([{ uri: toFileUrl(at).href }]) }),
    notify: (method) => void heard.push(method),
  };
  assertEquals(await callTool(server.mounted, caller, "tool_of_work"), "by work");
  assertEquals(await toolsOf(server.mounted, caller), ["tool_of_work"]);
  at = dirs.q;
  server.mounted.notify(caller, "notifications/roots/list_changed", {});
  await until(
    "the other account",
    async () => (await callTool(server.mounted, caller, "tool_of_home")) === "by home" || undefined,
  );
  assertEquals(await toolsOf(server.mounted, caller), ["tool_of_home"]);
  assertEquals(server.calls, ["work", "home"]);
  await until("news of the lists", () => heard.includes("notifications/tools/list_changed") || undefined);
});
