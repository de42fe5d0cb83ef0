import { assert, assertEquals } from "@std/assert";
import { ByteBudget, EVICTION_RANK } from "../../lib/base/byte_budget.ts";
import { heapBytes, heapBytesOf } from "../../lib/base/heap_bytes.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { MIB } from "../../lib/base/units.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { FloodingServer } from "../helpers/flooding_server.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { RawHttp, sseMessages } from "../helpers/http_client.ts";
import { startDaemon } from "../helpers/program.ts";
import { rawServer } from "../helpers/raw_server.ts";
import { connectRaw, type RawSocket } from "../helpers/raw_socket.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const IS_LINUX = Deno.build.os === "linux";

interface Held {
  bytes: number;
  max_bytes: number;
  evictions: number;
}

async function healthOf(url: string): Promise<JsonObject & { held: Held }> {
  return await (await fetch(new URL("/health", url.replace("ws", "http")))).json();
}

async function heapOf(url: string): Promise<number> {
  return Number(((await healthOf(url)).memory as JsonObject).heap_used_bytes);
}

/**
 * Waits until no more of the heap is in use than the daemon lets grow before it collects: what is resident depends on
 * the system too, and on how much of it other programs want.
 */
async function waitForHeap(url: string, before: number): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (let used = Infinity; used > before + 128 * MIB; used = await heapOf(url)) {
    assert(performance.now() < deadlineMs, `the memory stays: ${((used - before) / MIB).toFixed()} MiB more`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A real daemon that may hold 16 MiB for its clients, with `server` mounted. */
async function holdingDaemon(server: FloodingServer) {
  const home = await Deno.makeTempDir({ prefix: "exai-held-" });
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(
    `${home}/mcp.json`,
    JSON.stringify({ mcpServers: { big: { url: `${server.url}/mcp` } } }),
  );
  const daemon = await startDaemon({ home, env: { EXAI_MAX_HELD_BYTES: String(16 * MIB) } });
  return {
    ...daemon,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await Deno.remove(home, { recursive: true });
    },
  };
}

/** A holder of pieces that notes what it gives. */
function holder(name: string, options: { rank: number; sinceMs?: number }, gave: string[]) {
  return {
    rank: () => options.rank,
    sinceMs: () => options.sinceMs ?? 0,
    account: undefined as ReturnType<ByteBudget["open"]> | undefined,
    evict() {
      gave.push(name);
      this.account!.set(0);
    },
  };
}

Deno.test("beyond the budget holders give way by rank, those that have waited longest first, and no more than needed", () => {
  const gave: string[] = [];
  const budget = new ByteBudget({ maxBytes: 100 });
  const hold = (name: string, rank: number, sinceMs: number) => {
    const one = holder(name, { rank, sinceMs }, gave);
    one.account = budget.open(one);
    one.account.add(20);
  };
  hold("unread", EVICTION_RANK.unread, 0);
  hold("away, late", EVICTION_RANK.away, 9);
  hold("away, early", EVICTION_RANK.away, 1);
  hold("delivered", EVICTION_RANK.delivered, 9);
  hold("unconfirmed", EVICTION_RANK.unconfirmed, 0);
  assertEquals([budget.bytes, gave], [100, []]);
  hold("results", EVICTION_RANK.results, 0);
  assertEquals([budget.bytes, gave], [80, ["delivered", "away, early"]]);
  assertEquals(budget.evictions, 2);
});

Deno.test("arguments of calls have half of the budget, and one call is always taken", () => {
  const budget = new ByteBudget({ maxBytes: 100 });
  const take = (bytes: number) => budget.tryTakeCall(bytes, budget);
  assertEquals([take(80), take(1), take(0)], [true, false, true]);
  budget.giveBackCall(80, budget);
  assertEquals([take(30), take(30), budget.bytes], [true, false, 30]);
});

Deno.test("a caller that has used up what calls may have leaves the others their share", () => {
  const budget = new ByteBudget({ maxBytes: 1000 });
  const callers = Array.from({ length: 20 }, () => ({}));
  const [greedy, modest] = callers as [object, object];
  const most = (caller: object, bytes = 1000): number =>
    budget.tryTakeCall(bytes, caller) ? bytes : most(caller, bytes - 1);
  assertEquals(budget.tryTakeCall(500, greedy), true);
  assertEquals([budget.tryTakeCall(1, greedy), budget.tryTakeCall(100, modest)], [false, true]);
  assertEquals([budget.tryTakeCall(67, modest), budget.tryTakeCall(66, modest)], [false, true]);
  // However many are greedy, there is something left for the next, and what is kept of answers has its quarter.
  for (const caller of callers.slice(2, 6)) assert(most(caller) > 0);
  assert(budget.bytes <= 750);
  budget.giveBackCall(500, greedy);
  assertEquals(budget.tryTakeCall(100, greedy), true);
});

Deno.test("a window whose calls hold all that calls may have is refused more, another window's call is taken", async () => {
  await using raw = rawServer({
    answer: ({ method, params }) => {
      if (method === "tools/list") return { tools: [{ name: "t", inputSchema: { type: "object" } }] };
      return params?.name === "t" && (params.arguments as JsonObject).hold ? undefined : { content: [] };
    },
  });
  // What is sent is less than the daemon may hold, or it may end the connection before it has refused a call.
  const settings = { maxHeldBytes: 4 * MIB, globalMaxInflight: 100, sessionMaxInflight: 100 };
  await using it = await testDaemon({ servers: [raw.mounted], settings });
  await using greedy = await McpWindow.open(it.url);
  await using modest = await McpWindow.open(it.url);
  const call = (client: McpWindow, chars: number, hold: boolean) =>
    client.request("tools/call", { name: "t", arguments: { hold, text: "x".repeat(chars) } });
  const refused = await Promise.race(Array.from({ length: 24 }, () => call(greedy, 100_000, true)));
  assert(JSON.stringify(refused.error).includes("OVER_CAPACITY"), JSON.stringify(refused));
  assertEquals((await call(modest, 40_000, false)).result, { content: [] });
});

Deno.test("a text counts as what V8 keeps it in", () => {
  assertEquals([heapBytes("äb"), heapBytes("a€"), heapBytes("")], [2, 4, 0]);
  assert(heapBytesOf({ a: ["x".repeat(1000), 1] }) > 1000);
});

Deno.test({
  name:
    "clients over HTTP that call for much and leave give way to one another, and are told so when they come back",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using daemon = await holdingDaemon(server);
    const url = daemon.url.replace("ws", "http") + "mcp";
    using good = await RawClient.hello(daemon.url, { resume: true });
    server.resultChars = MIB;
    const clients: { client: RawHttp; lastEventId: string }[] = [];
    const leave = async () => {
      const client = await RawHttp.open(url);
      const answer = server.hold();
      const response = await client.call(1, "ping");
      const reader = response.body!.getReader();
      const { value } = await reader.read();
      const [, lastEventId] = /^id: (\S+)$/m.exec(new TextDecoder().decode(value))!;
      await reader.cancel();
      answer();
      await until(
        "the end of the call",
        async () => (await healthOf(daemon.url)).inflight === 0 || undefined,
      );
      clients.push({ client, lastEventId: lastEventId! });
    };
    for (let n = 0; n < 100; n++) {
      await leave();
      if (n % 20 === 0) assertEquals((await good.call("version")).error, undefined);
    }
    const { held, reasons } = await healthOf(daemon.url);
    assert(
      held.bytes <= held.max_bytes && held.max_bytes === 16 * MIB && held.evictions >= 84,
      JSON.stringify(held),
    );
    assert(String(reasons).includes("EXAI_MAX_HELD_BYTES"), String(reasons));
    const resume = async ({ client, lastEventId }: typeof clients[number]) =>
      await sseMessages(await client.get({ "last-event-id": lastEventId }));
    const [first] = await resume(clients[0]!);
    assertEquals((first!.error as JsonObject).code, -32013, "the oldest is told that its answer is gone");
    const [last] = await resume(clients.at(-1)!);
    assert(JSON.stringify(last!.result).length > MIB, "the newest has its answer");
    await Promise.all(clients.map(({ client }) => client.delete()));
    const isGiven = async () => (await healthOf(daemon.url)).held.bytes < MIB || undefined;
    await until("what is over is given back", isGiven);
    await good.close();
  },
});

