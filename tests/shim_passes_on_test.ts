import { assertEquals, assertStringIncludes } from "@std/assert";
import { type JsonObject, rawJson } from "../lib/base/json.ts";
import { Utf8Line } from "../lib/transport/line.ts";
import { type DaemonConnection, ScriptedDaemon, welcome } from "./fixtures/scripted_daemon.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";
import { MemoryWindow } from "./helpers/memory_window.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { Shim } from "./helpers/shim.ts";

const LARGE = "ü→x\\u00fc\\n".repeat(20_000);
const TAKES_BYTES = { welcome: () => welcome({ lines: true, receipts: true, bytes: true }) };

/** A window whose daemon is only a script, after its initialization. */
async function opened(script: ConstructorParameters<typeof ScriptedDaemon>[0] = {}) {
  const stack = new AsyncDisposableStack();
  const daemon = stack.use(new ScriptedDaemon(script));
  const shim = stack.use(await Shim.ready({ port: daemon.port }));
  const connection = await daemon.connection();
  await connection.next();
  return { daemon, shim, connection, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Texts of a request, with `id` in place of ID. */
function requests(id: string): string[] {
  return [
    '{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"n":9007199254740993,"f":1.0,"e":1E+2,"z":-0}}',
    ' { "params" : { "arguments" : {"a\\u0062":"\\ud800","b":1,"b":2} } ,\t"method":"x", "id" : ID ,"jsonrpc":"2.0" }',
    '{"method":"x","extra":{"n":1e400},"params":{},"jsonrpc":"2.0","id":ID}',
  ].map((text) => text.replace("ID", id));
}

Deno.test("what the window writes reaches the daemon byte for byte, and its answer the window", async () => {
  await using it = await opened();
  for (const id of ["9007199254740993", "1.0", '"a\\u0062"', "-9007199254740993", "1e2"]) {
    for (const text of requests(id)) {
      await it.shim.send(text);
      assertEquals(await it.connection.nextText(), text.trim());
      const answer = text.replace(/"method" ?: ?"[^"]*"/, '"result":{"n":1.0}');
      it.connection.send(answer);
      await it.shim.next();
      assertEquals(it.shim.lines.at(-1), answer);
    }
  }
});

Deno.test("a request with nulls, a repeated name or in a batch keeps its numbers", async () => {
  const initialize = {
    protocolVersion: "2025-03-26",
    capabilities: {},
    serverInfo: { name: "x", version: "1" },
  };
  await using it = await opened({ results: { initialize } });
  const headOf = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":`;
  await it.shim.send(`${headOf("1.0")}{"cursor":null,"n":9007199254740993}}`);
  assertEquals(await it.connection.nextText(), `${headOf("1.0")}{"n":9007199254740993}}`);
  await it.shim.send(`[${headOf("2.0")}{"n":1.0}},{"jsonrpc":"2.0","method":"n","params":{"n":1.0}}]`);
  assertEquals(await it.connection.nextText(), `${headOf("2.0")}{"n":1.0}}`);
  assertEquals(await it.connection.nextText(), '{"jsonrpc":"2.0","method":"n","params":{"n":1.0}}');
});

Deno.test("an error of the shim has the id that the window wrote", () => {
  using it = new MemoryWindow({ maxFrameBytes: 100 });
  for (const id of ["9007199254740993", "1.0", '"a\\u0062"']) {
    it.writeText(`{"jsonrpc":"2.0","id":${id},"method":"x"}`, 101);
  }
  assertEquals(it.client.refused, ["9007199254740993", "1.0", '"a\\u0062"']);
});

Deno.test("a request whose id no double holds is cancelled and answered by it alone", async () => {
  using it = await MemoryWindow.ready();
  for (const id of ["9007199254740992", "9007199254740993", "9007199254740995"]) {
    it.writeText(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"acts"}}`);
  }
  it.writeText(
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9007199254740992}}',
  );
  const { resume } = it.bridge.hello() as { resume: JsonObject };
  assertEquals(JSON.stringify(resume.waiting), "[9007199254740993,9007199254740995]");
  it.daemon.send('{"result":{"n":1.0},"jsonrpc":"2.0","id":9007199254740993}');
  assertEquals(it.client.lines.at(-1), '{"result":{"n":1.0},"jsonrpc":"2.0","id":9007199254740993}');
  const { resume: rest } = it.bridge.hello() as { resume: JsonObject };
  assertEquals(JSON.stringify(rest.waiting), "[9007199254740995]");
});

Deno.test("of two ids that are one as doubles, only the one the daemon never saw is sent again", async () => {
  let connections = 0;
  const unseen = [rawJson("9007199254740993")];
  const script = { welcome: () => welcome(connections++ === 0 ? {} : { unseen }) };
  await using it = await opened(script);
  const texts = ["9007199254740992", "9007199254740993"].map((id) =>
    `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{}}`
  );
  for (const text of texts) await it.shim.send(text);
  for (const text of texts) assertEquals(await it.connection.nextText(), text);
  it.connection.close(1011);
  const next = await it.daemon.connection();
  assertEquals(
    JSON.stringify((next.hello.resume as JsonObject).waiting),
    "[9007199254740992,9007199254740992]",
    "as this test's own parser rounds them",
  );
  assertEquals((await next.next()).method, "notifications/initialized");
  assertEquals(await next.nextText(), texts[1]);
});

async function large(it: { shim: Shim; connection: DaemonConnection }, text: string): Promise<void> {
  await it.shim.send(text);
  assertEquals(await it.connection.nextText() === text, true);
}

Deno.test("a large request and its answer pass as bytes, wherever the id stands", async () => {
  await using it = await opened(TAKES_BYTES);
  const params = `{"n":1.0,"text":"${LARGE}","id":5}`;
  await large(it, `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":${params}}`);
  await large(it, `{"method":"tools/call","params":${params},"jsonrpc":"2.0","id":"a\\u0062"}`);
  assertEquals(it.connection.bytesFrames, 2);
  for (
    const answer of [
      `{"jsonrpc":"2.0","id":9007199254740993,"result":${params}}`,
      `{"result":${params},"jsonrpc":"2.0","id":"a\\u0062"}`,
    ]
  ) {
    it.connection.sendBytes(answer + "\n");
    await it.shim.next();
    assertEquals(it.shim.lines.at(-1) === answer, true);
  }
  await large(it, `{"method":"n","params":${params},"jsonrpc":"2.0"}`);
  await large(it, `{"jsonrpc":"2.0","method":"x","params":${params},"id":7,"more":1}`);
  assertEquals(it.connection.bytesFrames, 2, "what its ends do not tell was read");
});

Deno.test("a large request is sent again as bytes after a cut, and as text to a daemon that takes none", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { receipts: true, bytes: true });
  const line = `{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"acts","text":"${LARGE}"}}`;
  const unread = Utf8Line.from(new TextEncoder().encode(line + "\r\n"));
  assertEquals(it.bridge.handleUnread({ kind: "request", id: 1, method: "tools/call" }, unread), true);
  assertEquals([it.daemon.bytesFrames, it.daemon.frames.at(-1) === line], [1, true]);
  it.cut();
  assertEquals(
    it.bridge.handleUnread({ kind: "request", id: 2, method: "ping" }, unread),
    false,
    "no daemon",
  );
  await it.connect({ receipts: true, bytes: true, unseen: [1] });
  assertEquals([it.daemon.bytesFrames, it.daemon.frames.at(-1) === line], [1, true]);
  it.cut();
  await it.connect({ receipts: true, unseen: [1], received: 3 });
  assertEquals([it.daemon.bytesFrames, it.daemon.frames.at(-1) === line], [0, true]);
  it.daemon.send('{"result":{},"jsonrpc":"2.0","id":1.0}');
  assertEquals(it.client.lines.at(-1), '{"result":{},"jsonrpc":"2.0","id":1.0}');
});

