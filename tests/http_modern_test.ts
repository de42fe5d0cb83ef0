import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import type { ListKind } from "../lib/call/server.ts";
import type { Settings } from "../lib/config/settings.ts";
import { NodeListener } from "../lib/edge/node_listener.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { initialize, RawHttp, sseEvents, sseMessages, statusOf } from "./helpers/http_client.ts";
import { claimOf, MODERN, modernRequest } from "./helpers/modern.ts";
import { ModernHttp, refusalIn } from "./helpers/modern_http.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { until } from "./helpers/until.ts";

/** A server with one tool whose argument `region` is repeated in a header. */
class HeadedServer extends OddServer {
  override readonly name = "headed";
  override list(kind: ListKind): Promise<JsonObject[]> {
    const properties = { region: { type: "string", "x-mcp-header": "Region" }, rows: { type: "integer" } };
    const tool = { name: "query", inputSchema: { type: "object", properties } };
    return Promise.resolve(kind === "tools" ? [tool] : []);
  }
  override readonly target = (call: Call) =>
    Promise.resolve({ result: textResult(`in ${(call.params.arguments as JsonObject).region}`) });
}

async function modernDaemon(settings: Partial<Settings> = {}) {
  const odd = new OddServer();
  const it = await testDaemon({ servers: [odd, new HeadedServer()], settings });
  const mcp = new URL("/mcp", it.http).href;
  return { ...it, odd, mcp, client: new ModernHttp(mcp) };
}

async function textIn(response: Response): Promise<string> {
  const { result } = await response.json();
  return result.content[0].text;
}

const LIST = modernRequest(7, "tools/list");
const CALL = modernRequest("c", "tools/call", { name: "nothing", arguments: {} });
const NO_CLAIM = { jsonrpc: "2.0", id: 7, method: "tools/list", params: {} };
const VERSION = { "mcp-protocol-version": MODERN };

const REFUSALS: [why: string, message: JsonObject, Record<string, string | undefined>, number, number][] = [
  ["no MCP-Protocol-Version", LIST, { "mcp-protocol-version": undefined }, 400, -32020],
  ["another MCP-Protocol-Version", LIST, { "mcp-protocol-version": "2025-11-25" }, 400, -32020],
  ["no Mcp-Method", LIST, { "mcp-method": undefined }, 400, -32020],
  ["another Mcp-Method", LIST, { "mcp-method": "prompts/list" }, 400, -32020],
  ["Mcp-Method in other letters", LIST, { "mcp-method": "Tools/List" }, 400, -32020],
  ["no Mcp-Name", CALL, { "mcp-name": undefined }, 400, -32020],
  ["another Mcp-Name", CALL, { "mcp-name": "hold" }, 400, -32020],
  ["Mcp-Name in broken base64", CALL, { "mcp-name": "=?base64?bm90aGluZw?=" }, 400, -32020],
  ["a header without a claim", NO_CLAIM, VERSION, 400, -32602],
  [
    "a claim without capabilities",
    { ...LIST, params: { _meta: { "io.modelcontextprotocol/protocolVersion": MODERN } } },
    {},
    400,
    -32602,
  ],
  [
    "a revision that is not known",
    modernRequest(7, "tools/list", {}, { revision: "2099-01-01" }),
    {},
    400,
    -32022,
  ],
  ["a method that is not known", modernRequest(7, "no/such"), {}, 404, -32601],
  ["a method of the other era", modernRequest(7, "ping"), {}, 404, -32601],
  ["a tool that is not known", modernRequest(7, "tools/call", { name: "none" }), {}, 400, -32602],
  ["a body that is no JSON to be", LIST, { "content-type": "text/plain" }, 415, -32600],
  ["an Accept without events", LIST, { accept: "application/json" }, 406, -32600],
  ["a cursor that is none", modernRequest(7, "tools/list", { cursor: "x" }), {}, 400, -32602],
];

Deno.test("a request that is not served says why with the status of its error and its own id", async (t) => {
  await using it = await modernDaemon();
  for (const [why, message, headers, status, code] of REFUSALS) {
    await t.step(why, async () => {
      const response = await it.client.post(message, { headers });
      assertEquals(await refusalIn(response), [status, code, message.id]);
    });
  }
});

