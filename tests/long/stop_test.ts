import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { HomeLock } from "../../lib/state/home_lock.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const GATE = fromFileUrl(new URL("../fixtures/gate_server.ts", import.meta.url));
const onPosix = Deno.build.os === "windows";

/** A state directory with a server whose tool `hold` ends when it is told to. */
async function machine() {
  const home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const gate = {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", GATE, `${home.path}/runs`],
    share: "machine",
  };
  await home.write("mcp.json", JSON.stringify({ mcpServers: { gate } }));
  await home.write("runs", "");
  return {
    home: home.path,
    run: (...args: string[]) => runDaemon({ home: home.path, args }),
    log: () => Deno.readTextFile(`${home.path}/logs/daemon.log`).catch(() => ""),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

function holder(home: string) {
  return HomeLock.holder(statePaths({ home }));
}

Deno.test({
  name: "stop lets a call that runs end, and is done when the process has ended and its directory is free",
  ignore: onPosix,
  async fn() {
    await using at = await machine();
    await using daemon = await startDaemon({ home: at.home });
    await using shim = await Shim.ready({ port: 0, home: at.home });
    const answer = shim.ask(
      "tools/call",
      { name: "hold", arguments: { n: 1 }, _meta: { progressToken: 1 } },
      1,
    );
    const { params } = await shim.next(({ method }) => method === "notifications/progress");
    let isStopped = false;
    const stopping = at.run("stop").finally(() => isStopped = true);
    await until(
      "the daemon to be asked",
      async () => (await at.log()).includes("exai-daemon stop") || undefined,
    );
    assertEquals(isStopped, false, "the call still runs");
    Deno.kill(Number((params as JsonObject).message), "SIGUSR1");
    assertEquals(((await answer).result as { content: JsonObject[] }).content[0]!.text, "hold 1");
    const { code, stdout } = await stopping;
    assertEquals(code, 0);
    assertStringIncludes(stdout, `The daemon (process ${daemon.process.pid}) has stopped after 1 call.`);
    assertEquals((await daemon.process.status).code, 0);
    assertEquals(await holder(at.home), undefined);
  },
});

Deno.test("stop without a daemon is done at once, makes no state directory, and says so", async () => {
  await using dir = await tempDir({});
  const home = `${dir.path}/state`;
  const plain = await runDaemon({ home, args: ["stop"] });
  assertEquals([plain.code, plain.stdout], [0, "No daemon runs.\n"]);
  const json = await runDaemon({ home, args: ["stop", "--json"] });
  assertEquals([json.code, JSON.parse(json.stdout)], [0, { stopped: false }]);
  const status = await runDaemon({ home, args: ["status", "--json"] });
  assertEquals([status.code, JSON.parse(status.stdout).running], [3, false]);
  assertEquals(await Deno.stat(home).catch(() => "none"), "none");
});

Deno.test({
  name: "a daemon that hangs is named with its process, and killed by stop --force alone",
  ignore: onPosix,
  async fn() {
    await using at = await machine();
    await using daemon = await startDaemon({ home: at.home });
    const { pid } = daemon.process;
    daemon.process.kill("SIGSTOP");
    const plain = await at.run("stop", "--timeout=2");
    assertEquals(plain.code, 1);
    assertMatch(plain.stderr, /asking the daemon to stop \(1 s\)/, "what takes over a second is said");
    assertStringIncludes(plain.stderr, `the daemon (process ${pid}) does not answer`);
    assertStringIncludes(plain.stderr, "exai-daemon stop --force");
    const forced = await at.run("stop", "--force", "--timeout=1", "--json");
    assertEquals(forced.code, 0, forced.stdout);
    const { stopped, pid: ended, killed } = JSON.parse(forced.stdout);
    assertEquals([stopped, ended, killed], [true, pid, true]);
    assertEquals((await daemon.process.status).signal, "SIGKILL");
    assertEquals(await holder(at.home), undefined);
  },
});

Deno.test("restart puts a new daemon in the place of the old one, and a window goes on with it", async () => {
  await using at = await machine();
  await using daemon = await startDaemon({ home: at.home });
  await using shim = await Shim.ready({ port: 0, home: at.home });
  const env = { EXAI_WS_PORT: "0", SHELL: "/bin/sh" };
  const { code, stdout, stderr } = await runDaemon({ home: at.home, args: ["restart", "--json"], env });
  assertEquals(code, 0, stderr + stdout);
  const { stopped, pid, address } = JSON.parse(stdout);
  assertEquals(stopped.pid, daemon.process.pid);
  assert(pid !== daemon.process.pid);
  assertMatch(address, /^ws:/);
  assertEquals((await shim.call("version", {})).error, undefined);
  const status = await at.run("status");
  assertEquals(status.code, 0);
  assertStringIncludes(status.stdout, `process  ${pid}`);
  const version = JSON.parse((await at.run("version", "--json")).stdout);
  assertEquals(version.daemon, { version: version.version, pid });
  assertEquals((await at.run("stop")).code, 0);
  assertEquals(await holder(at.home), undefined);
});

Deno.test("status says what is wrong, and how many servers are in which state", async () => {
  await using at = await machine();
  const broken = { command: "no-such-program-here" };
  await Deno.writeTextFile(
    `${at.home}/mcp.json`,
    JSON.stringify({ mcpServers: { off: { ...broken, disabled: true }, wrong: { comand: "x" } } }),
  );
  await using _daemon = await startDaemon({ home: at.home });
  const { code, stdout } = await at.run("status");
  assertEquals(code, 0);
  assertStringIncludes(stdout, "it is degraded");
  assertStringIncludes(stdout, "1 disabled");
  assertStringIncludes(stdout, "1 faulty entry");
  assertStringIncludes(stdout, "What is wrong:");
  const { servers, home } = JSON.parse((await at.run("status", "--json")).stdout);
  assertEquals([servers, home], [{ disabled: 1, "faulty entry": 1 }, at.home]);
});

Deno.test("stop leaves the daemon of another state directory alone, and says whose it is", async () => {
  await using mine = await machine();
  await using theirs = await machine();
  await using daemon = await startDaemon({ home: theirs.home });
  const env = { EXAI_WS_PORT: new URL(daemon.url).port };
  for (const args of [["stop"], ["stop", "--force"], ["restart"]]) {
    const { code, stderr } = await runDaemon({ home: mine.home, args, env });
    assertEquals(code, 3, args.join(" "));
    assertStringIncludes(stderr, `it has the state directory ${theirs.home}, and not ${mine.home}`);
  }
  const status = await runDaemon({ home: mine.home, args: ["status"], env });
  assertEquals(status.code, 0);
  assertStringIncludes(status.stdout, `another directory than ${mine.home}`);
  assertStringIncludes((await theirs.run("status")).stdout, `state    ${theirs.home}`);
});
