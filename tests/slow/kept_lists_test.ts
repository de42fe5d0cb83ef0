import { assertEquals, assertRejects } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/inMemory"
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { fromFileUrl } from "@std/path";
import { SqliteServerLists } from "../../lib/state/saved_lists.ts";
import type { UpstreamTransport } from "../../lib/transport/upstream_transport.ts";
import type { StoredView } from "../../lib/upstream/list_store.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { rawServer } from "../helpers/raw_server.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { mountedServer, sharedServer, type SharedServerOptions } from "../helpers/shared_server.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

const hasTool = async (client: Client, name: string) =>
  (await client.listTools()).tools.some((tool) => tool.name === name);

/** Resolves when the client is told that its tools have changed. */
function told(client: Client): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve());
  return promise;
}

/** A file of lists in a directory of its own. */
async function listsFile() {
  const dir = await Deno.makeTempDir({ prefix: "exai-lists-" });
  const path = `${dir}/lists.db`;
  const lists = new SqliteServerLists(path);
  return {
    path,
    lists,
    async [Symbol.asyncDispose]() {
      lists[Symbol.dispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** A server that never answers. */
function silent(more: { lists: SqliteServerLists }) {
  const connect = () =>
    Promise.resolve(InMemoryTransport.createLinkedPair()[0] as unknown as UpstreamTransport);
  return mountedServer({}, connect, more);
}

type Offering = Pick<SharedServerOptions, "config" | "before"> & { lists: SqliteServerLists };

/** A server whose one tool has the name `tool`, with when its first process has ended. */
function offering(tool: string, more: Offering) {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const build = (server: McpServer) => {
    server.server.onclose = resolve;
    server.registerTool(tool, {}, () => ({ content: [{ type: "text", text: tool }] }));
  };
  return Object.assign(sharedServer({ build, ...more }), { ended });
}

/** One life of a daemon in which a window lists what a server of the tool `tool` offers. */
async function oneLife(tool: string, more: Offering) {
  await using shared = offering(tool, more);
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  assertEquals(await hasTool(client, tool), true);
}

Deno.test("the next daemon shows what a server offered before, although the server does not get up", async () => {
  await using file = await listsFile();
  await oneLife("old", file);
  await using hung = silent(file);
  await using it = await testDaemon({ servers: [hung.mounted] });
  await using client = await sdkClient(it.url);
  assertEquals(await hasTool(client, "old"), true);
  await using alone = await sdkClient(`${it.url}mcp/shared`);
  assertEquals(alone.getServerVersion(), { name: "fixture", version: "1" });
  assertEquals((await alone.listTools()).tools.map(({ name }) => name), ["old"]);
});

Deno.test("a server is started once to see what it offers now, and stops again when nobody calls it", async () => {
  await using file = await listsFile();
  await oneLife("old", file);
  await using shared = offering("old", { ...file, config: { idleStopMs: 1 } });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url);
  assertEquals(await hasTool(ada, "old"), true);
  await shared.ended;
  await using bob = await sdkClient(it.url);
  assertEquals([await hasTool(ada, "old"), await hasTool(bob, "old")], [true, true]);
  assertEquals(shared.servers.length, 1);
  assertEquals(textOf(await bob.callTool({ name: "old" })), "old");
  assertEquals(shared.servers.length, 2);
});

Deno.test("windows that were shown what is no longer so are told, and see what is", async () => {
  await using file = await listsFile();
  await oneLife("old", file);
  const { promise: before, resolve: start } = Promise.withResolvers<void>();
  await using shared = offering("new", { ...file, before });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url);
  await using bob = await sdkClient(`${it.url}mcp/shared`);
  const news = [ada, bob].map(told);
  const shown = await Promise.all([ada, bob].map((client) => client.listTools()));
  assertEquals(shown.map(({ tools }) => tools.some(({ name }) => name === "old")), [true, true]);
  start();
  await Promise.all(news);
  for (const client of [ada, bob]) {
    assertEquals([await hasTool(client, "old"), await hasTool(client, "new")], [false, true]);
    assertEquals(textOf(await client.callTool({ name: "new" })), "new");
  }
});

Deno.test("a list changed by a process a window has not called yet is told to it all the same", async () => {
  await using file = await listsFile();
  await using shared = offering("old", file);
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url);
  await using bob = await sdkClient(it.url);
  for (const client of [ada, bob]) assertEquals(await hasTool(client, "old"), true);
  const news = told(bob);
  shared.servers[0]!.registerTool("fresh", {}, () => ({ content: [] }));
  await news;
  assertEquals(await hasTool(bob, "fresh"), true);
});

Deno.test("a server that runs and does not answer goes on being shown as it was, and as it is once it answers", async () => {
  const tool = (name: string) => ({ tools: [{ name, inputSchema: { type: "object" } }] });
  const held = Promise.withResolvers<unknown>();
  await using raw = rawServer({
    capabilities: { tools: { listChanged: true } },
    answer: ({ method, id }, connection) => {
      if (method !== "tools/list") return {};
      const isFirst = connection.received.filter((message) =>
        "method" in message && message.method === method
      )
        .length === 1;
      if (isFirst) return tool("old");
      held.resolve(id);
    },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using client = await sdkClient(it.url);
  assertEquals(await hasTool(client, "old"), true);
  const [connection] = raw.connections;
  const answered = told(client);
  connection!.send({ method: "notifications/tools/list_changed" });
  const id = await held.promise;
  assertEquals(await hasTool(client, "old"), true);
  connection!.send({ id, result: tool("new") });
  await answered;
  assertEquals([await hasTool(client, "old"), await hasTool(client, "new")], [false, true]);
});

Deno.test("what is kept is shown for the very configuration that made it, whatever the client can do", async () => {
  await using file = await listsFile();
  await oneLife("old", file);
  await using other = offering("new", { ...file, config: { env: { MODE: "2" } } });
  await using it = await testDaemon({ servers: [other.mounted] });
  await using client = await sdkClient(it.url);
  assertEquals([await hasTool(client, "old"), await hasTool(client, "new")], [false, true]);
  await using same = offering("new", { ...file, config: { env: { MODE: "2" } } });
  await using second = await testDaemon({ servers: [same.mounted] });
  await using asker = await sdkClient(second.url, { capabilities: { elicitation: {} } });
  assertEquals([await hasTool(asker, "old"), await hasTool(asker, "new")], [false, true]);
});

Deno.test("the file is bounded: of more views than it may hold the oldest go; too large a view is not kept", async () => {
  await using file = await listsFile();
  const lists = new SqliteServerLists(`${file.path}2`, { maxViews: 2, maxChars: 1000 });
  const view = (text: string) => ({ description: { text }, lists: {} }) as unknown as StoredView;
  const key = (server: string) => ({ server, config: "c" });
  for (const server of ["a", "b", "c"]) lists.set(key(server), "p", view(server));
  const held = () => ["a", "b", "c"].filter((server) => lists.latest(key(server)));
  assertEquals(held(), ["b", "c"]);
  lists.set(key("c"), "p", view("x".repeat(980)));
  assertEquals(held(), []);
  assertEquals([lists.latest({ ...key("c"), config: "other" }), lists.fault], [undefined, undefined]);
  lists[Symbol.dispose]();
});

Deno.test("a damaged file is begun anew", async () => {
  await using file = await listsFile();
  await Deno.writeTextFile(
    `${file.path}3`,
    "this is no database, though it is long enough to look like one".repeat(99),
  );
  using lists = new SqliteServerLists(`${file.path}3`);
  const key = { server: "a", config: "c" };
  lists.set(key, "p", { description: {}, lists: { tools: [{ name: "t" }] } } as unknown as StoredView);
  assertEquals([lists.latest(key)?.lists.tools, lists.fault], [[{ name: "t" }], undefined]);
});

const badServer = fromFileUrl(new URL("../fixtures/bad_server.ts", import.meta.url));

/** A daemon whose one server is `program`, which keeps its place and name while what it does may change. */
async function life(home: string, program: string, settings = {}) {
  const file = `${home}/server.ts`;
  await Deno.writeTextFile(file, program);
  const well = {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", file, "well"],
    share: "machine",
  };
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { well } }));
  return await testDaemon({ settings: { home, ...settings } });
}

const WELL = `import ${JSON.stringify(`file://${badServer}`)};`;
const HANGS = "await new Promise(() => setInterval(() => {}, 1 << 30));";

async function privateHome() {
  const home = await Deno.makeTempDir({ prefix: "exai-kept-" });
  await Deno.chmod(home, 0o700);
  return { home, [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }) };
}

Deno.test("a program that hangs after a restart of the daemon is listed as it was; the file is the user's alone", async () => {
  await using dir = await privateHome();
  for (const program of [WELL, HANGS]) {
    await using it = await life(dir.home, program);
    await using client = await sdkClient(it.url);
    assertEquals(await hasTool(client, "well_echo"), true);
  }
  const { mode } = await Deno.stat(`${dir.home}/lists.db`);
  if (Deno.build.os !== "windows") assertEquals(mode! & 0o077, 0);
});

Deno.test("with EXAI_KEEP_LISTS=false nothing is kept", async () => {
  await using dir = await privateHome();
  await using it = await life(dir.home, WELL, { keepLists: false });
  await using client = await sdkClient(it.url);
  assertEquals(await hasTool(client, "well_echo"), true);
  await assertRejects(() => Deno.stat(`${dir.home}/lists.db`));
});
