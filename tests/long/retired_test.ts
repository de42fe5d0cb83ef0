import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import type { JsonObject } from "../../lib/base/json.ts";
import { call } from "../helpers/call.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { rawServer } from "../helpers/raw_server.ts";
import { mountedServer } from "../helpers/shared_server.ts";
import { until } from "../helpers/until.ts";

const TOOLS = [{ name: "t", inputSchema: { type: "object" } }];

function plain(version = "1") {
  return rawServer({
    answer: ({ method }) =>
      method === "tools/list" ? { tools: TOOLS } : { content: [{ type: "text", text: version }] },
  });
}

/** A call of a window that does not tell its roots before the test says so. */
function slowCall() {
  const asked = Promise.withResolvers<void>();
  const told = Promise.withResolvers<[]>();
  const roots = () => (asked.resolve(), told.promise);
  const caller = { ...call().caller, capabilities: { roots: {} }, roots };
  return {
    call: call({ caller, params: { name: "t" } }),
    asked: asked.promise,
    tell: () => told.resolve([]),
  };
}

Deno.test("a server that is taken away while a window has yet to tell its roots is not started for it any more", async () => {
  await using raw = plain();
  const window = slowCall();
  const answers = [raw.mounted.target(window.call), raw.mounted.list("tools", window.call)];
  await window.asked;
  const retired = raw.mounted.retire();
  window.tell();
  for (const answer of answers) {
    const error = await assertRejects(() => answer) as Error;
    assertStringIncludes(error.message, "was taken out of mcp.json or changed there");
  }
  await retired;
  await assertRejects(() => raw.mounted.target(call({ params: { name: "t" } })));
  assertEquals([raw.connections.length, [...raw.mounted.slots].length], [0, 0]);
});

Deno.test("what waited when its server changed is done by the server as it is now", async () => {
  await using old = plain("old");
  await using now = plain("now");
  const window = slowCall();
  const [answer, list] = [old.mounted.target(window.call), old.mounted.list("tools", window.call)];
  const description = old.mounted.describe(window.call.caller, window.call.signal);
  await window.asked;
  now.mounted.inherit(old.mounted);
  const retired = old.mounted.retire();
  window.tell();
  assertEquals((await answer).result, { content: [{ type: "text", text: "now" }] });
  assertEquals((await list).map(({ name }) => name), ["t"]);
  assertEquals((await description).serverInfo.name, "raw");
  await retired;
  assertEquals([old.connections.length, now.connections.length], [0, 1]);
});

Deno.test("a server that is still starting for a list when it is taken away is stopped at once", async () => {
  const begun = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const silent = {
    start: () => Promise.resolve(),
    send: () => (begun.resolve(), Promise.resolve()),
    close() {
      closed.resolve();
      (this as { onclose?(): void }).onclose?.();
      return Promise.resolve();
    },
  };
  await using it = mountedServer({ startTimeoutMs: 60_000 }, () => Promise.resolve(silent as never));
  const list = it.mounted.list("tools", call()).catch(() => "stopped");
  await begun.promise;
  await it.mounted.retire();
  await closed.promise;
  assertEquals([await list, [...it.mounted.slots].length], ["stopped", 0]);
});