Deno.test({
  name:
    "sessions that are away with answers unread give way to the newest, and say that an outcome is unknown",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using daemon = await holdingDaemon(server);
    server.resultChars = MIB;
    const away: { session_id: string; token: string }[] = [];
    for (let n = 0; n < 80; n++) {
      const client = await RawClient.hello(daemon.url, { resume: true });
      client.send(JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params: ABOUT }));
      await client.nextWhere(({ id }) => id === 0);
      const params = { name: "ping", arguments: {} };
      client.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }));
      await client.nextWhere(({ id }) => id === 1);
      away.push({ session_id: String(client.ack.session_id), token: String(client.ack.resume_token) });
      client.socket.close();
    }
    const { held } = await healthOf(daemon.url);
    assert(held.bytes <= held.max_bytes && held.evictions >= 64, JSON.stringify(held));
    const back = async ({ session_id, token }: typeof away[number]) => {
      const client = await RawClient.hello(daemon.url, { session_id, resume: { token, waiting: [1] } });
      const frame = await client.nextWhere(({ id }) => id === 1);
      await client.close();
      return frame;
    };
    assertEquals(((await back(away[0]!)).error as JsonObject).code, -32013);
    assertEquals((await back(away.at(-1)!)).error, undefined);
  },
});

Deno.test({
  name:
    "clients that read nothing are cut off when they hold too much together, their memory comes back, and a window that reads goes on",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using daemon = await holdingDaemon(server);
    server.resultChars = 8 * MIB;
    using good = await RawClient.hello(daemon.url);
    assertEquals((await good.call("ping")).error, undefined);
    const before = await heapOf(daemon.url);
    const deaf: RawSocket[] = [];
    for (let n = 0; n < 40; n++) {
      const client = await connectRaw(daemon.url);
      deaf.push(client);
      await client.send(JSON.stringify({ op: "hello", client: "deaf" }));
      await client.readUntil("session_id");
      await client.send(JSON.stringify({ op: "call_tool", request_id: n, name: "ping", arguments: {} }));
      if (n % 10 === 9) assertEquals((await good.call("version")).error, undefined);
    }
    await until("the end of the calls", async () => (await healthOf(daemon.url)).inflight === 0 || undefined);
    const { held } = await healthOf(daemon.url);
    assert(held.bytes <= held.max_bytes && held.evictions > 5, JSON.stringify(held));
    assertEquals((await good.call("ping")).error, undefined, "the window that reads is served");
    const cut = async () => Number((await healthOf(daemon.url)).connections) <= 10 || undefined;
    await until("the connections whose clients read nothing are cut", cut);
    await waitForHeap(daemon.url, before);
    for (const client of deaf) client[Symbol.dispose]();
    await good.close();
  },
});