Deno.test("a request that fails is answered in the era that it is of, under its id, whatever its headers say", async () => {
  await using it = await modernDaemon();
  const nowhere = new ModernHttp(`${it.mcp}/nowhere`);
  const legacy = { jsonrpc: "2.0", id: 8, method: "initialize", params: {} };
  const unnamed = { "mcp-protocol-version": undefined };
  const table: [JsonObject, Record<string, string | undefined>, number, unknown][] = [
    [LIST, {}, -32602, 7],
    [LIST, unnamed, -32602, 7],
    [NO_CLAIM, VERSION, -32602, 7],
    [NO_CLAIM, unnamed, -32002, 7],
    [legacy, VERSION, -32002, 8],
  ];
  for (const [message, headers, code, id] of table) {
    const response = await nowhere.post(message, { headers });
    assertEquals(await refusalIn(response), [404, code, id], JSON.stringify([message, headers]));
  }
  const unread = await nowhere.post({ id: {} }, { headers: VERSION });
  assertEquals(await refusalIn(unread), [404, -32602, null]);
});

Deno.test("a request is served by its content, whatever session and spelling its headers have", async () => {
  await using it = await modernDaemon();
  const same = [
    {},
    { "mcp-session-id": "nobody's" },
    { "last-event-id": "7" },
    { accept: "*/*" },
    { accept: undefined },
    { "content-type": "Application/JSON; charset=utf-8" },
    { "mcp-name": "=?base64?bm90aGluZw==?=" },
  ];
  for (const headers of same) {
    const response = await it.client.post(CALL, { headers });
    assertEquals(response.status, 200, JSON.stringify(headers));
    assertEquals(response.headers.get("content-type"), "application/json");
    assertEquals(response.headers.get("mcp-session-id"), null);
    const { id, result } = await response.json();
    assertEquals([id, result.resultType], ["c", "complete"]);
  }
});

Deno.test("both eras are served at one address, each message by its own content", async () => {
  await using it = await modernDaemon();
  // The name of a new revision in the headers of an initialize says nothing: some clients send it.
  const begun = await new RawHttp(it.mcp).post(initialize({ protocolVersion: MODERN }));
  assertEquals((await sseMessages(begun))[0]!.result !== undefined, true);
  const old = await RawHttp.open(it.mcp);
  const session = old.headers["mcp-session-id"];
  const modern = await it.client.post(CALL, { headers: { "mcp-session-id": session } });
  assertEquals((await modern.json()).result.resultType, "complete");
  const [pong] = await sseMessages(await old.post({ id: 1, method: "ping" }));
  assertEquals(pong, { jsonrpc: "2.0", id: 1, result: {} });
  assertEquals(await old.delete(), 200);
});

Deno.test("a client that names a session is of the era in which there are some, whatever revision it names", async () => {
  await using it = await modernDaemon();
  const unknown = await it.client.post(NO_CLAIM, { headers: { ...VERSION, "mcp-session-id": "nobody's" } });
  assertEquals((await refusalIn(unknown)).slice(0, 1), [404], "it is to initialize again");
});

Deno.test("without a session there is nothing but POST, and no batches, responses or requests to the client", async () => {
  await using it = await modernDaemon();
  for (const method of ["GET", "DELETE", "PUT"]) {
    const response = await fetch(it.mcp, { method, headers: VERSION });
    assertEquals([response.status, await response.text()], [405, ""]);
    assertStringIncludes(response.headers.get("allow")!, "POST");
  }
  const post = (body: unknown, headers = {}) => {
    const common = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    return fetch(it.mcp, { method: "POST", headers: { ...common, ...headers }, body: JSON.stringify(body) });
  };
  assertEquals(await refusalIn(await post([LIST, LIST])), [400, -32600, null]);
  assertEquals(await refusalIn(await post([NO_CLAIM], VERSION)), [400, -32600, null]);
  assertEquals(await refusalIn(await post({ jsonrpc: "2.0", id: 1, result: {} }, VERSION)), [
    400,
    -32600,
    null,
  ]);
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
  for (const params of [cancelled.params, { ...cancelled.params, _meta: claimOf() }]) {
    const response = await post({ ...cancelled, params }, VERSION);
    assertEquals([response.status, await response.text()], [202, ""]);
  }
  const asked = await it.client.call(1, "asks", {}, { capabilities: {} });
  assertEquals(asked.headers.get("content-type"), "application/json");
  await asked.body?.cancel();
});

Deno.test("what the client is told before the answer comes as events, the answer last; otherwise it is JSON", async () => {
  await using it = await modernDaemon();
  const said = { meta: { progressToken: "p" } };
  const response = await it.client.call(3, "steps", { total: 2 }, said);
  assertEquals(response.status, 200);
  assertMatch(response.headers.get("content-type")!, /^text\/event-stream/);
  assertEquals(response.headers.get("x-accel-buffering"), "no");
  const events = await Array.fromAsync(sseEvents(response));
  assertEquals(events.map(({ id }) => id), [undefined, undefined, undefined]);
  const messages = events.map(({ data }) => JSON.parse(data));
  assertEquals(messages.map(({ id, method }) => id ?? method), [
    "notifications/progress",
    "notifications/progress",
    3,
  ]);
  assertEquals(messages.slice(0, 2).map(({ params }) => [params.progressToken, params.progress]), [
    ["p", 1],
    ["p", 2],
  ]);
  const quiet = await it.client.call(3, "steps", { total: 2 });
  assertEquals(quiet.headers.get("content-type"), "application/json");
  assertEquals(await textIn(quiet), "done");
});

