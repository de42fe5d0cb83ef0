import { assertEquals, assertRejects } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  ElicitationCompleteNotificationSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  type McpError,
  RootsListChangedNotificationSchema,
  SetLevelRequestSchema,
  UrlElicitationRequiredError,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { testDaemon } from "./helpers/daemon.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";
import { sharedServer } from "./helpers/shared_server.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

const text = (text: string) => ({ content: [{ type: "text" as const, text }] });

/** Tools that send the person behind the client to a web page, and one that says that it is done. */
function webbed(server: McpServer): void {
  const inputSchema = { elicitationId: z.string() };
  const page = (elicitationId: string) => ({
    mode: "url" as const,
    message: "open this",
    url: "https://example.com/sign-in",
    elicitationId,
  });
  server.registerTool("visit", { inputSchema }, async ({ elicitationId }) => {
    return text((await server.server.elicitInput(page(elicitationId))).action);
  });
  server.registerTool("barred", { inputSchema }, ({ elicitationId }) => {
    throw new UrlElicitationRequiredError([page(elicitationId)]);
  });
}

/** What the client has heard of pages being done with. */
function completions(client: Client): { heard: string[]; first: Promise<string> } {
  const { promise, resolve } = Promise.withResolvers<string>();
  const heard: string[] = [];
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => {
    heard.push(params.elicitationId);
    resolve(params.elicitationId);
  });
  return { heard, first: promise };
}

Deno.test("a page a server wants visited, and word that it was, reach the window whose call it is about", async () => {
  await using shared = sharedServer({ build: webbed });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const capabilities = { elicitation: { url: {} } };
  await using ada = await sdkClient(it.url, { capabilities });
  await using bob = await sdkClient(it.url, { capabilities });
  const asked: unknown[] = [];
  ada.setRequestHandler(ElicitRequestSchema, ({ params }) => (asked.push(params), { action: "accept" }));
  await bob.listTools();
  const [hers, his] = [completions(ada), completions(bob)];
  assertEquals(textOf(await ada.callTool({ name: "visit", arguments: { elicitationId: "e1" } })), "accept");
  assertEquals(asked, [{
    mode: "url",
    message: "open this",
    url: "https://example.com/sign-in",
    elicitationId: "e1",
  }]);
  await shared.servers[0]!.server.createElicitationCompletionNotifier("e1")();
  assertEquals(await hers.first, "e1");
  await bob.ping();
  assertEquals([his.heard, shared.servers.length], [[], 1]);
});

Deno.test("a refusal that asks for a page to be visited first passes whole, and word that it was follows", async () => {
  const raw = (server: McpServer) => {
    // The SDK makes a tool's error a result; this server answers as the specification has it.
    webbed(server);
    const handlers =
      (server.server as unknown as { _requestHandlers: Map<string, () => unknown> })._requestHandlers;
    handlers.set("tools/call", () => {
      const page = { mode: "url" as const, message: "m", url: "https://example.com/", elicitationId: "e2" };
      throw new UrlElicitationRequiredError([page]);
    });
  };
  await using shared = sharedServer({ build: raw });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { capabilities: { elicitation: { url: {} } } });
  const hers = completions(ada);
  const error = await assertRejects(() =>
    ada.callTool({ name: "barred", arguments: { elicitationId: "e2" } })
  ) as McpError & { elicitations: { elicitationId: string }[] };
  assertEquals([error.code, error.elicitations[0]!.elicitationId], [-32042, "e2"]);
  await shared.servers[0]!.server.createElicitationCompletionNotifier("e2")();
  assertEquals(await hers.first, "e2");
});

/** Tells which process answers, and the roots it is told. */
function rooted(server: McpServer, n: number): void {
  server.registerTool("where", {}, async () => {
    const { roots } = await server.server.listRoots();
    return text(`${n} ${roots.map(({ uri }) => uri)}`);
  });
}

async function moveTo(client: Client, uri: string): Promise<void> {
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri }] }));
  await client.sendRootsListChanged();
}

const where = async (client: Client) => textOf(await client.callTool({ name: "where" }));

Deno.test("a window that moves takes no other with it", async () => {
  await using shared = sharedServer({ build: rooted });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { roots: ["file:///a"] });
  await using bob = await sdkClient(it.url, { roots: ["file:///a"] });
  assertEquals([await where(ada), await where(bob)], ["1 file:///a", "1 file:///a"]);
  await moveTo(ada, "file:///b");
  assertEquals([await where(ada), await where(bob)], ["2 file:///b", "1 file:///a"]);
  await moveTo(ada, "file:///a");
  assertEquals([await where(ada), await where(bob)], ["1 file:///a", "1 file:///a"]);
});

