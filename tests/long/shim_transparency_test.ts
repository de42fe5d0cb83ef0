import { assertEquals, assertMatch } from "@std/assert";
import { type DaemonConnection, ScriptedDaemon, SERVER_INFO } from "../fixtures/scripted_daemon.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

/** A window, its shim and the daemon's end of the connection. */
async function window(env: Record<string, string> = {}) {
  const daemon = new ScriptedDaemon();
  const shim = await Shim.ready({ port: daemon.port, env });
  const connection = await daemon.connection();
  assertEquals(await connection.next(), { jsonrpc: "2.0", method: "notifications/initialized" });
  return {
    daemon,
    shim,
    connection,
    async [Symbol.asyncDispose]() {
      await shim[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

Deno.test("the client's initialize is answered by the daemon, unchanged", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.start({ port: daemon.port });
  const answer = await shim.initialize(INITIALIZE);
  assertEquals((answer.result as Record<string, unknown>).serverInfo, SERVER_INFO);
});

Deno.test("the daemon is told the window's directory and that we may come back", async () => {
  await using it = await window();
  assertEquals(it.connection.hello.cwd, Deno.cwd());
  assertEquals(it.connection.hello.resume, true);
});

const FROM_CLIENT = [
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"n":1.0,"big":12345678901234567890}}}',
  '{ "id" : "1" , "method":"x/unknown", "params":{"a":[1,{"b":null}]}, "jsonrpc":"2.0", "extra":{"kept":true} }',
  '{"method":"tools/call","params":{"_meta":{"progressToken":"t","x/y":1}},"jsonrpc":"2.0","id":-7}',
  '{"jsonrpc":"2.0","method":"notifications/unknown","params":{"text":"\\u00fcber \\ud83d\\ude00 \\"q\\""}}',
  '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.5}}',
];

Deno.test("what the client writes reaches the daemon letter by letter", async () => {
  await using it = await window();
  for (const text of FROM_CLIENT) {
    await it.shim.send(text);
    assertEquals(await it.connection.nextText(), text);
  }
});

const FROM_DAEMON = [
  '{"jsonrpc":"2.0","method":"notifications/x/unknown","params":{"n":1.0,"u":"\\u00fc"},"extra":[]}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}',
  '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[]}}',
  '{ "jsonrpc" : "2.0", "id" : "1", "method" : "x/unknown" }',
];

Deno.test("what the daemon sends reaches the client letter by letter", async () => {
  await using it = await window();
  const before = it.shim.lines.length;
  for (const text of FROM_DAEMON) {
    it.connection.send(text);
    await it.shim.next();
  }
  assertEquals(it.shim.lines.slice(before), FROM_DAEMON);
});

Deno.test("a frame with line breaks between its tokens is still one line", async () => {
  await using it = await window();
  it.connection.send('{\n  "jsonrpc": "2.0",\r\n  "method": "notifications/x"\n}');
  assertEquals(await it.shim.next(), { jsonrpc: "2.0", method: "notifications/x" });
});

Deno.test('1 and "1" are different requests, and each gets its own answer', async () => {
  await using it = await window();
  const answers = [it.shim.call("a", {}, 1), it.shim.call("b", {}, "1")];
  const [first, second] = [await it.connection.next(), await it.connection.next()];
  it.connection.answer(second, { of: "b" });
  it.connection.answer(first, { of: "a" });
  assertEquals((await Promise.all(answers)).map(({ id, result }) => [id, result]), [
    [1, { of: "a" }],
    ["1", { of: "b" }],
  ]);
});

async function askClient(it: { connection: DaemonConnection; shim: Shim }, id: string | number) {
  it.connection.send({ jsonrpc: "2.0", id, method: "roots/list" });
  const request = await it.shim.next(({ method }) => method === "roots/list");
  assertEquals(request.id, id);
  const response = `{"id":${JSON.stringify(id)},"jsonrpc":"2.0","result":{"roots":[]}}`;
  await it.shim.send(response);
  assertEquals(await it.connection.nextText(), response);
}

Deno.test("a request of the daemon is answered by the client, even under an id the client uses itself", async () => {
  await using it = await window();
  const answer = it.shim.call("slow", {}, 7);
  const request = await it.connection.next();
  await askClient(it, 7);
  await askClient(it, "7");
  it.connection.answer(request, { done: true });
  assertEquals((await answer).result, { done: true });
});

Deno.test("errors, large answers and answers with their id last are passed on", async () => {
  await using it = await window();
  const refused = it.shim.call("a", {}, 1);
  await it.connection.next();
  it.connection.send({ jsonrpc: "2.0", id: 1, error: { code: -32602, message: "no", data: { x: 1 } } });
  assertEquals((await refused).error, { code: -32602, message: "no", data: { x: 1 } });
  const large = it.shim.call("b", {}, 2);
  await it.connection.next();
  const text = "ü".repeat(5_000_000);
  it.connection.send({ result: { text }, id: 2, jsonrpc: "2.0" });
  assertEquals((await large).result, { text });
});

Deno.test("an answer nobody waits for, and a second one, do not reach the client", async () => {
  await using it = await window();
  const answer = it.shim.call("a", {}, 1);
  await it.connection.next();
  for (const result of [{ n: 1 }, { n: 2 }]) it.connection.send({ jsonrpc: "2.0", id: 1, result });
  it.connection.send({ jsonrpc: "2.0", id: 99, result: {} });
  assertEquals((await answer).result, { n: 1 });
  it.connection.send({ jsonrpc: "2.0", method: "notifications/last" });
  assertEquals((await it.shim.next()).method, "notifications/last");
});

Deno.test("nothing but MCP is written to stdout, however much is logged", async () => {
  await using it = await window({ LOG_LEVEL: "trace" });
  it.connection.send('{"op":"error","code":"X","message":"not for the client"}');
  it.connection.send("no JSON at all");
  const answer = it.shim.call("a");
  it.connection.answer(await it.connection.next());
  await answer;
  await it.shim.logged("is no JSON object");
  for (const line of it.shim.lines) assertMatch(line, /^\{.*"jsonrpc":"2\.0".*\}$/);
});

Deno.test("answers are confirmed, so that the daemon need not keep them", async () => {
  await using it = await window();
  for (let id = 0; id < 200; id++) {
    const answer = it.shim.call("a", {}, id);
    it.connection.answer(await it.connection.next());
    await answer;
  }
  assertEquals(it.connection.received >= 128, true);
});
