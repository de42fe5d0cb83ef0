import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { killDaemon, runDaemon, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const SERVER = new URL("../fixtures/where_server.ts", import.meta.url).pathname;
const AUTOSTART = { EXAI_WS_AUTOSTART: "true" };

/** A home whose daemon, started by whichever window, ends with the test. Its login shell sets `profile`. */
async function place(files: Record<string, string> = {}, profile = "") {
  const home = await tempDir({ ...files, "shell": `#!/bin/sh\n${profile}\neval "$2"\n` });
  await Deno.chmod(`${home.path}/shell`, 0o755);
  for (const name of Object.keys(files)) await Deno.chmod(`${home.path}/${name}`, 0o600);
  const endpoint = async () => JSON.parse(await Deno.readTextFile(`${home.path}/daemon.json`));
  const kill = async () => {
    const running = await endpoint().catch(() => undefined);
    if (!running) return;
    await killDaemon(running);
    await Deno.remove(`${home.path}/daemon.json`).catch(() => {});
  };
  return {
    path: home.path,
    write: async (text: string) => {
      await Deno.writeTextFile(`${home.path}/exai.json.new`, text, { mode: 0o600 });
      await Deno.rename(`${home.path}/exai.json.new`, `${home.path}/exai.json`);
    },
    endpoint,
    kill,
    /** A window that starts the daemon if none runs. */
    window: (env: Record<string, string> = {}) =>
      Shim.ready({
        port: 0,
        home: home.path,
        env: { ...AUTOSTART, SHELL: `${home.path}/shell`, ...env },
      }),
    async [Symbol.asyncDispose]() {
      await kill();
      await home[Symbol.asyncDispose]();
    },
  };
}

/** What the window is told by a log notification about its settings. */
async function notice(shim: Shim): Promise<string> {
  const message = await shim.next(({ method }) => method === "notifications/message");
  return String((message.params as JsonObject).data);
}

/** The JSON a tool of EXAI answers. */
async function contentOf(shim: Shim, tool: string): Promise<JsonObject> {
  const { result } = await shim.call(tool);
  const [block] = (result as { content: { text: string }[] }).content;
  return JSON.parse(block!.text).content;
}

/** The providers the daemon has keys for. */
async function seenBy(shim: Shim): Promise<string[]> {
  const { configured } = await contentOf(shim, "provider_capabilities");
  return (configured as string[]).filter((name) => ["kimi", "glm", "openai"].includes(name));
}

const ADA = { KIMI_API_KEY: "sk-of-ada-123456", EXAI_WS_CALL_TIMEOUT: "11" };
const BOB = { GLM_API_KEY: "sk-of-bob-123456", EXAI_WS_CALL_TIMEOUT: "22" };

for (const order of [[ADA, BOB], [BOB, ADA]]) {
  Deno.test(`two windows with keys of their own get one daemon with those of exai.json, ${Object.keys(order[0]!)[0]} first`, async () => {
    await using it = await place({
      "exai.json": '{ "openaiApiKey": "sk-of-the-file", "callTimeout": 33, "findLocal": false }',
    });
    for (const env of order) {
      await using shim = await it.window(env);
      const told = await notice(shim);
      for (const name of Object.keys(env)) assertStringIncludes(told, name);
      assertStringIncludes(told, `${it.path}/exai.json`);
      assertMatch(told, /"callTimeout": /);
      for (const text of [told, shim.stderr]) assert(!text.includes("sk-of"), text);
      const [initialized] = shim.lines.filter((line) => line.includes('"instructions"'));
      assertStringIncludes(initialized!, Object.keys(env)[0]!);
      await shim.logged("not used");
      assertStringIncludes(shim.stderr, `"callTimeout": ${env.EXAI_WS_CALL_TIMEOUT}`);
      assertEquals(await seenBy(shim), ["openai"]);
      using client = await RawClient.hello((await it.endpoint()).url);
      assertEquals((client.ack.limits as JsonObject).call_timeout_ms, 33_000);
    }
  });
}

Deno.test("a window that sets what the daemon uses anyway is told nothing", async () => {
  await using it = await place({ "exai.json": '{ "openaiApiKey": "sk-of-the-file", "callTimeout": 33 }' });
  await using shim = await it.window({ OPENAI_API_KEY: "sk-of-the-file", EXAI_WS_CALL_TIMEOUT: "33.0" });
  assertEquals(await seenBy(shim), ["openai"]);
  assert(!shim.stderr.includes("not used"), shim.stderr);
  assertEquals(shim.lines.filter((line) => line.includes("notifications/message")), []);
});

Deno.test("a window is told of its settings too where somebody else has started the daemon", async () => {
  await using it = await place();
  await using _daemon = await startDaemon({ home: it.path, env: { KIMI_API_KEY: "sk-of-the-shell" } });
  await using shim = await it.window({ KIMI_API_KEY: "sk-of-the-window", EXAI_FIND_LOCAL: "true" });
  const told = await notice(shim);
  assertStringIncludes(told, "KIMI_API_KEY is set for this window and not used");
  assert(!told.includes("EXAI_FIND_LOCAL"), told);
  assert(
    (await seenBy(shim)).includes("kimi"),
    "variables of the shell that starts the daemon by hand count",
  );
});

Deno.test("keys that the profile of the user sets count in every window", async () => {
  await using it = await place({}, "export OPENAI_API_KEY=sk-of-the-profile EXAI_WS_PORT=1\n");
  for (const key of ["", "sk-of-the-profile"]) {
    await using shim = await it.window({ OPENAI_API_KEY: key });
    assert((await seenBy(shim)).includes("openai"));
    assert(!shim.stderr.includes("not used"), shim.stderr);
  }
});

for (const first of ["ada", "bob"]) {
  Deno.test(`\${env:NAME} in mcp.json is the profile's, whichever window was the first: ${first}`, async () => {
    const entry = { command: Deno.execPath(), args: ["run", "-A", SERVER], cwd: "${env:MY_DIR}" };
    await using it = await place({
      "mcp.json": JSON.stringify({ mcpServers: { it: entry } }),
      "profile/x": "",
      "ada/x": "",
      "bob/x": "",
    }, 'export MY_DIR="$EXAI_HOME/profile"\n');
    await using shim = await it.window({ MY_DIR: `${it.path}/${first}` });
    const { result } = await shim.call("where");
    const [block] = (result as { content: { text: string }[] }).content;
    assertMatch(block!.text, /\/profile$/);
  });
}

Deno.test("the token auto in exai.json holds whoever starts the daemon, and windows know it", async () => {
  const starts: [string, (home: string) => Promise<AsyncDisposable> | undefined][] = [
    ["by hand", (home) => startDaemon({ home })],
    ["--if-not-running", (home) => startDaemon({ home, args: ["--if-not-running"] })],
    ["by a window", () => undefined],
  ];
  for (const [how, start] of starts) {
    await using it = await place({ "exai.json": '{ "token": "auto" }' });
    await using _daemon = await start(it.path);
    await using shim = await it.window();
    assertEquals((await shim.call("version")).error, undefined, how);
    using stranger = await RawClient.hello((await it.endpoint()).url);
    assertEquals(stranger.ack.error, "unauthorized", how);
    assertEquals((await runDaemon({ home: it.path, args: ["ps"] })).code, 0, how);
  }
});

Deno.test("a home whose daemon has run with the token auto asks for it when a window starts the next", async () => {
  await using it = await place();
  {
    await using _first = await startDaemon({ home: it.path, env: { EXAI_WS_TOKEN: "auto" } });
  }
  await using shim = await it.window();
  assertEquals((await shim.call("version")).error, undefined);
  using stranger = await RawClient.hello((await it.endpoint()).url);
  assertEquals(stranger.ack.error, "unauthorized");
  const said = /no token is set, and the one in .*token is asked for/;
  await until("the log says so", async () => {
    const log = await Deno.readTextFile(`${it.path}/logs/daemon.log`).catch(() => "");
    return said.test(log) || undefined;
  });
});

Deno.test("with faults in exai.json no daemon starts, and the window is told at once what they are", async () => {
  await using it = await place({ "exai.json": '{\n  "callTimeot": 5,\n  "port": "many"\n}' });
  const faults = [
    /exai\.json:2:\d+: callTimeot is no key here \(did you mean "callTimeout"/,
    /exai\.json:3:\d+: port is "many"/,
  ];
  const byHand = await runDaemon({ home: it.path });
  assertEquals(byHand.code, 1);
  await using shim = await Shim.start({ port: 0, home: it.path, env: AUTOSTART });
  const { error } = await shim.ask("initialize", INITIALIZE);
  for (const fault of faults) {
    assertMatch(byHand.stderr, fault);
    assertMatch((error as JsonObject).message as string, fault);
  }
});

Deno.test("a daemon whose exai.json becomes faulty goes on with what it had, says so, and new windows still come", async () => {
  await using it = await place({ "exai.json": '{ "openaiApiKey": "sk-of-the-file", "findLocal": false }' });
  await using first = await it.window();
  await it.write('{ "openaiApiKey": 5 ');
  const reload = await runDaemon({ home: it.path, args: ["reload"] });
  assertMatch(reload.stdout, /exai\.json:1:\d+: /);
  assertEquals(reload.code, 1);
  await using second = await it.window();
  assertEquals([await seenBy(first), await seenBy(second)], [["openai"], ["openai"]]);
});

Deno.test("a key written into exai.json counts at once; reload says what takes a new start", async () => {
  await using it = await place({ "exai.json": '{ "findLocal": false }' });
  await using shim = await it.window();
  assertEquals(await seenBy(shim), []);
  await it.write('{ "findLocal": false, "glmApiKey": "sk-of-the-file", "callTimeout": 44 }');
  await until("the key counts", async () => (await seenBy(shim)).includes("glm") || undefined);
  const { stdout } = await runDaemon({ home: it.path, args: ["reload"] });
  assertMatch(stdout, /exai\.json: callTimeout takes effect when the daemon is started again/);
});

Deno.test("a token written into exai.json while the daemon runs lets new windows in, and strangers no more", async () => {
  await using it = await place();
  await using first = await it.window();
  const { url } = await it.endpoint();
  using before = await RawClient.hello(url);
  assertEquals(before.ack.ok, true);
  await it.write('{ "token": "auto" }');
  await until("there is a token", () => Deno.stat(`${it.path}/token`).catch(() => undefined));
  await using second = await it.window();
  for (const shim of [first, second]) assertEquals((await shim.call("version")).error, undefined);
  using stranger = await RawClient.hello(url);
  assertEquals(stranger.ack.error, "unauthorized");
});

Deno.test("the first request after exai.json was corrected starts the daemon", async () => {
  await using it = await place({ "exai.json": "{ broken" });
  await using shim = await Shim.start({ port: 0, home: it.path, env: AUTOSTART });
  assert((await shim.ask("initialize", INITIALIZE)).error);
  await it.write("{}");
  assert((await shim.initialize()).result);
});