Deno.test({
  name: "what a burst of large answers took goes back to the system, although nothing more is asked",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using daemon = await holdingDaemon(server);
    using good = await RawClient.hello(daemon.url);
    await good.call("ping");
    const before = await heapOf(daemon.url);
    server.resultChars = 12 * MIB;
    for (let n = 0; n < 12; n++) assertEquals((await good.call("ping")).error, undefined);
    await waitForHeap(daemon.url, before);
    await good.close();
  },
});

const ABOUT = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "away", version: "1" },
};

Deno.test("of many bodies sent slowly at once the one that has been coming longest is refused, and others are taken", async () => {
  await using it = await testDaemon({ settings: { maxHeldBytes: 4 * MIB } });
  const { hostname, port } = new URL(it.http);
  const slow: Deno.Conn[] = [];
  const head = `POST /mcp HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
    `accept: application/json, text/event-stream\r\ncontent-length: ${8 * MIB}\r\n\r\n`;
  for (let n = 0; n < 6; n++) {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const bytes = new TextEncoder().encode(head + " ".repeat(MIB));
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    slow.push(connection);
  }
  const answer = new Uint8Array(4096);
  const count = (await slow[0]!.read(answer)) ?? 0;
  const text = new TextDecoder().decode(answer.subarray(0, count));
  assert(text.startsWith("HTTP/1.1 429"), text);
  assert(text.includes("coming for longest"), text);
  const client = await RawHttp.open(`${it.http}mcp`);
  const [reply] = await sseMessages(await client.call(1, "challenge", { prompt: "x".repeat(100_000) }));
  assertEquals(reply!.error, undefined, "a well-behaved client is served meanwhile");
  for (const connection of slow) connection.close();
  await client.delete();
  const isGiven = async () => (await healthOf(it.url)).held.bytes < MIB / 2 || undefined;
  await until("what was read of them is given back", isGiven);
});