Deno.test("a process of one window ends with its window", async () => {
  await using raw = rawServer({
    config: { share: "session" },
    answer: ({ method }) => method === "tools/list" ? { tools: TOOLS } : { content: [] },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using other = await McpWindow.open(it.url);
  await other.call("t");
  {
    await using client = await McpWindow.open(it.url);
    await client.call("t");
    assertEquals([...raw.mounted.slots].map(({ sessionIds }) => sessionIds.length), [1, 1]);
  }
  const [, second] = raw.connections;
  await second!.closed;
  assertEquals([...raw.mounted.slots].length, 1);
  await other.call("t");
  assertEquals(raw.connections.length, 2);
});

for (const idleStopMs of [60_000, 0]) {
  const kept = idleStopMs === 0 ? "for ever" : "a minute";
  Deno.test(`a window that changes its roots again and again leaves no process behind, where unused ones are kept ${kept}`, async () => {
    await using raw = rawServer({
      config: { idleStopMs },
      answer: ({ method }) => method === "tools/list" ? { tools: TOOLS } : { content: [] },
    });
    await using it = await testDaemon({ servers: [raw.mounted] });
    const roots = ["file:///0"];
    await using client = await McpWindow.open(it.url, { roots: { listChanged: true } }, { roots });
    await client.call("t");
    for (const n of [1, 2, 3]) {
      roots.splice(0, 1, `file:///${n}`);
      client.send("notifications/roots/list_changed");
      await until("another process", async () => {
        await client.call("t");
        return raw.connections.length > n || undefined;
      });
    }
    await Promise.all(raw.connections.slice(0, 3).map(({ closed }) => closed));
    assertEquals([...raw.mounted.slots].length, 1);
  });
}

Deno.test("a page of a list is asked of the server, also where the first page is remembered", async () => {
  await using raw = rawServer({
    config: { idleStopMs: 1 },
    answer: ({ params }) =>
      params?.cursor === undefined
        ? { tools: TOOLS, nextCursor: "p2" }
        : { tools: [{ ...TOOLS[0], name: `page ${params.cursor}` }] },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  {
    await using first = await McpWindow.open(`${it.url}mcp/raw`);
    await first.request("tools/list");
  }
  await raw.connections[0]!.closed;
  await using client = await McpWindow.open(`${it.url}mcp/raw`);
  const { result } = await client.request("tools/list", { cursor: "p2" });
  assertEquals((result as { tools: JsonObject[] }).tools.map(({ name }) => name), ["page p2"]);
});

const LATE = `
  const send = (message) => console.log(JSON.stringify({ jsonrpc: "2.0", ...message }));
  const lines = require("node:readline").createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) return;
    if (method === "initialize") {
      const serverInfo = { name: "late", version: "1" };
      return send({ id, result: { protocolVersion: "2025-11-25", capabilities: { tools: {}, logging: {} }, serverInfo } });
    }
    if (method === "tools/list") {
      const inputSchema = { type: "object" };
      return send({ id, result: { tools: [{ name: "early", inputSchema }, { name: "long", inputSchema }] } });
    }
    const log = (data) => send({ method: "notifications/message", params: { level: "error", data } });
    if (params?.name === "early") {
      setTimeout(() => (log("late word about the first window"), globalThis.finish?.()), 300);
      return send({ id, result: { content: [] } });
    }
    if (params?.name === "long") return globalThis.finish = () => send({ id, result: { content: [] } });
    send({ id, result: {} });
  });
`;

Deno.test("what a real server says late is in its log file, and ps --why says with whom each server is shared and why", async () => {
  const late = { command: Deno.execPath(), args: ["eval", "--ext=cjs", LATE], share: "machine" };
  const browser = { command: "npx", args: ["-y", "@playwright/mcp@latest"] };
  const home = await Deno.makeTempDir({ prefix: "exai-late-" });
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { late, browser } }));
  {
    await using it = await startDaemon({ home });
    await using ada = await McpWindow.open(`${it.url}mcp/late`);
    await using bob = await McpWindow.open(`${it.url}mcp/late`);
    await ada.call("early");
    await bob.call("long");
    assertEquals([ada.heard, bob.heard], [[], []]);
    const { stdout } = await runDaemon({ home, args: ["ps", "--why"] });
    assertMatch(stdout, /^late +running +\d+ +machine /m);
    assertMatch(stdout, /^late .* share is machine in mcp\.json$/m);
    assertMatch(stdout, /^browser +\w[\w ]* +- +session /m);
    assertMatch(stdout, /^browser .* it drives one browser with the pages and logins of one user$/m);
    const file = `${home}/logs/server-late.log`;
    for (const deadlineMs = Date.now() + 5000;;) {
      const text = await Deno.readTextFile(file).catch(() => "");
      if (text.includes("late word about the first window")) break;
      if (Date.now() > deadlineMs) throw new Error(`not in the log file: ${text}`);
      await delay(10);
    }
  }
  await Deno.remove(home, { recursive: true });
});
