import { assertEquals } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  ResourceUpdatedNotificationSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { addSampling } from "../helpers/asking_tool.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { mountingDaemon, npmServer } from "../helpers/mounts.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

/** What each process was asked, as `2 +test://r`: the second process, a subscription. */
class Asked {
  readonly lines: string[] = [];
  readonly #waiting = new Map<string, () => void>();

  note(line: string): object {
    this.lines.push(line);
    this.#waiting.get(line)?.();
    return {};
  }

  /** Resolves when `line` has been asked. */
  async heard(line: string): Promise<void> {
    if (this.lines.includes(line)) return;
    await new Promise<void>((resolve) => this.#waiting.set(line, resolve));
  }

  readonly build = (server: McpServer, n: number): void => {
    for (const name of ["r", "s"]) {
      server.registerResource(name, `test://${name}`, {}, () => ({ contents: [] }));
    }
    const { server: raw } = server;
    raw.setRequestHandler(SubscribeRequestSchema, ({ params }) => this.note(`${n} +${params.uri}`));
    raw.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => this.note(`${n} -${params.uri}`));
    raw.setRequestHandler(SetLevelRequestSchema, ({ params }) => this.note(`${n} level ${params.level}`));
    server.registerTool("process", {}, () => ({ content: [{ type: "text", text: String(n) }] }));
  };
}

/** Resolves when the client is told that `uri` was updated. */
function updated(client: Client, uri: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void (params.uri === uri && resolve()),
  );
  return promise;
}

Deno.test("after a crash each window is subscribed again, told what it may have missed, and hears of what comes", async () => {
  const asked = new Asked();
  await using shared = sharedServer({ build: asked.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url);
  await using bob = await sdkClient(it.url);
  for (const client of [ada, bob]) await client.subscribeResource({ uri: "test://r" });
  await bob.subscribeResource({ uri: "test://s" });
  await bob.unsubscribeResource({ uri: "test://s" });
  const missed = [ada, bob].map((client) => updated(client, "test://r"));
  await shared.servers[0]!.close();
  await Promise.all(missed);
  const news = [ada, bob].map((client) => updated(client, "test://r"));
  await shared.servers[1]!.server.sendResourceUpdated({ uri: "test://r" });
  await Promise.all(news);
  assertEquals(asked.lines, ["1 +test://r", "1 +test://s", "1 -test://s", "2 +test://r"]);
});

Deno.test("a subscription survives a server that cannot be started a few times in a row", async () => {
  const asked = new Asked();
  await using shared = sharedServer({
    build: (server, n) => {
      if (n === 2 || n === 3) throw new Error("not now");
      asked.build(server, n);
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  await client.subscribeResource({ uri: "test://r" });
  const missed = updated(client, "test://r");
  await shared.servers[0]!.close();
  await missed;
  assertEquals([asked.lines.at(-1), shared.servers.length], ["4 +test://r", 4]);
});

Deno.test("a server that is stopped while a window is subscribed is started again for it", async () => {
  const asked = new Asked();
  await using shared = sharedServer({ build: asked.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  await client.subscribeResource({ uri: "test://r" });
  const missed = updated(client, "test://r");
  for (const slot of shared.mounted.slots) shared.mounted.end(slot);
  await missed;
  assertEquals(asked.lines, ["1 +test://r", "2 +test://r"]);
});

Deno.test("a crashed server that nobody is subscribed to is not started until somebody calls it", async () => {
  const asked = new Asked();
  await using shared = sharedServer({ build: asked.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  await client.subscribeResource({ uri: "test://r" });
  await client.unsubscribeResource({ uri: "test://r" });
  const [running] = [...shared.mounted.slots];
  await shared.servers[0]!.close();
  await (await running!.instance).ended;
  await client.ping();
  assertEquals(shared.servers.length, 1);
  assertEquals(textOf(await client.callTool({ name: "process" })), "2");
});

Deno.test("a window whose roots move takes its subscription along; the others keep theirs where it is", async () => {
  const asked = new Asked();
  await using shared = sharedServer({ build: asked.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const roots = ["file:///a"];
  await using ada = await sdkClient(it.url, { roots });
  await using bob = await sdkClient(it.url, { roots: ["file:///a"] });
  for (const client of [ada, bob]) await client.subscribeResource({ uri: "test://r" });
  await ada.subscribeResource({ uri: "test://s" });
  const missed = updated(ada, "test://r");
  roots.splice(0, 1, "file:///b");
  await ada.sendRootsListChanged();
  await missed;
  await Promise.all(["2 +test://s", "1 -test://s"].map((line) => asked.heard(line)));
  assertEquals(asked.lines.includes("1 -test://r"), false);
  const news = [updated(ada, "test://r"), updated(bob, "test://r")];
  for (const { server } of shared.servers) await server.sendResourceUpdated({ uri: "test://r" });
  await Promise.all(news);
});

Deno.test("a window that gets a process of its own takes its subscription along", async () => {
  const asked = new Asked();
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using shared = sharedServer({
    build: (server, n) => {
      asked.build(server, n);
      addSampling(server);
      server.registerTool("wait", {}, async () => {
        begun.resolve();
        await release.promise;
        return { content: [] };
      });
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const capabilities = { sampling: {} };
  await using ada = await sdkClient(it.url, { capabilities });
  await using bob = await sdkClient(it.url, { capabilities });
  await bob.subscribeResource({ uri: "test://r" });
  const missed = updated(bob, "test://r");
  const waiting = ada.callTool({ name: "wait" });
  await begun.promise;
  assertEquals((await bob.callTool({ name: "sample" })).isError, true);
  assertEquals(textOf(await bob.callTool({ name: "process" })), "2");
  await missed;
  await asked.heard("1 -test://r");
  release.resolve();
  await waiting;
});

Deno.test("a log level goes with its window to the next process", async () => {
  const asked = new Asked();
  await using shared = sharedServer({ build: asked.build });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  await client.callTool({ name: "process" });
  await client.setLoggingLevel("warning");
  await asked.heard("1 level warning");
  await shared.servers[0]!.close();
  assertEquals(textOf(await client.callTool({ name: "process" })), "2");
  await asked.heard("2 level warning");
});

Deno.test("a window's subscription goes on when the entry of its server in mcp.json changes", async () => {
  await using it = await mountingDaemon({ everything: npmServer("everything") });
  await using client = await sdkClient(it.url);
  const { resources } = await client.listResources();
  const { uri } = resources.find(({ uri }) => uri.startsWith("demo://"))!;
  await client.subscribeResource({ uri });
  const missed = updated(client, uri);
  const change = await it.remount({ everything: npmServer("everything", [], { CHANGED: "1" }) });
  assertEquals(change.changed, ["everything"]);
  await missed;
});