Deno.test("two clients whose requests have one id each get their own answer", async () => {
  await using it = await modernDaemon();
  const held = it.odd.nextHold();
  const first = it.client.call(1, "hold");
  await held;
  const second = it.odd.nextHold();
  const others = [it.client.call(1, "whoami"), new ModernHttp(it.mcp).call(1, "hold")] as const;
  assertMatch(await textIn(await others[0]), /^http-modern-/);
  await second;
  it.odd.release.resolve();
  for (const response of [await first, await others[1]]) {
    const { id, result } = await response.json();
    assertEquals([id, result.content[0].text], [1, "released"]);
  }
});

/** Sends a request by hand, on a connection of its own or on `conn`. */
async function postRaw(mcp: string, message: JsonObject, conn: Deno.Conn): Promise<void> {
  const headers = Array.from(
    new ModernHttp(mcp).headersOf(message),
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const body = JSON.stringify(message);
  const head = `POST /mcp HTTP/1.1\r\nHost: ${new URL(mcp).host}\r\nContent-Length: ${body.length}\r\n`;
  await conn.write(new TextEncoder().encode(`${head}${headers.join("")}\r\n${body}`));
}

for (const tool of ["hold", "logs_and_holds"]) {
  for (const door of ["TCP", "a socket of Node's"]) {
    Deno.test(`a client that closes its connection cancels its request: ${tool}, ${door}`, async () => {
      await using it = await modernDaemon();
      const path = `${it.home}/door`;
      await using _node = await NodeListener.listen({ path, handler: it.daemon.handler });
      const { hostname, port } = new URL(it.mcp);
      const conn: Deno.Conn = door === "TCP"
        ? await Deno.connect({ hostname, port: Number(port) })
        : await Deno.connect({ transport: "unix", path });
      // Deno notices it at once on connections that have served a request (lib/edge/modern_reply.ts).
      await postRaw(it.mcp, modernRequest(0, "server/discover"), conn);
      await conn.read(new Uint8Array(4096));
      const begun = it.odd.nextHold();
      const said = { logLevel: "debug" };
      await postRaw(it.mcp, modernRequest(1, "tools/call", { name: tool, arguments: {} }, said), conn);
      await begun;
      if (tool !== "hold") await conn.read(new Uint8Array(1024));
      conn.close();
      assertMatch(String(await it.odd.aborted.promise), /closed/);
    });
  }
}

Deno.test("arguments that a tool wants in headers are compared with them, merged and alone", async () => {
  await using it = await modernDaemon();
  for (const url of [it.mcp, `${it.mcp}/headed`]) {
    const client = new ModernHttp(url);
    const ask = (region: string | null | undefined, header: string | undefined) => {
      const message = modernRequest(1, "tools/call", { name: "query", arguments: { region } });
      return client.post(message, { headers: { "mcp-param-region": header } });
    };
    assertEquals(await textIn(await ask("eu", "eu")), "in eu");
    assertEquals(await textIn(await ask("世", "=?base64?5LiW?=")), "in 世");
    assertEquals(await textIn(await ask(null, undefined)), "in null");
    assertEquals(await refusalIn(await ask("eu", undefined)), [400, -32020, 1]);
    assertEquals(await refusalIn(await ask("eu", "us")), [400, -32020, 1]);
    assertEquals(await refusalIn(await ask("eu", "=?base64?ZXU?=")), [400, -32020, 1]);
    assertEquals(await refusalIn(await ask(undefined, "us")), [400, -32020, 1]);
  }
});

Deno.test("requests of one principal, server, directory and window share a session, and no others", async () => {
  await using it = await modernDaemon();
  const idOf = async (headers: Record<string, string>, url = it.mcp) =>
    (await textIn(await new ModernHttp(url, headers).call(1, "whoami"))).split("~")[0]!;
  const mine = await idOf({});
  assertMatch(mine, /^http-modern-[0-9a-f]{8}$/);
  assertEquals(await idOf({ "user-agent": "other" }), mine);
  const cwd = { "x-exai-cwd": encodeURIComponent("/home/ada/Ü") };
  const others = [
    await idOf(cwd),
    await idOf({ ...cwd, "x-exai-window": "left" }),
    await idOf({ ...cwd, "x-exai-window": "right" }),
    await idOf({}, `${it.mcp}/odd`),
  ];
  assertEquals(new Set([mine, ...others]).size, 5);
  assertEquals(await idOf({ ...cwd, "x-exai-window": "left" }), others[1]);
  const { sessions } = await (await fetch(new URL("/status", it.http))).json();
  const shown = sessions.find(({ session }: JsonObject) => session === others[1]);
  assertEquals([shown.cwd, shown.window, shown.client, shown.revision], [
    "/home/ada/Ü",
    "left",
    "new",
    MODERN,
  ]);
});

Deno.test("a stranger has no part in another's session", async () => {
  await using it = await modernDaemon({ token: "correct-horse" });
  const mine = new ModernHttp(it.mcp, { authorization: "Bearer correct-horse" });
  const id = await textIn(await mine.call(1, "whoami"));
  for (const authorization of ["Bearer correct-hors", undefined]) {
    assertEquals(await statusOf(new ModernHttp(it.mcp, { authorization }).call(1, "whoami")), 401);
  }
  // As the listener with client certificates passes it on.
  const withCertificate = async (clientCertificate: string) => {
    const message = modernRequest(1, "tools/call", { name: "whoami", arguments: {} });
    const request = new Request(it.mcp, {
      method: "POST",
      headers: mine.headersOf(message, { host: new URL(it.mcp).host }),
      body: JSON.stringify(message),
    });
    const address: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
    const context = { completed: new Promise<void>(() => {}), remoteAddr: address, localAddr: address };
    return textIn(await it.daemon.handler(request, { ...context, clientCertificate, endpoint: "" }));
  };
  const [ada, bob] = [await withCertificate("AA:BB"), await withCertificate("CC:DD")];
  assertEquals(new Set([id, ada, bob]).size, 3);
  assertEquals(await withCertificate("AA:BB"), ada);
});

Deno.test("at the limit a session that is not in use makes room, and one with a running call does not", async () => {
  await using it = await modernDaemon({ maxConnections: 2 });
  const at = (cwd: string) => new ModernHttp(it.mcp, { "x-exai-cwd": cwd });
  const held = it.odd.nextHold();
  const running = at("/a").call(1, "hold");
  await held;
  const first = await textIn(await at("/b").call(1, "whoami"));
  await textIn(await at("/c").call(1, "whoami"));
  assertNotEquals(await textIn(await at("/b").call(1, "whoami")), first);
  const other = it.odd.nextHold();
  const second = at("/d").call(1, "hold");
  await other;
  assertEquals((await refusalIn(await at("/e").call(5, "whoami"))).slice(0, 1), [429]);
  it.odd.release.resolve();
  assertEquals(await Promise.all([running, second].map(async (one) => await textIn(await one))), [
    "released",
    "released",
  ]);
});

Deno.test("at the limit of open requests another is refused, listens counted, until one has ended", async () => {
  await using it = await modernDaemon({ maxConnections: 2 });
  const listen = (id: string) =>
    it.client.request(id, "subscriptions/listen", { notifications: { toolsListChanged: true } });
  const [first, second] = [await listen("a"), await listen("b")];
  const refused = await it.client.post(LIST);
  assertEquals(refused.status, 429);
  assertMatch((await refused.json()).error.message, /2 requests .*EXAI_WS_MAX_CONNECTIONS/);
  await first.body!.cancel();
  await until("there is room", async () => await statusOf(it.client.post(LIST)) === 200 || undefined);
  await second.body!.cancel();
});

Deno.test("a body over the limit is refused, and an answer over it is an error", async () => {
  await using it = await modernDaemon({ maxFrameBytes: 100_000 });
  const large = await it.client.call(1, "nothing", { text: "x".repeat(100_000) });
  assertEquals(large.status, 413);
  await large.body?.cancel();
  const answer = await it.client.call(1, "large", { mib: 1 });
  assertMatch((await answer.json()).error.message, /EXAI_WS_MAX_BYTES/);
});

Deno.test("a listen is acknowledged as the first event, is told what it asked for, and ends with the daemon", async () => {
  const it = await modernDaemon();
  const response = await it.client.request("l", "subscriptions/listen", {
    notifications: { toolsListChanged: true },
  });
  assertEquals(response.headers.get("x-accel-buffering"), "no");
  const events = sseEvents(response);
  const first = JSON.parse((await events.next()).value!.data);
  assertEquals([first.method, first.params.notifications], [
    "notifications/subscriptions/acknowledged",
    { toolsListChanged: true },
  ]);
  const stopping = it[Symbol.asyncDispose]();
  const rest = (await Array.fromAsync(events)).map(({ data }) => JSON.parse(data));
  assertEquals(rest.map(({ id, result }) => [id, result.resultType]), [["l", "complete"]]);
  await stopping;
});
