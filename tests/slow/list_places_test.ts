import { assertEquals } from "@std/assert";
import { fromFileUrl, toFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerConfig } from "../../lib/config/server_config.ts";
import type { Caller, Root } from "../../lib/call/call.ts";
import type { RpcMessage, RpcRequest, RpcResponse } from "../../lib/wire/rpc.ts";
import { call } from "../helpers/call.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";
import { rawServer } from "../helpers/raw_server.ts";
import { ListMemory } from "../../lib/upstream/lists/list_memory.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { twoWorkspaces } from "../helpers/two_workspaces.ts";
import { until } from "../helpers/until.ts";

/** A daemon that mounts a server with one tool `in_NAME`, after its directory, and one tool `anywhere`. */
function setUp(settings: { home?: string } = {}) {
  const program = fromFileUrl(new URL("../fixtures/directory_server.ts", import.meta.url));
  const entry: JsonObject = { command: Deno.execPath(), args: ["run", "-A", "--no-check", program] };
  return mountingDaemon({ directory: { ...entry, share: "project" } }, settings);
}

function windowIn(url: string, path: string, name?: string): Promise<McpWindow> {
  const { href } = toFileUrl(path);
  return McpWindow.open(url, { roots: {} }, { roots: [name === undefined ? href : href + name] });
}

async function toolsOf(window: McpWindow): Promise<string[]> {
  const { result } = await window.request("tools/list");
  const { tools } = result as { tools: { name: string }[] };
  return tools.map(({ name }) => name).filter((name) => name === "anywhere" || name.startsWith("in_"));
}

const changesHeard = (window: McpWindow) =>
  window.heard.filter(({ method }) => method === "notifications/tools/list_changed").length;

Deno.test("each window is shown the tools its own directory's process has, and hears of no other's", async () => {
  await using at = await twoWorkspaces();
  await using it = await setUp();
  await using inP = await windowIn(it.url, at.p);
  await using inQ = await windowIn(it.url, at.q);
  const shows = (window: McpWindow, tool: string) =>
    until(tool, async () => (await toolsOf(window)).includes(tool) || undefined);
  await shows(inP, "in_p");
  await shows(inQ, "in_q");
  await inP.call("anywhere");
  await inQ.call("anywhere");
  const heard = [changesHeard(inP), changesHeard(inQ)];
  for (let round = 0; round < 3; round++) {
    assertEquals([await toolsOf(inP), await toolsOf(inQ)], [["in_p", "anywhere"], ["in_q", "anywhere"]]);
  }
  assertEquals([changesHeard(inP), changesHeard(inQ)], heard);
});

Deno.test("a window that was shown what another directory has is told once its own is known", async () => {
  await using at = await twoWorkspaces();
  await using it = await setUp();
  await using inP = await windowIn(it.url, at.p);
  await until("in_p", async () => (await toolsOf(inP)).includes("in_p") || undefined);
  await using inQ = await windowIn(it.url, at.q);
  if ((await toolsOf(inQ)).includes("in_p")) {
    await until("a change", () => changesHeard(inQ) > 0 || undefined);
  }
  assertEquals(await toolsOf(inQ), ["in_q", "anywhere"]);
});

Deno.test("a tool of a window's own directory can be called by name before it was shown", async () => {
  await using at = await twoWorkspaces();
  await using it = await setUp();
  await using inP = await windowIn(it.url, at.p);
  await until("in_p", async () => (await toolsOf(inP)).includes("in_p") || undefined);
  await using inQ = await windowIn(it.url, at.q);
  const { result, error } = await inQ.call("in_q");
  assertEquals([(result as JsonObject | undefined)?.content, error], [
    [{ type: "text", text: "q" }],
    undefined,
  ]);
});

Deno.test("windows of one directory share one process however their clients write its root", async () => {
  await using at = await twoWorkspaces();
  await using it = await setUp();
  await using one = await windowIn(it.url, at.p);
  await using other = await windowIn(it.url, at.p, "/");
  for (const window of [one, other]) {
    await until("in_p", async () => (await toolsOf(window)).includes("in_p") || undefined);
    await window.call("anywhere");
  }
  const { servers } = await (await fetch(new URL("/status", it.http))).json();
  assertEquals(servers.filter(({ server }: { server: string }) => server === "directory").length, 1);
});

Deno.test("a window that tells roots and one that tells none share the process of their directory", async () => {
  await using at = await twoWorkspaces();
  await using it = await setUp();
  await using rooted = await windowIn(it.url, at.p);
  using plain = await RawClient.hello(it.url, { cwd: at.p });
  await until("in_p", async () => (await toolsOf(rooted)).includes("in_p") || undefined);
  await rooted.call("anywhere");
  assertEquals(firstText(await plain.call("anywhere")), "p");
  const { servers } = await (await fetch(new URL("/status", it.http))).json();
  assertEquals(servers.filter(({ server }: { server: string }) => server === "directory").length, 1);
  await plain.close();
});

/** A window in the root directory; `roots` when its client tells them. */
function callerIn(id: string, roots?: readonly Root[]): Caller {
  const { caller } = call();
  const capabilities = roots ? { roots: {} } : {};
  return { ...caller, id, cwd: "/", capabilities, roots: () => Promise.resolve(roots) };
}

Deno.test("of a server that asks for roots, windows that tell none have a process that is told of none", async () => {
  const answers: RpcMessage[] = [];
  await using it = rawServer({
    config: { share: "project" },
    answer: ({ method }, connection) => {
      if (method !== "tools/call") return {};
      connection.send({ id: "roots", method: "roots/list" });
      connection.message((message) => !("method" in message) && message.id === "roots").then((answer) =>
        answers.push(answer)
      );
      return {};
    },
  });
  const rooted = callerIn("rooted", [{ uri: "file:///" }]);
  const plain = callerIn("plain");
  const run = (caller: Caller) => it.mounted.target(call({ caller }));
  await run(plain);
  await until("an answer", () => answers.length === 1 || undefined);
  for (const caller of [rooted, plain, rooted, plain]) await run(caller);
  await until("the answers", () => answers.length >= 3 || undefined);
  const capabilities = it.connections.map(({ received }) => {
    const { params } = received.find((message) =>
      "method" in message && message.method === "initialize"
    ) as RpcRequest;
    return "roots" in (params!.capabilities as JsonObject);
  });
  // The first was told of roots, before it was known that it asks for them.
  assertEquals(capabilities, [true, true, false]);
  const [first, second] = answers as RpcResponse[];
  assertEquals([first!.error?.code, second!.result], [-32601, { roots: [{ uri: "file:///" }] }]);
});

Deno.test("a list that was being read when the server said it had changed is not taken for the list of now", () => {
  const memory = new ListMemory({ kind: "stdio", name: "s", env: {} } as never as ServerConfig, undefined);
  const place = { listKey: "p", advertised: {}, credentials: "owner", resourcesFor: "directory" } as const;
  const view = memory.viewAt(place);
  const asOf = view.changes;
  memory.changed(["tools"], place);
  memory.learn("tools", { list: [{ name: "old" }], asOf }, place);
  assertEquals(view.current("tools"), undefined);
  memory.learn("tools", { list: [{ name: "new" }], asOf: view.changes }, place);
  assertEquals(view.current("tools"), [{ name: "new" }]);
});
