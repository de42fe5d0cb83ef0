import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { ScriptedDaemon, SERVER_INFO, welcome } from "../fixtures/scripted_daemon.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

const MIB = 1024 * 1024;

function errorOf(message: JsonObject): [unknown, unknown, unknown] {
  const error = message.error as JsonObject;
  return [message.id, error?.code, (error?.data as JsonObject)?.code];
}

const BAD_LINES: [string, unknown, number][] = [
  ["hello?", null, -32700],
  ['{"jsonrpc":"2.0","id":1,"method":"x"', null, -32700],
  ["[]", null, -32600],
  ['"text"', null, -32600],
  ["null", null, -32600],
  ['{"id":4,"method":"x"}', 4, -32600],
  ['{"jsonrpc":"1.0","id":"5","method":"x"}', "5", -32600],
  ['{"jsonrpc":"2.0","id":6,"method":7}', 6, -32600],
  ['{"jsonrpc":"2.0","id":1.5,"method":"x"}', 1.5, -32600],
  ['{"jsonrpc":"2.0","id":{},"method":"x"}', null, -32600],
  ['{"jsonrpc":"2.0","id":8,"method":"x","params":3}', 8, -32600],
  ['{"jsonrpc":"2.0"}', null, -32600],
  ["\0\u0001\uffff", null, -32700],
];

Deno.test("a line that is no message is answered as JSON-RPC says, and the window goes on", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  for (const [line, id, code] of BAD_LINES) {
    await shim.send(line);
    assertEquals(errorOf(await shim.next()).slice(0, 2), [id, code], line);
  }
  assertEquals((await shim.ask("ping")).result, {});
});

Deno.test("empty lines, carriage returns and malformed responses are no matter", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  await connection.next();
  await shim.send("\n  \r\n\r");
  await shim.send('{"jsonrpc":"2.0","id":3,"result":{},"error":{}}');
  await shim.send('{"jsonrpc":"2.0","id":9,"method":"x"}\r');
  assertEquals(await connection.nextText(), '{"jsonrpc":"2.0","id":9,"method":"x"}');
  connection.send({ jsonrpc: "2.0", id: 9, result: {} });
  assertEquals((await shim.next()).id, 9);
});

Deno.test("a batch of revision 2025-03-26 is taken apart, and each request in it answered", async () => {
  const initialize = { protocolVersion: "2025-03-26", capabilities: {}, serverInfo: SERVER_INFO };
  await using daemon = new ScriptedDaemon({ results: { initialize } });
  await using shim = await Shim.ready({ port: daemon.port });
  const ping = (id: number) => ({ jsonrpc: "2.0", id, method: "ping" });
  await shim.send(JSON.stringify([ping(1), { nothing: true }, ping(2)]));
  assertEquals((await shim.answer(1)).result, {});
  assertEquals((await shim.answer(2)).result, {});
  assertEquals(errorOf(await shim.next())[1], -32600);
});

Deno.test("a request of 20 MiB and its answer of 20 MiB pass", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  await connection.next();
  const answer = shim.call("echo", { text: "x".repeat(20 * MIB) }, 1);
  const request = await connection.next();
  connection.answer(request, (request.params as JsonObject).arguments as JsonObject);
  assertEquals(((await answer).result as { text: string }).text.length, 20 * MIB);
});

Deno.test("a message larger than the daemon takes is refused at once, and nothing else suffers", async () => {
  await using daemon = new ScriptedDaemon({
    welcome: () => welcome({ limits: { max_bytes: 100_000 } }),
  });
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  await connection.next();
  const running = shim.call("a", {}, 1);
  const request = await connection.next();
  const refused = await shim.call("b", { text: "ü".repeat(60_000) }, 2);
  assertEquals(errorOf(refused), [2, -32017, "TOO_LARGE"]);
  connection.answer(request);
  assertEquals((await running).id, 1);
});

Deno.test("a line of 70 MiB is refused by its id without being kept", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const text = "x".repeat(70 * MIB);
  await shim.send(`{"jsonrpc":"2.0","id":"first","method":"x","params":{"text":"${text}"}}`);
  assertEquals(errorOf(await shim.next()), ["first", -32017, "TOO_LARGE"]);
  await shim.send(`{"method":"x","params":{"text":"${text}"},"jsonrpc":"2.0","id":77}`);
  assertEquals(errorOf(await shim.next()), [77, -32017, "TOO_LARGE"]);
  assertEquals((await shim.ask("ping")).result, {});
});

Deno.test("an id in use is refused without touching the request that uses it", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  await connection.next();
  const answer = shim.call("a", {}, 5);
  const request = await connection.next();
  await shim.send({ jsonrpc: "2.0", id: 5, method: "tools/call", params: { name: "b" } });
  assertEquals(errorOf(await shim.next(({ id }) => id === null)), [null, -32600, "INVALID_REQUEST"]);
  connection.answer(request, { of: "a" });
  assertEquals((await answer).result, { of: "a" });
});

Deno.test("the end of stdin ends the shim with 0 and tells the daemon that the client has gone", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  assertEquals((await shim.end()).code, 0);
  assertEquals((await connection.closed).code, 1000);
});

