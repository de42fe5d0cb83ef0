import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { loggingErrors } from "../../lib/base/handler_errors.ts";
import { Attribution } from "../../lib/upstream/instance/attribution.ts";
import { InFlightTable } from "../../lib/upstream/instance/inflight.ts";
import { redactedJson } from "../../lib/observe/redacted_json.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { MAX_DEPTH, MAX_MEMBERS, outlineOf } from "../../lib/wire/shape.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { RawHttp } from "../helpers/http_client.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

const LINE_SERVER: JsonObject = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("../fixtures/line_server.ts", import.meta.url))],
  share: "machine",
};

/** Values that throw when they are made a text. */
const NO_TEXTS = ['{"toString":1,"valueOf":1}', nested(20_000)];
/** The same, nested no deeper than a message may be: what a client may send. */
const SENDABLE = ['{"toString":1,"valueOf":1}', nested(MAX_DEPTH - 8), "5", "null", '["a"]', "true"];

function nested(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

function members(count: number): string {
  return `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",")}}`;
}

async function initialized(url: string, capabilities: JsonObject = {}): Promise<RawClient> {
  const client = await RawClient.hello(url);
  const clientInfo = { name: "test", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities, clientInfo };
  await client.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  return client;
}

/** The places where a request of a client carries a text. */
const PLACES: Record<string, (value: string) => string> = {
  "resources/subscribe": (value) => `{"uri":${value}}`,
  "resources/unsubscribe": (value) => `{"uri":${value}}`,
  "resources/read": (value) => `{"uri":${value}}`,
  "prompts/get": (value) => `{"name":${value}}`,
  "tools/call": (value) => `{"name":${value}}`,
  "tasks/get": (value) => `{"taskId":${value}}`,
  "tasks/result": (value) => `{"taskId":${value}}`,
  "tasks/cancel": (value) => `{"taskId":${value}}`,
  "logging/setLevel": (value) => `{"level":${value}}`,
  "completion/complete": (value) => `{"ref":{"type":"ref/prompt","name":${value}},"argument":{}}`,
};

Deno.test("a request whose name or URI is no text is refused as INVALID_PARAMS, whatever it is", async () => {
  await using it = await testDaemon();
  for (const path of ["/", "/mcp/exai"]) {
    using client = path === "/"
      ? await initialized(it.url)
      : await RawClient.connect(new URL(path, it.url).href, ["mcp"]);
    let id = 1;
    for (const [method, paramsOf] of Object.entries(PLACES)) {
      for (const value of SENDABLE) {
        client.send(`{"jsonrpc":"2.0","id":${++id},"method":"${method}","params":${paramsOf(value)}}`);
        const { error } = await client.nextWhere((frame) => frame.id === id);
        const code = (error as JsonObject | undefined)?.code;
        assert(
          code === -32602 || code === -32002 || code === -32601,
          `${path} ${method} ${value.slice(0, 30)}: ${JSON.stringify(error)}`,
        );
      }
    }
    const ref = `{"ref":{"type":"ref/resource","uri":${SENDABLE[0]}},"argument":{}}`;
    client.send(`{"jsonrpc":"2.0","id":"r","method":"completion/complete","params":${ref}}`);
    const { error } = await client.nextWhere((frame) => frame.id === "r");
    assertEquals((error as JsonObject).code, -32602);
    await client.close();
  }
});

Deno.test("a first frame whose op is no text is told that a hello is expected", async () => {
  await using it = await testDaemon();
  for (const op of [...NO_TEXTS, "5", "null"]) {
    using client = await RawClient.connect(it.url);
    client.send(`{"op":${op}}`);
    assertEquals((await client.closed).code, 4001);
  }
  await assertServes(it.url);
});

Deno.test("an op that is no text is answered, and the connection goes on", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  for (const op of NO_TEXTS) assertEquals((await client.ask(`{"op":${op}}`)).op, "error");
  assertEquals((await client.call("version")).error, undefined);
  await client.close();
});

/** Messages of a server with a value that is no text where one belongs. */
const BAD_LINES = NO_TEXTS.flatMap((value) => [
  `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":${value}}}`,
  `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${value},"reason":${value}}}`,
  `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${value},"progress":${value}}}`,
  `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":${value},"data":${value}}}`,
  `{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":${value}}}`,
  `{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":${value}}}`,
  `{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m"}}\n` +
  `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q","reason":${value}}}`,
  `{"jsonrpc":"2.0","id":${value},"method":"ping"}`,
  `{"jsonrpc":"2.0","id":77,"error":{"code":1,"message":${value}}}`,
]);

