import { assert, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { buildOf } from "../helpers/builds.ts";
import { scripted, tool } from "../helpers/command_rig.ts";
import { Desk, signalPid } from "../helpers/desk.ts";
import { assertShows, cure, symptom } from "../helpers/symptoms.ts";

const options = { ignore: Deno.build.os !== "linux", timeout: 300_000 };
const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** Why a window cannot be opened. */
async function whyNoWindow(desk: Desk, options: Parameters<Desk["window"]>[0] = {}): Promise<string> {
  return await desk.window(options).then(() => "it was opened", String);
}

/** The process of the daemon that runs. */
async function daemonOf(desk: Desk): Promise<number> {
  await desk.run("exai-daemon call version");
  return JSON.parse(await Deno.readTextFile(desk.state("daemon.json"))).pid;
}

Deno.test("a client whose entry starts what is not there", options, async () => {
  const one = symptom("The client cannot find exai-shim");
  await using desk = await Desk.open();
  const gone = "/opt/old/exai-shim";
  const entry = { command: gone };
  const write = () => desk.write(".claude.json", JSON.stringify({ mcpServers: { exai: entry } }));
  await write();
  assertStringIncludes(await whyNoWindow(desk, { command: gone }), "ENOENT");
  const { said } = await desk.run("exai-daemon doctor --quick");
  assertShows(one, said);
  const [command, ...args] = /write where exai-shim is now: (.+)/.exec(said)![1]!.split(" ");
  Object.assign(entry, { command, args });
  await write();
  await cure(desk, one);
});

Deno.test("a daemon that is slow to start", options, async () => {
  const one = symptom("The daemon is slow to start");
  await using desk = await Desk.open();
  assertShows(one, await whyNoWindow(desk, { env: { EXAI_WS_CONNECT_TIMEOUT: "0.1" } }));
  await desk.run("exai-daemon stop --force");
  delete desk.env.EXAI_WS_CONNECT_TIMEOUT;
  const settings = { port: 0, keychain: "off", ...JSON.parse(one.files[0]!) };
  await desk.write(".config/exai/exai.json", JSON.stringify(settings));
  assert((await (await desk.window()).tools()).includes("version"));
});

Deno.test(
  "exai.json with a fault keeps the daemon from starting until it is corrected",
  options,
  async () => {
    const one = symptom("exai.json has a fault");
    await using desk = await Desk.open();
    await desk.write(".config/exai/exai.json", '{\n  "port": 0,\n  "callTimeout": "soon"\n}\n');
    assertShows(one, await whyNoWindow(desk));
    assertStringIncludes((await desk.run("exai-daemon config check exai")).said, "1 fault");
    await desk.write(".config/exai/exai.json", '{\n  "port": 0,\n  "callTimeout": 60\n}\n');
    await cure(desk, one);
    assert((await (await desk.window()).tools()).includes("version"));
  },
);

Deno.test("a port that was chosen and is taken", options, async () => {
  const one = symptom("The port is taken");
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using desk = await Desk.open({ settings: { port: taken.addr.port } });
  assertShows(one, (await desk.run("exai-daemon doctor --quick")).said);
  await desk.write(".config/exai/exai.json", '{ "port": 0, "keychain": "off" }');
  assertStringIncludes(await cure(desk, one), "MCP revisions");
});

Deno.test("windows that are told not to start a daemon", options, async () => {
  const one = symptom("Windows are told not to start a daemon");
  await using desk = await Desk.open({ settings: { autostart: false } });
  assertShows(one, await whyNoWindow(desk, { env: { EXAI_WS_CONNECT_TIMEOUT: "1" } }));
  await cure(desk, one);
  assert((await (await desk.window()).tools()).includes("version"));
});

Deno.test("a daemon that hangs", options, async () => {
  const one = symptom("The daemon hangs");
  await using desk = await Desk.open();
  signalPid(await daemonOf(desk), "SIGSTOP");
  assertShows(one, (await desk.run("exai-daemon doctor --quick")).said);
  await cure(desk, one);
});

Deno.test("a daemon that is older than its programs", options, async () => {
  const one = symptom("The daemon is of an older release");
  await using build = await buildOf("0.0.1");
  await using desk = await Desk.open({ program: build.daemon.replace(/daemon\.ts$/, "") });
  const pid = await daemonOf(desk);
  await desk.install(ROOT);
  assertShows(one, (await desk.run("exai-daemon doctor --quick")).said);
  await cure(desk, one);
  assert(await daemonOf(desk) !== pid);
});

Deno.test("a window with another token", options, async () => {
  const one = symptom("The token is refused");
  await using desk = await Desk.open({ settings: { token: "auto" } });
  await daemonOf(desk);
  assertShows(one, await whyNoWindow(desk, { env: { EXAI_WS_TOKEN: "x".repeat(40) } }));
  assert((await (await desk.window()).tools()).includes("version"));
  const token = (await cure(desk, one)).trim();
  const { url } = JSON.parse(await Deno.readTextFile(desk.state("daemon.json")));
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(new URL("/health", url.replace("ws", "http")), { headers });
    await response.body?.cancel();
    return response.status;
  };
  assert(await ask({}) === 401 && await ask({ authorization: `Bearer ${token}` }) === 200);
});

Deno.test("a login shell that waits", options, async () => {
  const one = symptom("The login shell is silent");
  await using desk = await Desk.open({ env: { SHELL: "/bin/bash" } });
  await desk.write(".bash_profile", "sleep 1000\n");
  assertShows(one, (await desk.run("exai-daemon doctor")).said);
  await desk.write(".bash_profile", "[ -t 0 ] && sleep 1000\n");
  await cure(desk, one);
});

Deno.test(
  "files that are another user's",
  { ...options, ignore: options.ignore || Deno.uid() !== 0 },
  async () => {
    const one = symptom("Files of EXAI belong to another user");
    await using desk = await Desk.open();
    await desk.program("sudo", 'exec "$@"');
    await desk.run("exai-daemon call version; exai-daemon stop; chown 12345 ~/.local/state/exai/calls.db");
    assertShows(one, (await desk.run("exai-daemon doctor --quick")).said);
    await cure(desk, one);
  },
);

Deno.test("a mcp.json that others may write to", options, async () => {
  const one = symptom("Others may write to mcp.json");
  await using desk = await Desk.open({
    servers: { notes: scripted({ "tools/list": { tools: [tool("say")] } }) },
  });
  await Deno.chmod(`${desk.home}/.config/exai/mcp.json`, 0o666);
  assertShows(one, (await desk.window()).instructions);
  await cure(desk, one);
  const window = await desk.window();
  assertStringIncludes(await window.call("notes__say"), '"name":"say"');
});
