import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { KIB } from "../lib/base/units.ts";
import type { Caller } from "../lib/call/call.ts";
import type { Settings } from "../lib/config/settings.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { httpClient, initialize, RawHttp, sseEvents, sseMessages, statusOf } from "./helpers/http_client.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { textOf } from "./helpers/sdk_client.ts";
import { until } from "./helpers/until.ts";

/** How sessions of HTTP are shown, which is not how their clients name them. */
const SHOWN_ID = /^http-[0-9a-f]{8}$/;

async function oddDaemon(settings: Partial<Settings> = {}) {
  const odd = new OddServer();
  const it = await testDaemon({ servers: [odd], settings });
  return { ...it, odd, mcp: new URL("/mcp", it.http).href };
}

Deno.test("the SDK's own HTTP client initializes, lists, calls and hears progress", async () => {
  await using it = await oddDaemon();
  await using client = await httpClient(it.mcp);
  assertEquals(client.getServerVersion()?.name, "exai");
  const { tools } = await client.listTools();
  assertEquals(tools.some(({ name }) => name === "version"), true);
  const seen: number[] = [];
  const options = { onprogress: ({ progress }: { progress: number }) => void seen.push(progress) };
  await client.callTool({ name: "steps", arguments: { total: 3 } }, undefined, options);
  assertEquals(seen, [1, 2, 3]);
});

Deno.test("clients over HTTP have sessions of their own, and what a tool asks goes to the one that called", async () => {
  await using it = await oddDaemon();
  await using ada = await httpClient(it.mcp, { name: "ada" });
  await using bob = await httpClient(it.mcp, { name: "bob" });
  const names = await Promise.all([ada, bob].map((client) => client.callTool({ name: "whoami" })));
  assertEquals(new Set(names.map(textOf)).size, 2);
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all([ada, bob].map((client) => client.callTool({ name: "asks" })));
    assertEquals(answers.map((answer) => JSON.parse(textOf(answer)).content.name), ["ada", "bob"]);
  }
});

Deno.test("one server is had alone under its name, and an unknown name is told the known ones", async () => {
  await using it = await oddDaemon();
  await using client = await httpClient(`${it.mcp}/odd`);
  assertEquals(client.getServerVersion()?.name, "odd");
  const { tools } = await client.listTools();
  assertEquals(tools.some(({ name }) => name === "version"), false);
  const response = await new RawHttp(`${it.mcp}/none`).post(initialize());
  assertEquals(response.status, 404);
  const { error } = await response.json();
  assertMatch(error.message, /no server "none".*exai, odd/);
});

Deno.test("one server is had alone over a WebSocket too", async () => {
  await using it = await oddDaemon();
  using client = await RawClient.connect(new URL("/mcp/odd", it.url).href, ["mcp"]);
  const answer = await client.ask({ jsonrpc: "2.0", ...initialize() });
  assertEquals((answer.result as JsonObject).serverInfo, { name: "odd", version: "1" });
  await client.close();
  await assertRejects(() => RawClient.connect(new URL("/mcp/none", it.url).href, ["mcp"]));
  await assertRejects(() => RawClient.connect(new URL("/mcp/odd", it.url).href));
});

Deno.test("a cut stream loses nothing: the call goes on and its answer is there on return", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  for (const release of ["before the client is back", "after"]) {
    const odd = it.odd.nextHold();
    const cut = new AbortController();
    const response = await client.call(1, "hold", {}, cut.signal);
    const first = await sseEvents(response).next();
    const call = await odd;
    cut.abort();
    assertEquals(call.signal.aborted, false, "a cut connection cancels nothing");
    if (release === "after") it.odd.release.resolve();
    const back = await client.get({ "last-event-id": first.value!.id! });
    assertEquals(back.status, 200);
    it.odd.release.resolve();
    for await (const { data } of sseEvents(back)) {
      assertEquals(JSON.parse(data), { jsonrpc: "2.0", id: 1, result: { content: [text("released")] } });
      break;
    }
  }
  assertEquals(await client.delete(), 200);
});

