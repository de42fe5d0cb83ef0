import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { describeUncleanExit } from "../../lib/state/crash_reports.ts";
import { readTokenFile } from "../../lib/edge/token.ts";
import { loadSettings } from "../../lib/config/load.ts";
import { readModels } from "../../lib/config/models_file.ts";
import { readServers } from "../../lib/config/servers.ts";
import { loadServerTls } from "../../lib/config/tls.ts";
import { FileLock } from "../../lib/state/file_lock.ts";
import { readOwnFile } from "../../lib/client/own_files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";

const isWindows = Deno.build.os === "windows";

async function inDir(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "exai-odd-" });
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function makePipe(path: string): Promise<void> {
  assert((await new Deno.Command("mkfifo", { args: ["-m", "600", path] }).output()).success);
}

/** What reading says of a file, by what reads it. */
const READERS: Record<string, (path: string) => Promise<string>> = {
  "the servers": async (path) => JSON.stringify(await readServers(path)),
  "the models": async (path) => JSON.stringify(await readModels(path, {})),
  "the token": (path) => readTokenFile(path).then(String, String),
  "a key": (path) => loadServerTls({ tlsCert: path, tlsKey: path, tlsClientCa: "" }).then(String, String),
  "the address": async (path) => String((await readOwnFile(path)).fault),
  "the env file": (path) =>
    Promise.try(() => JSON.stringify(loadSettings({ env: { ENV_FILE: path }, args: [] }))).catch(String),
};

for (const [what, read] of Object.entries(READERS)) {
  Deno.test({
    name: `what is no regular file, or has no end, is refused unopened in place of the file with ${what}`,
    ignore: isWindows,
    fn: () =>
      inDir(async (dir) => {
        await makePipe(`${dir}/pipe`);
        await Deno.symlink("/dev/zero", `${dir}/device`);
        await Deno.mkdir(`${dir}/dir`);
        await Deno.symlink(`${dir}/pipe`, `${dir}/link`);
        using socket = Deno.listen({ transport: "unix", path: `${dir}/socket` });
        await Deno.writeTextFile(`${dir}/huge`, "");
        await Deno.truncate(`${dir}/huge`, 10 * 2 ** 30);
        assertStringIncludes(await read(`${dir}/pipe`), "it is a named pipe, not a regular file");
        assertStringIncludes(await read(`${dir}/link`), "it is a named pipe, not a regular file");
        assertStringIncludes(await read(`${dir}/dir`), "it is a directory, not a regular file");
        assertStringIncludes(await read(`${dir}/socket`), "it is a socket, not a regular file");
        assertMatch(await read(`${dir}/device`), /it is a device, not a regular file|others may write/);
        assertMatch(await read(`${dir}/huge`), /it has 10.*, and at most 16.* are read/);
        socket.close();
      }),
  });
}

Deno.test({
  name: "a named pipe in place of a lock or of the last health is not opened",
  ignore: isWindows,
  fn: () =>
    inDir(async (dir) => {
      await makePipe(`${dir}/pipe`);
      await assertRejects(() => FileLock.tryTake(`${dir}/pipe`), Error, "no regular file");
      assertEquals(await describeUncleanExit(`${dir}/pipe`), []);
    }),
});

Deno.test({
  name: "the daemon says at once which file of its home is a named pipe, or does without it",
  ignore: isWindows,
  fn: () =>
    inDir(async (dir) => {
      const home = `${dir}/home`;
      for (const name of ["token", "daemon.lock"]) {
        await Deno.mkdir(home, { mode: 0o700 });
        await makePipe(`${home}/${name}`);
        const { code, stderr } = await runDaemon({ home, env: { EXAI_WS_TOKEN: "auto" } });
        assert(code !== 0, name);
        assertMatch(stderr, new RegExp(`${name}.*regular file`));
        await Deno.remove(home, { recursive: true });
      }
      await Deno.mkdir(home, { mode: 0o700 });
      for (const name of ["mcp.json", "models.json", "health.json", "daemon.json"]) {
        await makePipe(`${home}/${name}`);
      }
      await using daemon = await startDaemon({ home });
      const health = await (await fetch(daemon.url.replace("ws", "http") + "health")).json();
      for (const name of ["mcp.json", "models.json"]) {
        assertMatch(health.reasons.join("\n"), new RegExp(`${name}.*it is a named pipe`));
      }
    }),
});

Deno.test({
  name: "every command and the daemon say that EXAI_HOME is to be changed when it cannot be a directory",
  ignore: isWindows,
  fn: () =>
    inDir(async (dir) => {
      await Deno.symlink(`${dir}/loop`, `${dir}/loop`);
      const homes = [`${dir}/${"x".repeat(300)}`, "/etc/passwd", "/dev/null/x", `${dir}/loop`];
      const commands = [
        "ps",
        "threads list",
        "calls",
        "token show",
        "token rotate",
        "certs",
        "reload",
        "new-tool x",
        "",
      ];
      const runs = [
        ...commands.map((command) => [homes[0]!, command]),
        ...homes.map((home) => [home, "threads"]),
      ];
      for (const [home, command] of [...runs, ...homes.map((home) => [home, ""])] as [string, string][]) {
        const args = command.split(" ").filter((word) => word !== "");
        const { code, stderr } = await runDaemon({ home, args, env: { EXAI_WS_TOKEN: "auto" } });
        assertEquals(code, 1, command);
        assertMatch(
          stderr,
          /the state directory .* cannot be used: .*; set EXAI_HOME/,
          `${command}: ${stderr}`,
        );
        assert(stderr.length < 1000, `${command}: ${stderr.length} characters`);
      }
    }),
});

Deno.test("a token is rotated while no daemon runs although a stranger answers at the address", () =>
  inDir(async (dir) => {
    await using stranger = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response("?"),
    );
    const env = { EXAI_WS_TOKEN: "auto", EXAI_WS_PORT: String(stranger.addr.port) };
    const { code, stdout } = await runDaemon({ home: `${dir}/home`, args: ["token", "rotate"], env });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "No daemon runs");
  }));