Deno.test("an answer behind a message with a value of the wrong type in the same chunk reaches its call", async () => {
  await using it = await mountingDaemon({ lines: LINE_SERVER });
  using client = await initialized(it.url, { elicitation: {} });
  client.send({ jsonrpc: "2.0", id: "list", method: "tools/list" });
  await client.nextWhere(({ id }) => id === "list");
  for (const text of BAD_LINES) {
    const reply = await client.call("lines", { text }, { timeout_ms: 20_000 });
    assertEquals(reply.error, undefined, text.slice(0, 100));
  }
  await client.close();
});

Deno.test("messages that cannot be handled, of a client and of a server, never end the daemon", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-foreign-" });
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers: { lines: LINE_SERVER } }));
  {
    await using daemon = await startDaemon({ home });
    using client = await initialized(daemon.url, { elicitation: {} });
    for (let id = 1; id <= 50; id++) {
      client.send(
        `{"jsonrpc":"2.0","id":${id},"method":"resources/subscribe","params":{"uri":${SENDABLE[0]}}}`,
      );
      const { error } = await client.nextWhere((frame) => frame.id === id);
      assertEquals((error as JsonObject).code, -32602);
    }
    client.send({ jsonrpc: "2.0", id: "list", method: "tools/list" });
    await client.nextWhere(({ id }) => id === "list");
    for (const text of BAD_LINES) {
      await client.call("lines", { text, times: 30 }, { timeout_ms: 20_000 });
    }
    await assertServes(daemon.url);
    const crashes = await Array.fromAsync(Deno.readDir(join(home, "crashes"))).catch(() => []);
    assertEquals(crashes, [], "nothing was left uncaught");
    await client.close();
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("a message nested too deep or of too many members is refused by name of the limit, at every door", async () => {
  await using it = await testDaemon();
  using client = await initialized(it.url);
  const tooMuch = [nested(1_000_000), nested(MAX_DEPTH * 5), members(MAX_MEMBERS + 1)];
  for (const value of tooMuch) {
    const frame = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${value}}}`;
    const { id, error } = await client.ask(frame);
    assertEquals([id, (error as JsonObject).code], [1, -32600]);
    assertMatch(String((error as JsonObject).message), /at most/);
    const op = `{"op":"call_tool","request_id":"o","name":"version","arguments":{"a":${value}}}`;
    const refusal = await client.ask(op);
    assertEquals([refusal.op, refusal.request_id, refusal.code], ["error", "o", "INVALID_REQUEST"]);
    const http = new RawHttp(new URL("/mcp", it.http).href);
    const response = await http.post(frame);
    assertEquals(response.status, 400);
    assertMatch((await response.json()).error.message, /at most/);
  }
  await client.close();
});

Deno.test("texts full of brackets, quotes and colons count for nothing in a message's shape", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  const text = `${"[{".repeat(5000)}"${'\\"'.repeat(5000)}${":".repeat(MAX_MEMBERS + 1)}\\`;
  const reply = await client.call("chat", { prompt: text, [text.slice(0, 50)]: 1 });
  assertEquals((reply.error as JsonObject | undefined)?.code, undefined);
  await client.close();
});

Deno.test("arguments of more fields than any tool has are refused with the first few named", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  client.send(`{"op":"call_tool","request_id":1,"name":"version","arguments":${members(50_000)}}`);
  const reply = await client.next();
  const text = JSON.stringify(reply);
  assertMatch(text, /"k0\\*"? is no field|k0/);
  assertMatch(text, /and 49992 more/);
  assert(text.length < 4000, `${text.length}`);
  await client.close();
});

Deno.test("lists of more entries than any tool takes are refused before each is looked at", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  const files = JSON.stringify(Array.from({ length: 1_000_000 }, () => "a"));
  client.send(
    `{"op":"call_tool","request_id":1,"name":"chat","arguments":{"prompt":"p","files":${files}}}`,
  );
  assertMatch(JSON.stringify(await client.next()), /hold more than 50000 values/);
  await client.close();
});