function text(value: string): JsonObject {
  return { type: "text", text: value };
}

Deno.test("an answer that was delivered can be had again, and the stream then ends", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const events = await Array.fromAsync(sseEvents(await client.call(1, "logs")));
  const [first] = events;
  const again = await Array.fromAsync(sseEvents(await client.get({ "last-event-id": first!.id! })));
  assertEquals(again, events.slice(1));
  assertEquals(await statusOf(client.get({ "last-event-id": events.at(-1)!.id! })), 204);
  assertEquals(await client.delete(), 200);
});

Deno.test("the SDK's client gets its answer although its stream is cut on the way", async () => {
  await using it = await oddDaemon();
  await using proxy = cuttingProxy(it.http);
  await using client = await httpClient(new URL("/mcp", proxy.url));
  const primed = Promise.withResolvers<string>();
  const options = { onresumptiontoken: (token: string) => primed.resolve(token) };
  const answer = client.callTool({ name: "hold" }, undefined, options);
  await primed.promise;
  proxy.cutAll();
  it.odd.release.resolve();
  assertEquals(textOf(await answer), "released");
  assertEquals(it.odd.runs, 1);
});

/** A proxy that cuts its connections when told. */
function cuttingProxy(target: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  const { hostname, port } = new URL(target);
  const cutAll = () => {
    for (const conn of open) conn.close();
    open.clear();
  };
  const serve = async (client: Deno.Conn) => {
    const server = await Deno.connect({ hostname, port: Number(port) });
    for (const conn of [client, server]) open.add(conn);
    client.readable.pipeTo(server.writable).catch(() => {});
    server.readable.pipeTo(client.writable).catch(() => {});
  };
  const served = (async () => {
    for await (const client of listener) await serve(client);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    cutAll,
    async [Symbol.asyncDispose]() {
      listener.close();
      cutAll();
      await served;
    },
  };
}

Deno.test("a cancelled request ends its stream without an answer, and there is nothing to come back for", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const held = it.odd.nextHold();
  const response = await client.call(1, "hold");
  await held;
  const params = { requestId: 1, reason: "enough" };
  assertEquals(await statusOf(client.post({ method: "notifications/cancelled", params })), 202);
  const events = await Array.fromAsync(sseEvents(response));
  assertEquals(events.map(({ data }) => data), [""]);
  assertEquals(await statusOf(client.get({ "last-event-id": events[0]!.id! })), 204);
  const [answer] = await sseMessages(await client.call(1, "whoami"));
  assertEquals(answer!.id, 1, "the id may be used again");
  assertEquals(await client.delete(), 200);
});

Deno.test("DELETE ends the session: its calls are aborted, its id is unknown", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const held = it.odd.nextHold();
  const response = await client.call(1, "hold");
  const call = await held;
  assertEquals(await client.delete(), 200);
  assertEquals(call.signal.aborted, true);
  await sseMessages(response);
  assertEquals(await statusOf(client.post({ id: 2, method: "ping" })), 404);
  assertEquals(await client.delete(), 404);
});

Deno.test("a session that is idle is collected, one whose client listens is not", async () => {
  await using it = await oddDaemon({ sessionIdleMs: 50 });
  const { listening, stream } = await until("a client that listens in time", async () => {
    const listening = await RawHttp.open(it.mcp);
    const stream = await listening.get();
    // On a busy machine it may be collected before it listens.
    if (stream.status === 200) return { listening, stream };
    await stream.body?.cancel();
  });
  for (let round = 0; round < 2; round++) {
    const collected = Promise.withResolvers<Caller>();
    it.odd.ondetach = (caller) => collected.resolve(caller);
    const idle = await RawHttp.open(it.mcp);
    assertEquals((await collected.promise).client?.name, "raw");
    assertEquals(await statusOf(idle.post({ id: 1, method: "ping" })), 404);
  }
  const [pong] = await sseMessages(await listening.post({ id: 1, method: "ping" }));
  assertEquals(pong!.result, {});
  assertEquals(await listening.delete(), 200);
  assertEquals(await sseMessages(stream), []);
});