Deno.test("what was asked before stdin ended is still answered, even from a pipe", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.start({ port: daemon.port });
  const asked = [shim.ask("initialize", INITIALIZE, 1), shim.ask("ping", {}, 2)];
  assertEquals((await shim.end()).code, 0);
  assertEquals((await Promise.all(asked)).map(({ id, error }) => [id, error]), [[1, undefined], [
    2,
    undefined,
  ]]);
});

Deno.test("a call that still runs when stdin ends does not hold the shim", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  const answer = shim.call("slow", {}, 1);
  await connection.next();
  assertEquals((await shim.end()).code, 0);
  assertEquals(errorOf(await answer), [1, -32004, "CANCELLED"]);
  assertEquals((await connection.closed).code, 1000);
});

const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGTERM", "SIGINT", "SIGHUP"];
for (const signal of signals) {
  Deno.test(`${signal} ends the shim with 0 and the session with it`, async () => {
    await using daemon = new ScriptedDaemon();
    await using shim = await Shim.ready({ port: daemon.port });
    const connection = await daemon.connection();
    shim.process.kill(signal);
    assertEquals((await shim.process.status).code, 0);
    assertEquals((await connection.closed).code, 1000);
  });
}

Deno.test("a client that no longer reads stdout ends the shim", async () => {
  await using daemon = new ScriptedDaemon();
  const home = await Deno.makeTempDir();
  const shim = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("../../shim.ts", import.meta.url).pathname],
    env: { EXAI_HOME: home, EXAI_WS_PORT: String(daemon.port), EXAI_WS_AUTOSTART: "false" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const connection = await daemon.connection();
  await shim.stdout.cancel();
  connection.send({ jsonrpc: "2.0", method: "notifications/x" });
  assertEquals((await shim.status).code, 0);
  await shim.stdin.close().catch(() => {});
  await Deno.remove(home, { recursive: true });
});

Deno.test("a client that does not read makes the shim let go of the daemon until it does, so that memory is bounded", async () => {
  await using daemon = new ScriptedDaemon({
    welcome: ({ resume }) => welcome(resume === true ? {} : { unseen: [] }),
  });
  const home = await Deno.makeTempDir();
  const shim = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("../../shim.ts", import.meta.url).pathname],
    env: {
      EXAI_HOME: home,
      EXAI_WS_PORT: String(daemon.port),
      EXAI_WS_AUTOSTART: "false",
      EXAI_WS_MAX_QUEUED_BYTES: "100000",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const first = await daemon.connection();
  const text = JSON.stringify({
    jsonrpc: "2.0",
    method: "notifications/x",
    params: { text: "x".repeat(50_000) },
  });
  for (let count = 0; count < 20; count++) first.send(text);
  await first.closed;
  const stdout = new Response(shim.stdout).text();
  const again = await daemon.connection();
  again.send({ jsonrpc: "2.0", method: "notifications/last" });
  await shim.stdin.close();
  assertEquals((await shim.status).code, 0);
  assertStringIncludes(await stdout, text);
  await Deno.remove(home, { recursive: true });
});

async function run(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("../../shim.ts", import.meta.url).pathname, ...args],
    env: { ENV_FILE: "", ...env },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("--help names the shim's settings; a wrong setting is said on stderr, with exit code 1", async () => {
  const help = await run(["--help"]);
  assertEquals(help.code, 0);
  for (const name of ["EXAI_WS_PORT", "EXAI_WS_AUTOSTART", "EXAI_SHIM_RPC_TIMEOUT", "--connect-timeout"]) {
    assertStringIncludes(help.stdout, name);
  }
  const wrong = await run(["--port=many"], { EXAI_WS_CONNECT_TIMEOUT: "soon" });
  assertEquals([wrong.code, wrong.stdout], [1, ""]);
  assertEquals(wrong.stderr.trim().split("\n").length, 2);
  assert(wrong.stderr.includes("EXAI_WS_PORT") && wrong.stderr.includes("EXAI_WS_CONNECT_TIMEOUT"));
});

Deno.test("the log is kept in the state directory as well", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  await shim.end();
  assertStringIncludes(await Deno.readTextFile(`${shim.home}/logs/shim.log`), "connected to daemon 0");
});

Deno.test({
  name: "a script may put a file in place of stdin and of stdout",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using daemon = await testDaemon();
    await using dir = await tempDir({
      "in.jsonl": [
        { jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE },
        { jsonrpc: "2.0", method: "notifications/initialized" },
        { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "version", arguments: {} } },
      ].map((message) => JSON.stringify(message) + "\n").join(""),
    });
    const shim = `"${Deno.execPath()}" run -A --no-check "${
      fromFileUrl(new URL("../../shim.ts", import.meta.url))
    }"`;
    const { code } = await new Deno.Command("sh", {
      args: ["-c", `${shim} < in.jsonl > out.jsonl`],
      cwd: dir.path,
      env: {
        EXAI_HOME: dir.path,
        EXAI_WS_PORT: new URL(daemon.url).port,
        EXAI_WS_AUTOSTART: "false",
        ENV_FILE: "",
      },
    }).output();
    assertEquals(code, 0);
    const answers = (await Deno.readTextFile(join(dir.path, "out.jsonl"))).trim().split("\n");
    // A call that does not wait for the answer to initialize may be answered before it.
    assertEquals(answers.map((line) => JSON.parse(line).id).toSorted(), [1, 2]);
  },
});
