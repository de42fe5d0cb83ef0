import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { askDaemon } from "../lib/client/daemon_client.ts";
import { DaemonSession } from "../lib/client/daemon_session.ts";
import { commandsOf, GOOD, scripted, tool } from "./helpers/command_rig.ts";
import { tempDir } from "./helpers/files.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { runDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { until } from "./helpers/until.ts";

Deno.test("servers test starts a server, has it answer and lets it go", async () => {
  await using it = await commandsOf({ good: GOOD });
  // The daemon starts a new server by itself to read its lists, and a test in that time finds it running.
  await until("its lists are known, and its process has ended", async () => {
    return (await it.servers())[0]!.lists_known === true || undefined;
  });
  const { text, code, json } = await it.test("good");
  assertEquals(code, 0);
  assert(/^good +ok +\d.* 2 tools +scripted 1 +2025-11-25$/m.test(text), text);
  const [{ start_ms, answer_ms, ok, lists }] = (json as { servers: [JsonObject] }).servers;
  assert(Number(start_ms) >= 0 && Number(answer_ms) >= 0, text);
  assertEquals([ok, (lists as JsonObject).tools], [true, 2]);
  const [row] = await it.servers();
  assertEquals([row!.state, row!.pid], ["not started", undefined], "its process has ended");
});

Deno.test("servers test of a server that runs asks its process, and leaves it to its windows", async () => {
  const lists = [{ tools: [tool("plain")] }, { tools: [tool("plain"), tool("new")] }];
  await using it = await commandsOf({ grows: scripted({ "tools/list": lists }) });
  using _window = await DaemonSession.open({ settings: it.settings, own: new Map() }, { cwd: undefined });
  await it.call("plain");
  const [before] = await it.servers();
  const { json } = await it.test("grows");
  const [{ start_ms, pid, lists: offers }] = (json as { servers: [JsonObject] }).servers;
  assertEquals([start_ms, pid], [undefined, before!.pid]);
  assertEquals((offers as JsonObject).tools, 2, "it was asked, and not what is remembered of it");
  assertEquals((await it.servers())[0]!.pid, before!.pid);
});

Deno.test("servers test exits with 1 and says why a server does not answer", async () => {
  await using it = await commandsOf({
    good: GOOD,
    gone: { command: "exai-no-such-program" },
    exits: scripted({ exits: true }),
    hangs: scripted({ delayMs: 100_000 }, { startTimeoutMs: 300 }),
    wrong: { comand: "x" },
    unset: { command: "x", args: ["${env:EXAI_TEST_UNSET}"] },
    mute: scripted({ "tools/list": { error: { code: -32603, message: "the shelf is empty" } } }),
    off: { ...GOOD, disabled: true },
  });
  const { text, code, json } = await it.test();
  assertEquals(code, 1);
  const servers = (json as { servers: { server: string; ok: boolean; error: string }[] }).servers;
  const errors = Object.fromEntries(servers.map(({ server, ok, error }) => [server, ok || error]));
  assertEquals(Object.keys(errors).sort(), ["exits", "gone", "good", "hangs", "mute", "unset", "wrong"]);
  assertEquals(errors.good, true);
  const says: Record<string, string> = {
    gone: "exai-no-such-program",
    exits: "code 3",
    hangs: "300 ms",
    wrong: "write command",
    unset: "EXAI_TEST_UNSET",
    mute: "the shelf is empty",
  };
  for (const [name, part] of Object.entries(says)) assertStringIncludes(String(errors[name]), part, name);
  for (const name of Object.keys(says)) assertStringIncludes(text, name);
  assertMatch(text, /^gone +FAILED +- +- +- +- +-$/m);
  assertStringIncludes((await it.test("off")).text, "switched off");
  await assertRejects(() => it.test("god"), ExaiError, "did you mean good?");
});

Deno.test("an entry that has become faulty fails its test, though the server still runs as it was", async () => {
  await using it = await commandsOf({ good: GOOD });
  await it.call("plain");
  await it.write({ good: { ...GOOD, shared: "machine" } });
  await askDaemon(it.settings, "/reload", "POST");
  const { text, code } = await it.test("good");
  assertEquals(code, 1);
  assertStringIncludes(text, "shared");
});

Deno.test("a server that was failing is tried at once, whenever its next start was due", async () => {
  await using dir = await tempDir({ starts: "" });
  const code = `Deno.writeTextFileSync(${
    JSON.stringify(`${dir.path}/starts`)
  }, "x", { append: true }); Deno.exit(3)`;
  await using it = await commandsOf({ flaky: { command: Deno.execPath(), args: ["eval", code] } });
  // A file that was saved a moment ago is read again, and that alone lets the server start.
  await Deno.utime(it.config, new Date(0), new Date(0));
  const starts = async () => (await Deno.readTextFile(`${dir.path}/starts`)).length;
  for (let i = 0; i < 6; i++) {
    const before = await starts();
    assertStringIncludes((await it.test("flaky")).text, "code 3");
    assert(await starts() > before, `the test number ${i} has started nothing`);
  }
});

Deno.test("a server that the command names in two ways is tested once", async () => {
  await using it = await commandsOf({ "a good one": GOOD });
  const { json } = await it.test("a good one", "a-good-one");
  assertEquals((json as { servers: JsonObject[] }).servers.map(({ server }) => server), ["a-good-one"]);
});

Deno.test("a window's session is not used for a test, which would take the server from it", async () => {
  await using it = await mountingDaemon({ good: GOOD });
  using editor = await RawClient.hello(it.url, { client: "editor" });
  const query = new URLSearchParams({ name: "good", session: String(editor.ack.session_id) });
  const response = await fetch(new URL(`/servers/check?${query}`, it.http), { method: "POST" });
  assertEquals(response.status, 400);
  assertStringIncludes(await response.text(), "no window's");
});

/** A server that answers nothing but `initialize` and `tools/list`. */
const NO_PING = `
  const send = (id, result) => console.log(JSON.stringify({ jsonrpc: "2.0", id, result }));
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const { id, method } of text.trim().split("\\n").map((line) => JSON.parse(line))) {
      const serverInfo = { name: "mute", version: "1" };
      if (method === "initialize") send(id, { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
      if (method === "tools/list") send(id, { tools: [] });
    }
  }`;

Deno.test("a server that does everything but answer a ping passes its test, and that is said", async () => {
  await using it = await commandsOf({ mute: { command: Deno.execPath(), args: ["eval", NO_PING] } });
  const { text, code } = await it.test("mute");
  assertEquals(code, 0, text);
  assert(/^mute +ok +.*no ping +nothing +mute 1/m.test(text), text);
});

Deno.test("servers test says why the daemon that it needs cannot start", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = await tempDir({
    "mcp.json": JSON.stringify({ mcpServers: { good: GOOD } }),
    "notes.txt": "not of EXAI",
  });
  await Deno.chmod(home.path, 0o755);
  // A file that was saved a moment ago is read by the daemon first, which is another way.
  await Deno.utime(join(home.path, "mcp.json"), 0, 0);
  const { code, stderr } = await runDaemon({ home: home.path, args: ["servers", "test", "good"] });
  assertEquals(code, 3, stderr);
  assertMatch(stderr, /is open to other users \(mode 755\)/);
});