Deno.test("at the limit the session that was silent longest makes room", async () => {
  await using it = await oddDaemon({ maxConnections: 2 });
  const [first, second] = [await RawHttp.open(it.mcp), await RawHttp.open(it.mcp)];
  await sseMessages(await first.post({ id: 1, method: "ping" }));
  await RawHttp.open(it.mcp);
  assertEquals(await statusOf(first.post({ id: 2, method: "ping" })), 200);
  assertEquals(await statusOf(second.post({ id: 2, method: "ping" })), 404);
});

Deno.test("a client over HTTP may tell its working directory", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp, { "x-exai-cwd": encodeURIComponent("/home/ada/Überblick") });
  const held = it.odd.nextHold();
  const response = await client.call(1, "hold");
  assertEquals((await held).caller.cwd, "/home/ada/Überblick");
  it.odd.release.resolve();
  await sseMessages(response);
  assertEquals(await client.delete(), 200);
});

const FAULTS: [name: string, ask: (client: RawHttp) => Promise<Response>, status: number][] = [
  [
    "an unknown session",
    (client) => withHeader(client, "mcp-session-id", "x").post({ id: 1, method: "ping" }),
    404,
  ],
  ["no session", (client) => new RawHttp(client.url).post({ id: 1, method: "ping" }), 400],
  ["a stream of no session", (client) => new RawHttp(client.url).get(), 405],
  [
    "a session of another path",
    (client) => withUrl(client, `${client.url}/odd`).post({ id: 1, method: "ping" }),
    404,
  ],
  ["no JSON", (client) => client.post("{"), 400],
  ["no message", (client) => client.post("{}"), 400],
  ["a second initialize", (client) => client.post(initialize()), 400],
  [
    "a batch of malformed initializes with one id",
    (client) => {
      const again = { jsonrpc: "2.0", ...initialize({ clientInfo: { name: "no version" } }), id: 5 };
      const batching = withHeader(client, "mcp-protocol-version", "2025-03-26");
      return batching.post(JSON.stringify([again, again]));
    },
    200,
  ],
  [
    "an initialize without params",
    (client) => new RawHttp(client.url).post({ id: 1, method: "initialize" }),
    400,
  ],
  [
    "an unknown revision",
    (client) => withHeader(client, "mcp-protocol-version", "1999-01-01").post("{}"),
    400,
  ],
  [
    "no text/event-stream",
    (client) => withHeader(client, "accept", "application/json").post(initialize()),
    406,
  ],
  ["another method", (client) => fetch(client.url, { method: "PUT", headers: client.headers }), 405],
  ["another method without a session", (client) => fetch(client.url, { method: "PUT" }), 405],
];

for (const [name, ask, status] of FAULTS) {
  Deno.test(`a bad HTTP request is refused and the session goes on: ${name}`, async () => {
    await using it = await oddDaemon();
    const client = await RawHttp.open(it.mcp);
    assertEquals(await statusOf(ask(client)), status);
    const [pong] = await sseMessages(await client.post({ id: 9, method: "ping" }));
    assertEquals(pong, { jsonrpc: "2.0", id: 9, result: {} });
    assertEquals(await client.delete(), 200);
  });
}

function withHeader(client: RawHttp, name: string, value: string): RawHttp {
  const other = new RawHttp(client.url);
  Object.assign(other.headers, client.headers, { [name]: value });
  return other;
}

function withUrl(client: RawHttp, url: string): RawHttp {
  const other = new RawHttp(url);
  Object.assign(other.headers, client.headers);
  return other;
}