Deno.test("a large request does not overtake what was said before it, nor is it overtaken", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, {
    lines: true,
    receipts: true,
    bytes: true,
  });
  const text = `{"jsonrpc":"2.0","id":2,"method":"x","params":{"text":"${LARGE}"}}`;
  it.call("acts", 1);
  it.bridge.handleUnread(
    { kind: "request", id: 2, method: "x" },
    Utf8Line.from(new TextEncoder().encode(text + "\n")),
  );
  it.call("acts", 3);
  await Promise.resolve();
  assertEquals(it.daemon.take().map(({ id }) => id), [1, 2, 3]);
});

Deno.test("a large request that the daemon returns waits no longer, and is read once", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { receipts: true, bytes: true });
  const unread = Utf8Line.from(new TextEncoder().encode(`{"jsonrpc":"2.0","id":1,"method":"x",${LARGE}`));
  it.bridge.handleUnread({ kind: "request", id: 1, method: "x" }, unread);
  // After initialize, its notification and tools/list.
  for (let times = 0; times < 2; times++) it.daemon.send({ op: "returned", message: 4 });
  assertEquals(it.client.readAgain.map((text) => text === unread.text), [true]);
  const { resume } = it.bridge.hello() as { resume: JsonObject };
  assertEquals(resume.waiting, []);
});

