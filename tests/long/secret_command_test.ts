import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { statePaths } from "../../lib/config/paths.ts";
import { filesBelow } from "../helpers/files_below.ts";
import { FakeDesktop } from "../helpers/fake_desktop.ts";
import { tempDir } from "../helpers/files.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";

const WHERE = fromFileUrl(new URL("../fixtures/where_server.ts", import.meta.url));

/** A home whose server `where` is given secrets, and `exai-daemon secret` there. */
async function rig(files: Record<string, string> = {}) {
  const home = await tempDir(files);
  await Deno.chmod(home.path, 0o700);
  const secret = (args: string[], input?: string, env = {}) =>
    runDaemon({ home: home.path, args: ["secret", ...args], env, ...(input === undefined ? {} : { input }) });
  return { home: home.path, secret, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() };
}

const entryOf = (env: Record<string, string>) =>
  JSON.stringify({
    mcpServers: {
      where: { command: Deno.execPath(), args: ["run", "-A", "--no-check", WHERE], env, share: "machine" },
    },
  });

async function variables(url: string, ...names: string[]): Promise<string> {
  await using client = await McpWindow.open(url);
  const { result } = await client.request("tools/call", { name: "where", arguments: { variables: names } });
  return (result as { content: [{ text: string }] }).content[0].text;
}

Deno.test("a secret is set, listed and removed, and its value is never shown", async () => {
  await using it = await rig();
  const set = await it.secret(["set", "github"], "canary-one\n");
  assertEquals([set.code, set.stderr], [0, set.stderr.replaceAll("canary", "")]);
  assertStringIncludes(set.stdout, "write ${secret:github} where it is needed");
  const list = await it.secret(["list", "--json"]);
  assertEquals(JSON.parse(list.stdout).secrets.map(({ name }: { name: string }) => name), ["github"]);
  assertEquals((await it.secret(["remove", "github"])).code, 0);
  const gone = await it.secret(["remove", "github"]);
  assertEquals(gone.code, 1);
  assertStringIncludes(gone.stderr, "there is no secret github");
  for (const { stdout, stderr } of [set, list, gone]) assert(!(stdout + stderr).includes("canary"));
});

Deno.test("a value on the command line is refused and not repeated, and so is none", async () => {
  await using it = await rig();
  const [word, name, none, short] = await Promise.all([
    it.secret(["set", "github", "canary-word"]),
    it.secret(["set", "canary value"], "x"),
    it.secret(["set", "github"], "\n"),
    it.secret(["set", "github"], "abc"),
  ]);
  assertEquals(word.code, 2);
  assertStringIncludes(word.stderr, "not taken from the command line");
  assertEquals([name.code, none.code, short.code], [2, 2, 2]);
  assertStringIncludes(none.stderr, "no value for github");
  assertStringIncludes(short.stderr, "4 characters or more");
  assert(!(word.stderr + word.stdout).includes("canary"));
  assertEquals((await Array.fromAsync(Deno.readDir(it.home))).length, 0);
});

Deno.test("a running daemon uses a secret as soon as it is set, and keeps it to the server it is for", async () => {
  await using it = await rig();
  await Deno.writeTextFile(`${it.home}/mcp.json`, entryOf({ TOKEN: "${secret:github}" }));
  await using daemon = await startDaemon({ home: it.home, env: { LOG_LEVEL: "debug" } });
  const set = await it.secret(["set", "github"], "canary-first-value");
  assertMatch(set.stdout, /read its configuration again.*where/);
  assertEquals(await variables(daemon.url, "TOKEN"), "canary-first-value");
  assertMatch((await it.secret(["set", "github"], "canary-second-value")).stdout, /started anew.*where/);
  assertEquals(await variables(daemon.url, "TOKEN", "EXAI_HOME"), "canary-second-value -");
  const status = await (await fetch(new URL("/status", daemon.url.replace(/^ws/, "http")))).text();
  const { config } = statePaths({ home: it.home });
  for await (const path of filesBelow(it.home)) {
    if (path === config) continue;
    const bytes = await Deno.readFile(path).catch(() => new Uint8Array());
    assert(!new TextDecoder("latin1").decode(bytes).includes("canary"), path);
  }
  assert(status.includes("where") && !status.includes("canary"));
});

Deno.test("a program gives a secret, which is asked again by a reload", async () => {
  const counter = "Deno.writeTextFileSync('runs', '.', {append: true})";
  await using it = await rig();
  const print = `Deno.chdir(${
    JSON.stringify(it.home)
  }); ${counter}; console.log('canary-printed-' + Deno.readTextFileSync('runs').length)`;
  const secrets = { printed: { command: [Deno.execPath(), "eval", print] } };
  await Deno.writeTextFile(`${it.home}/exai.json`, JSON.stringify({ secrets }), { mode: 0o600 });
  await Deno.writeTextFile(`${it.home}/mcp.json`, entryOf({ TOKEN: "${secret:printed}" }));
  await using daemon = await startDaemon({ home: it.home });
  assertEquals(await variables(daemon.url, "TOKEN"), "canary-printed-1");
  assertMatch((await it.secret(["list"])).stdout, /printed +a program: /);
  assertEquals((await runDaemon({ home: it.home, args: ["reload"] })).code, 0);
  assertEquals(await variables(daemon.url, "TOKEN"), "canary-printed-2");
  const refused = await it.secret(["set", "printed"], "some value");
  assertStringIncludes(refused.stderr, "comes from a program");
});

Deno.test("the key of the vault moves into a keychain, and secrets are there as before", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using desktop = await FakeDesktop.open();
  await using it = await rig();
  assertStringIncludes((await it.secret(["move-key"])).stderr, "there is no vault yet");
  await it.secret(["set", "github"], "canary-one");
  const moved = await it.secret(["move-key"], "", desktop.env);
  assertStringIncludes(
    moved.stdout,
    "a new key now, which is in the Secret Service; the one in vault.key is",
  );
  assertStringIncludes((await it.secret(["list"], "", desktop.env)).stdout, "github");
  const files = await Array.fromAsync(Deno.readDir(it.home), ({ name }) => name);
  assertEquals(files.sort(), ["vault.jwe", "vault.lock"]);
  const keyFile = `${it.home}/key-of-mine`;
  await Deno.writeTextFile(keyFile, new Uint8Array(32).fill(7).toBase64(), { mode: 0o600 });
  await it.secret(["move-key"], "", { ...desktop.env, EXAI_VAULT_KEY_FILE: keyFile });
  const back = await it.secret(["move-key", "--from", keyFile], "", desktop.env);
  assertStringIncludes(back.stdout, "a new key now, which is in the Secret Service");
});