Deno.test("a body too large is refused, declared or not, and never held", async () => {
  await using it = await oddDaemon({ maxFrameBytes: 64 * KIB });
  const client = await RawHttp.open(it.mcp);
  const filler = "x".repeat(64 * KIB);
  const declared = await client.post({ id: 1, method: "ping", params: { filler } });
  assertEquals(declared.status, 413);
  assertMatch((await declared.json()).error.message, /64 KiB at most/);
  let pulls = 0;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(16 * KIB));
      if (++pulls === 1000) controller.close();
    },
  });
  const { headers, url } = client;
  const endless = fetch(url, { method: "POST", headers, body }).then(({ status, body }) => {
    body?.cancel();
    return status;
  });
  assertEquals(await endless.catch(() => 413), 413);
  assertEquals(await client.delete(), 200);
});

Deno.test("an answer too large is refused by name, and so is one that is no JSON", async () => {
  await using it = await oddDaemon({ maxFrameBytes: 64 * KIB });
  const client = await RawHttp.open(it.mcp);
  const [large] = await sseMessages(await client.call(1, "large", { mib: 1 }));
  assertEquals(((large!.error as JsonObject).data as JsonObject).code, "TOO_LARGE");
  const [circular] = await sseMessages(await client.call(2, "circular"));
  assertEquals(((circular!.error as JsonObject).data as JsonObject).code, "INTERNAL");
  assertEquals(await client.delete(), 200);
});

Deno.test("a client that reads nothing is cut, and the daemon is well", async () => {
  await using it = await oddDaemon({ maxQueuedBytes: 256 * KIB });
  const client = await RawHttp.open(it.mcp);
  const response = await client.call(1, "floods");
  await it.odd.release.promise;
  await assertRejects(() => response.text());
  await assertServes(it.url);
});

Deno.test("a web page and a rebound name get nowhere over HTTP either", async () => {
  await using it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"]) {
    assertEquals(await statusOf(withHeader(client, "origin", origin).post({ id: 1, method: "ping" })), 403);
  }
  const own = new URL(it.http).origin;
  assertEquals(await statusOf(withHeader(client, "origin", own).post({ id: 1, method: "ping" })), 200);
  assertEquals(await statusWithHost(it.http, "evil.example"), "HTTP/1.1 403 Forbidden");
});

async function statusWithHost(url: string, host: string): Promise<string> {
  const { hostname, port } = new URL(url);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const body = JSON.stringify({ jsonrpc: "2.0", ...initialize() });
  const head =
    `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Accept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n`;
  await conn.write(new TextEncoder().encode(head + body));
  const answer = await new Response(conn.readable).text();
  return answer.slice(0, answer.indexOf("\r\n"));
}

Deno.test("a page of an allowed origin may ask first and read what it is answered", async () => {
  const origin = "https://mine.example";
  await using it = await oddDaemon({ allowedOrigins: [origin], token: "correct-horse" });
  const headers = {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "a, b",
  };
  const preflight = await fetch(it.mcp, { method: "OPTIONS", headers });
  assertEquals(preflight.status, 204);
  assertEquals(preflight.headers.get("access-control-allow-headers"), "a, b");
  const client = await RawHttp.open(it.mcp, { origin, authorization: "Bearer correct-horse" });
  const pong = await client.post({ id: 1, method: "ping" });
  assertEquals(pong.headers.get("access-control-allow-origin"), origin);
  assertMatch(pong.headers.get("access-control-expose-headers")!, /mcp-session-id/);
  await pong.body?.cancel();
});

Deno.test("without the token there is no session over HTTP", async () => {
  await using it = await oddDaemon({ token: "correct-horse" });
  const refused = await new RawHttp(it.mcp).post(initialize());
  assertEquals([refused.status, refused.headers.get("www-authenticate")], [401, "Bearer"]);
  await refused.body?.cancel();
  await using client = await httpClient(it.mcp, { headers: { authorization: "Bearer correct-horse" } });
  assertMatch(textOf(await client.callTool({ name: "whoami" })), SHOWN_ID);
});

Deno.test("a stopping daemon ends the streams of its HTTP clients", async () => {
  const it = await oddDaemon();
  const client = await RawHttp.open(it.mcp);
  const stream = await client.get();
  await it[Symbol.asyncDispose]();
  assertEquals(await sseMessages(stream), []);
});