Deno.test("a large line that is no message is answered as any other, and the window goes on", async () => {
  await using daemon = await testDaemon();
  await using shim = await Shim.ready({ port: Number(new URL(daemon.url).port), home: daemon.home });
  const cut = `{"jsonrpc":"2.0","id":5,"method":"ping","params":{"text":"${LARGE}}}`;
  await shim.send(cut);
  const refused = await shim.next(({ id }) => id === null);
  assertEquals((refused.error as JsonObject).code, -32700);
  // The id is free again, and it is the last of two that counts.
  await shim.send(`{"jsonrpc":"2.0","id":5,"method":"ping","params":{"text":"${LARGE}"},"id":6}`);
  assertEquals((await shim.answer(6)).result, {});
  await shim.send(`{"jsonrpc":"2.0","id":5,"method":"ping","params":{"_meta":null,"text":"${LARGE}"}}`);
  assertEquals((await shim.answer(5)).result, {});
  const deep = "[".repeat(600) + "]".repeat(600);
  await shim.send(`{"jsonrpc":"2.0","id":8,"method":"ping","params":{"a":${deep},"text":"${LARGE}"}}`);
  assertStringIncludes(JSON.stringify(await shim.answer(8)), "512 levels");
});

Deno.test("a large line that is no message is answered too when the daemon ends before it has read it", async () => {
  await using it = await opened(TAKES_BYTES);
  await it.shim.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"text":"${LARGE}}}`);
  await it.connection.nextText();
  it.connection.close(1011);
  const next = await it.daemon.connection();
  assertEquals((await next.next()).method, "notifications/initialized");
  await next.nextText();
  // After initialize and its notification.
  next.send({ op: "returned", message: 3 });
  assertEquals(((await it.shim.next()).error as JsonObject).code, -32700);
});

Deno.test("the daemon returns what is no plain request by its number, and takes the rest of the bytes", async () => {
  const it = daemonHooks({}, { maxFrameBytes: 10_000 });
  const [channel] = it.hello({ receipts: true, bytes: true, resume: true });
  channel.onbytes!('{"jsonrpc":"2.0","id":1,"method":"ping"}');
  channel.onbytes!('{"jsonrpc":"2.0","id":2,"method":"ping"');
  channel.onbytes!('{"jsonrpc":"2.0","method":"n"}');
  channel.say({ jsonrpc: "2.0", id: 3, method: "ping" });
  await settle();
  const [pong, ...rest] = channel.take().sort((a, b) => Number(a.id ?? 9) - Number(b.id ?? 9));
  assertEquals(pong, { jsonrpc: "2.0", id: 1, result: {} });
  assertEquals(rest.slice(1), [{ op: "returned", message: 2 }, { op: "returned", message: 3 }]);
});

Deno.test("bytes are refused from a client that did not ask for them, and large answers sent as text", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  client.socket.send(new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"ping"}'));
  assertStringIncludes(JSON.stringify(await client.next()), "a frame must be text");
});