Deno.test("a window with a process of its own moves with it, and the process is told", async () => {
  const told = Promise.withResolvers<void>();
  await using shared = sharedServer({
    config: { share: "session" },
    build: (server, n) => {
      rooted(server, n);
      server.server.setNotificationHandler(RootsListChangedNotificationSchema, () => told.resolve());
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using ada = await sdkClient(it.url, { roots: ["file:///a"] });
  assertEquals(await where(ada), "1 file:///a");
  await moveTo(ada, "file:///b");
  await told.promise;
  assertEquals(await where(ada), "1 file:///b");
});

Deno.test("a window with a copy of what is one for each directory gets another copy when its roots change", async () => {
  const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using shared = sharedServer({
    build: (server, n) => {
      rooted(server, n);
      server.registerTool("wait", {}, async () => (begun.resolve(), await release.promise, text("waited")));
      server.registerTool("ask", {}, async () => {
        const requestedSchema = { type: "object" as const, properties: {} };
        return text((await server.server.elicitInput({ message: "go on?", requestedSchema })).action);
      });
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const asked = { capabilities: { elicitation: {} }, roots: ["file:///a"] };
  await using ada = await sdkClient(it.url, asked);
  await using bob = await sdkClient(it.url, asked);
  assertEquals(await where(bob), "1 file:///a");
  const waiting = ada.callTool({ name: "wait" });
  await begun.promise;
  // Whose question it was cannot be told: from then on the window has a copy of its own.
  assertEquals(textOf(await bob.callTool({ name: "ask" })).includes("cannot be told"), true);
  assertEquals(await where(bob), "2 file:///a");
  await moveTo(bob, "file:///b");
  assertEquals(await where(bob), "3 file:///b");
  release.resolve();
  await waiting;
});

/** Says a line of each level it may, inside of a call and outside. */
function logging(server: McpServer) {
  const levels: string[] = [];
  server.server.setRequestHandler(SetLevelRequestSchema, ({ params }) => (levels.push(params.level), {}));
  server.registerTool("log", {}, async () => (await logAll(server), text("done")));
  return levels;
}

async function logAll(server: McpServer): Promise<void> {
  for (const level of ["debug", "warning", "error"] as const) {
    await server.server.notification({ method: "notifications/message", params: { level, data: level } });
  }
}

function logOf(client: Client): string[] {
  const heard: string[] = [];
  client.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void heard.push(params.level),
  );
  return heard;
}

Deno.test("a window that wants little log takes none from a window that said nothing", async () => {
  let levels: string[] = [];
  await using shared = sharedServer({ build: (server) => levels = logging(server), settleMs: 0 });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using silent = await sdkClient(it.url);
  await using quiet = await sdkClient(it.url);
  for (const client of [silent, quiet]) await client.listTools();
  // What it sends before anybody says what they want is what it sends by itself.
  await silent.callTool({ name: "log" });
  await quiet.setLoggingLevel("error");
  const [all, few] = [logOf(silent), logOf(quiet)];
  for (const client of [quiet, silent]) await client.callTool({ name: "log" });
  assertEquals([all, few], [["debug", "warning", "error"], ["error"]]);
  assertEquals(levels.filter((level) => level !== "debug"), []);
});

Deno.test("a log level set before a server was needed is heard by it, also when it runs for others already", async () => {
  let levels: string[] = [];
  await using shared = sharedServer({ build: (server) => levels = logging(server) });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using first = await sdkClient(it.url);
  await first.setLoggingLevel("warning");
  await first.callTool({ name: "log" });
  await using second = await sdkClient(it.url);
  await second.setLoggingLevel("debug");
  await second.callTool({ name: "log" });
  assertEquals(levels, ["warning", "debug"]);
});

Deno.test("a window's log level holds for what a server says outside of any call too", async () => {
  await using shared = sharedServer({ build: (server) => void logging(server) });
  await using it = await testDaemon({ servers: [shared.mounted] });
  await using client = await sdkClient(it.url);
  await client.setLoggingLevel("error");
  await client.callTool({ name: "log" });
  const heard = logOf(client);
  await logAll(shared.servers[0]!);
  await client.ping();
  assertEquals(heard, ["error"]);
});