Deno.test("the record of a body goes no deeper than it is read, and keeps its secrets", () => {
  for (const levels of [100, 20_000]) {
    const text = redactedJson({ password: "hunter22", deep: JSON.parse(nested(levels)) }, 1000);
    assertMatch(text, /^\{"password":"\[secret\]","deep":\[\[/);
    assertMatch(text, /nested too deep/);
  }
  const long = redactedJson({ many: Array.from({ length: 1_000_000 }, () => "a") }, 1000);
  assertEquals(long.length, 1000 + "… (cut off)".length);
});

Deno.test("over HTTP every request whose id cannot be used is refused at once", async () => {
  await using it = await testDaemon();
  const http = await RawHttp.open(new URL("/mcp", it.http).href);
  const ids = [
    `"${"x".repeat(1025)}"`,
    `"${"x".repeat(70_000)}"`,
    "null",
    "1.5",
    // Beyond 2^53 a whole number may be written with its digits only.
    "9007199254740992.0",
    "-9.007199254740992e15",
    "1".repeat(1025),
    "1e400",
    "true",
    "{}",
    "[]",
  ];
  const signal = AbortSignal.timeout(20_000);
  for (const id of ids) {
    const request = `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
    for (const body of [request, `[${request}]`, `[{"jsonrpc":"2.0","id":5,"method":"ping"},${request}]`]) {
      const response = await http.post(body, signal);
      assertEquals(response.status, 400, body.slice(0, 60));
      assertMatch((await response.json()).error.message, /id|Parse error|Invalid|batches/i);
    }
  }
  const longest = await http.post(`{"jsonrpc":"2.0","id":"${"x".repeat(1024)}","method":"ping"}`, signal);
  assertMatch(await longest.text(), /"result":\{\}/);
  assertEquals(await http.delete(), 200);
});

Deno.test("a server's flood of list changes that change nothing is told to no window, and holds nobody up", async () => {
  await using it = await mountingDaemon({ lines: LINE_SERVER });
  using client = await initialized(it.url);
  const list = async (id: string) => {
    client.send({ jsonrpc: "2.0", id, method: "tools/list" });
    return JSON.stringify((await client.nextWhere((frame) => frame.id === id)).result);
  };
  const before = await list("before");
  const text = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`;
  let told = 0;
  client.send({ op: "call_tool", request_id: "f", name: "lines", arguments: { text, times: 100_000 } });
  for (;;) {
    const frame = await client.next();
    if (frame.method === "notifications/tools/list_changed") told++;
    if (frame.request_id === "f") break;
  }
  assertEquals([await list("after"), told], [before, 0]);
  await client.close();
});

Deno.test("of a large message of a refused shape the outermost members tell whose the refusal is", () => {
  const large = `[${'{"id":9,"method":"x"},'.repeat(20_000)}1]`;
  const cases: [string, unknown][] = [
    [`{"a":${large},"id":1,"b":{"id":2,"c":[1]},"d":"]}\\"","e":[{"id":3}]}`, {
      a: [],
      id: 1,
      b: {},
      d: ']}"',
      e: [],
    }],
    [`{"id":4,"a":${large}}`, { id: 4, a: [] }],
    [`[${large},{"id":5}]`, undefined],
    [`{"a":${large},"id":`, undefined],
    [`{"a":${large},"id":"6`, undefined],
    [`{"a":"${"x".repeat(300_000)}","id":7}`, undefined],
  ];
  for (const [text, outline] of cases) assertEquals(outlineOf(text)?.value, outline);
});

Deno.test("a message whose handling throws is passed over, and a response that does so fails its request", () => {
  const read: number[] = [];
  const handle = loggingErrors("a message of the test", (n: number) => {
    read.push(n);
    if (n === 1) throw new Error("cannot be handled");
  });
  for (const n of [1, 2]) handle(n);
  assertEquals(read, [1, 2]);
  const inflight = new InFlightTable(new Attribution());
  const failed: unknown[] = [];
  const settle = () => {
    throw new Error("cannot be taken");
  };
  inflight.add(1, { call: undefined, settle, fail: ({ code }) => failed.push(code) });
  assertThrows(() => inflight.settle({ jsonrpc: "2.0", id: 1, result: {} }), Error, "cannot be taken");
  assertEquals([failed, inflight.size], [["INTERNAL"], 0]);
});
