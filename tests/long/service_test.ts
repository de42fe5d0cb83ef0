import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { buildOf } from "../helpers/builds.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, signalProgram, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";
import { freePort } from "../../tools/lib/free_port.ts";

const SYSTEMCTL = fromFileUrl(new URL("../fixtures/fake_systemctl.sh", import.meta.url));
const DAEMON = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
const ignore = Deno.build.os !== "linux";

/** A user of Linux with a state directory and a user manager of systemd, of which only the manager is a double. */
async function user({ port = 0, program }: { port?: number; program?: string } = {}) {
  const dir = await tempDir({ "systemd/none": "", "home/none": "", "bin/none": "", "config/none": "" });
  await Deno.remove(join(dir.path, "home/none"));
  await dir.write(".profile", `PATH=${dir.path}/bin:$PATH\n`);
  await Deno.chmod(join(dir.path, "home"), 0o700);
  await Deno.symlink(SYSTEMCTL, join(dir.path, "bin/systemctl"));
  const home = join(dir.path, "home");
  const env = {
    PATH: `${dir.path}/bin:${Deno.env.get("PATH")}`,
    XDG_CONFIG_HOME: join(dir.path, "config"),
    // The login shell that a service asks for its environment, and what that reads.
    SHELL: "/bin/sh",
    HOME: dir.path,
    DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME")!, ".cache/deno"),
    EXAI_WS_PORT: String(port),
  };
  const run = (...args: string[]) => runDaemon({ home, env, program, args: ["service", ...args] });
  return {
    home,
    env,
    run,
    write: dir.write,
    /** A window whose shim starts the daemon if need be. */
    window: (shim?: string) =>
      Shim.ready({ port, home, program: shim, env: { ...env, EXAI_WS_AUTOSTART: "true" } }),
    /** The process that the manager has started last. */
    managed: async () => Number(await Deno.readTextFile(join(dir.path, "systemd/pid"))),
    json: async (...args: string[]): Promise<JsonObject> => JSON.parse((await run(...args, "--json")).stdout),
    units: async () => {
      const units = join(dir.path, "config/systemd/user");
      const found = await Array.fromAsync(Deno.readDir(units), ({ name }) => name).catch(() => []);
      return found.sort();
    },
    running: async (): Promise<JsonObject | undefined> => {
      const text = await Deno.readTextFile(join(home, "daemon.json")).catch(() => undefined);
      return text ? JSON.parse(text) : undefined;
    },
    async [Symbol.asyncDispose]() {
      await run("uninstall");
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "a service is installed, runs the daemon, is shown, and goes without a trace",
  ignore,
  async fn() {
    await using it = await user();
    assertEquals((await it.run("status")).code, 1);
    const installed = await it.run("install");
    assertEquals(installed.code, 0, installed.stderr);
    assertMatch(installed.stdout, /service exai-daemon-\w+ of systemd, which starts it when you log in/);
    const daemon = await it.running();
    const shown = await it.json("status");
    assertEquals([shown.installed, shown.enabled, shown.state, shown.faults], [true, true, "active", []]);
    assertEquals((shown.daemon as JsonObject).pid, daemon?.pid);
    assertEquals(shown.pid, daemon?.pid);
    const [unit] = await it.units();
    assertEquals(await it.units(), [`${shown.id}.service`]);
    assertStringIncludes(unit!, ".service");
    // A second time changes nothing but the process.
    assertEquals((await it.run("install")).code, 0);
    assertEquals(await it.units(), [unit]);
    assertEquals((await it.run("uninstall")).code, 0);
    assertEquals(await it.units(), []);
    assertEquals((await it.run("status")).code, 1);
    await until("its end", async () => await it.running() ? undefined : true);
    assertMatch((await it.run("uninstall")).stdout, /not installed/);
  },
});

Deno.test({
  name: "a service takes the place of the daemon that runs, and its windows notice nothing",
  ignore,
  async fn() {
    await using it = await user();
    await using old = await startDaemon({ home: it.home });
    await using shim = await Shim.ready({ port: 0, home: it.home });
    const before = (await it.running())?.pid;
    assertEquals((await it.run("install")).code, 0);
    assertEquals((await old.process.status).code, 0);
    assertEquals((await shim.call("version")).error, undefined);
    assertEquals((await it.json("status")).pid === before, false);
  },
});

Deno.test({
  name: "on a fixed port systemd listens for the daemon, and without the port the service starts at login",
  ignore,
  async fn() {
    const port = freePort();
    await using it = await user({ port });
    const shown = await it.run("install", "--dry-run");
    assertStringIncludes(shown.stdout, `ListenStream=127.0.0.1:${port}`);
    assertEquals(await it.units(), []);
    assertEquals(
      (await it.run("install", "--dry-run", "--no-socket")).stdout.includes("ListenStream"),
      false,
    );
    await it.write("systemd/no-sockets", "");
    const installed = await it.run("install");
    assertEquals(installed.code, 0, installed.stderr);
    assertStringIncludes(installed.stdout, "starts the daemon at login");
    assertEquals((await it.units()).length, 1);
  },
});

Deno.test({
  name: "a service that cannot be installed leaves nothing behind and says that none is needed",
  ignore,
  async fn() {
    await using it = await user();
    await it.write("systemd/broken", "");
    const failed = await it.run("install");
    assertEquals(failed.code, 1);
    assertStringIncludes(failed.stderr, "systemd cannot be reached for this user (Failed to connect to bus");
    assertStringIncludes(failed.stderr, "the first window starts the daemon by itself");
    assertEquals(await it.units(), []);
    const json = await it.json("install");
    assertEquals((json as { exit_code: number }).exit_code, 1);
    const secret = await runDaemon({
      home: it.home,
      env: { ...it.env, EXAI_WS_TOKEN: "a secret of sixteen" },
      args: ["service", "install", "--dry-run"],
    });
    assertEquals(secret.code, 1);
    assertEquals(/a secret of/.test(secret.stdout + secret.stderr), false);
    assertStringIncludes(secret.stderr, "exai.json");
  },
});

Deno.test({
  name: "a service whose daemon cannot start says why, and whose program has gone is shown as broken",
  ignore,
  async fn() {
    await using it = await user();
    await it.write("home/exai.json", '{ "callTimeout": "soon" }');
    const failed = await it.run("install");
    assertEquals(failed.code, 1);
    assertStringIncludes(failed.stderr, "its daemon does not start");
    assertStringIncludes(failed.stderr, "exai.json");
    const path = join(it.home, "service.json");
    const record = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(path, JSON.stringify({ ...record, command: "/gone/exai-daemon" }));
    const shown = await it.run("status");
    assertEquals(shown.code, 1);
    assertStringIncludes(shown.stdout, "The program it runs is gone: /gone/exai-daemon");
  },
});

Deno.test({
  name:
    "a window starts the service rather than a daemon of its own, and its own where the service does not start",
  ignore,
  async fn() {
    await using it = await user();
    assertEquals((await it.run("install")).code, 0);
    const first = await it.managed();
    Deno.kill(first, "SIGKILL");
    await using shim = await it.window();
    assertEquals((await shim.call("version")).error, undefined);
    const second = await it.managed();
    assertEquals([(await it.running())?.pid, first === second], [second, false]);
    await it.write("systemd/broken", "");
    Deno.kill(second, "SIGKILL");
    assertEquals((await shim.call("version")).error, undefined);
    const own = Number((await it.running())?.pid);
    assertEquals(own === second, false);
    Deno.kill(own, "SIGKILL");
  },
});

Deno.test({
  name: "a window that needs the service while its daemon ends has the next one of the service",
  ignore,
  async fn() {
    await using it = await user();
    assertEquals((await it.run("install")).code, 0);
    const first = await it.managed();
    await using shim = await it.window();
    assertEquals((await shim.call("version")).error, undefined);
    // Its manager does not know yet that it has ended: as one that takes long to close all it holds.
    await using lingering = new Deno.Command("sleep", { args: ["600"] }).spawn();
    await it.write("systemd/pid", String(lingering.pid));
    Deno.kill(first, "SIGKILL");
    const answer = shim.call("version");
    await shim.logged("the service starts it");
    lingering.kill("SIGKILL");
    assertEquals((await answer).error, undefined);
    assertEquals((await it.running())?.pid, await it.managed());
  },
});

Deno.test({
  name: "a service whose program was updated is replaced by the newer one, as a service",
  ignore,
  async fn() {
    await using build = await buildOf("1.2.0");
    await using other = await buildOf("3.0.0");
    await using it = await user({ program: build.daemon });
    assertEquals((await it.run("install")).code, 0);
    await using old = await it.window(build.shim);
    const first = await it.managed();
    // A newer program elsewhere is not what the user has installed as a service.
    await using stranger = await it.window(other.shim);
    await stranger.logged("runs as a service");
    await build.become("1.3.0");
    await using shim = await it.window(build.shim);
    await until("1.3.0", async () => (await it.running())?.version === "1.3.0" ? true : undefined);
    assertEquals((await old.call("version")).error, undefined);
    assertEquals((await shim.call("version")).error, undefined);
    const second = await it.managed();
    assertEquals([(await it.running())?.pid, first === second], [second, false]);
  },
});

Deno.test({
  name: "a daemon that systemd starts with its first client answers that client, on the socket of systemd",
  ignore: ignore || !await Deno.stat("/usr/bin/systemd-socket-activate").then(() => true, () => false),
  async fn() {
    const port = freePort();
    await using it = await user({ port });
    const daemon = new Deno.Command("/usr/bin/systemd-socket-activate", {
      args: [
        ...Object.entries({ ...it.env, EXAI_HOME: it.home, XDG_RUNTIME_DIR: it.home, ENV_FILE: "" })
          .map(([name, value]) => `--setenv=${name}=${value}`),
        `--listen=127.0.0.1:${port}`,
        Deno.execPath(),
        ...["run", "-A", "--no-check", DAEMON, "--if-not-running", "--background"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const said = daemon.stderr.pipeThrough(new TextDecoderStream()).getReader();
    while (!(await said.read()).value?.includes("Listening on"));
    try {
      const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
      assertEquals(health.status, "ok");
      const { url, instead_of, pid } = (await it.running())!;
      assertEquals([url, instead_of], [`ws://127.0.0.1:${port}/`, undefined]);
      using client = await RawClient.hello(String(url));
      assertEquals((await client.call("version")).error, undefined);
      // What the daemon starts must not keep the socket.
      const flags = await Deno.readTextFile(`/proc/${pid}/fdinfo/3`);
      assertMatch(flags, /^flags:\s+02\d{6}$/m);
    } finally {
      signalProgram(daemon, "SIGTERM");
      await daemon.status;
      await said.cancel();
    }
  },
});
