import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { FileLock } from "../../lib/state/file_lock.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, signalProgram, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";
import { DEFAULT_PORT, type StrangerKind, takeDefaultPort } from "../helpers/taken_port.ts";

const DEFAULT = { EXAI_WS_PORT: String(DEFAULT_PORT) };
const KINDS: StrangerKind[] = ["answers 200", "accepts and says nothing", "speaks WebSocket"];

async function privateHome() {
  const home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  return home;
}

/** What the running daemon of `home` has written down. */
async function endpoint(home: string) {
  return JSON.parse(await Deno.readTextFile(join(home, "daemon.json")));
}

/** Stops the daemon of `home` and waits until it has. */
async function stopDaemon(home: string): Promise<void> {
  const { pid } = await endpoint(home);
  Deno.kill(pid, "SIGTERM");
  // Given back at the very end.
  const ended = async () => {
    for (;;) {
      using lock = await FileLock.tryTake(join(home, "daemon.lock"));
      if (lock) return;
      await delay(10);
    }
  };
  await deadline(ended(), 20_000);
}

for (const kind of KINDS) {
  for (const socket of ["auto", "off"]) {
    Deno.test(`a stranger on the default port who ${kind} keeps no window from its daemon (socket ${socket})`, async () => {
      await using stranger = await takeDefaultPort(kind);
      await using home = await privateHome();
      const env = {
        EXAI_WS_AUTOSTART: "true",
        EXAI_WS_TOKEN: socket === "off" ? "auto" : "",
        EXAI_SOCKET: socket,
      };
      const options = { port: DEFAULT_PORT, home: home.path, env };
      try {
        await using one = await Shim.ready(options);
        assertEquals((await one.call("version")).error, undefined);
        await using two = await Shim.ready(options);
        assertEquals((await two.call("version")).error, undefined);
        const { url, instead_of } = await endpoint(home.path);
        assertEquals(instead_of, DEFAULT_PORT);
        const { port } = new URL(url);
        assert(Number(port) !== DEFAULT_PORT);
        const ps = await runDaemon({ home: home.path, args: ["ps"], env: { ...DEFAULT, ...env } });
        assertEquals(ps.code, 0, ps.stderr);
        assertStringIncludes(ps.stdout, `port ${DEFAULT_PORT} is taken by another program (`);
        assertStringIncludes(ps.stdout, `process ${Deno.pid}); listening on 127.0.0.1:${port}`);
        const health = await Deno.readTextFile(join(home.path, "health.json"));
        assertStringIncludes(health, `listening on 127.0.0.1:${port}`);
        const said = stranger.heard.join("\n");
        assert(!/"jsonrpc"|tools\/call|"proof"/.test(said), said);
      } finally {
        await stopDaemon(home.path);
      }
      // Lines of the log wait for others of their batch; a daemon that has ended has written them all.
      const log = await Deno.readTextFile(join(home.path, "logs", "daemon.log"));
      assertStringIncludes(log, `port ${DEFAULT_PORT} is taken`);
    });
  }
}

Deno.test("while the stranger stays the daemon has the same port again, and the default one once it has left", async () => {
  await using home = await privateHome();
  const urls: string[] = [];
  {
    await using _stranger = await takeDefaultPort("answers 200");
    for (let n = 0; n < 2; n++) {
      await using daemon = await startDaemon({ home: home.path, env: DEFAULT });
      assertStringIncludes(daemon.banner, `port ${DEFAULT_PORT} is taken by another program`);
      urls.push(daemon.url);
      daemon.process.kill("SIGTERM");
      await daemon.process.status;
    }
    assertEquals(urls[0], urls[1]);
    assertMatch(urls[0]!, /:87(6[6-9]|7[0-5])\/$/);
  }
});

Deno.test("a port somebody has chosen is not replaced: the daemon says who has it and what to do", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const { code, stderr } = await runDaemon({ env: { EXAI_WS_PORT: String(port) } });
  assertEquals(code, 1);
  assertStringIncludes(stderr, `127.0.0.1:${port} is already in use by another program (`);
  assertStringIncludes(stderr, `process ${Deno.pid})`);
  assertStringIncludes(stderr, "EXAI_WS_PORT");
});

Deno.test("a second daemon says within two seconds where the first runs, also while that one is busy", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = await privateHome();
  await using first = await startDaemon({ home: home.path });
  for (const isStopped of [false, true]) {
    // A stopped process accepts connections, as the kernel does that, and answers none.
    if (isStopped) first.process.kill("SIGSTOP");
    try {
      const begunMs = performance.now();
      const second = await runDaemon({ home: home.path });
      const tookMs = performance.now() - begunMs;
      assertEquals(second.code, 1, second.stderr);
      for (const part of [first.url, `process ${first.process.pid}`, "version ", home.path]) {
        assertStringIncludes(second.stderr, part);
      }
      assertEquals(second.stderr.includes("it is busy"), isStopped, second.stderr);
      assert(tookMs < 4000, `${tookMs} ms`);
      const fine = await runDaemon({ home: home.path, args: ["--if-not-running"] });
      assertEquals(fine.code, 0);
      assertStringIncludes(fine.stdout, home.path);
    } finally {
      signalProgram(first.process, "SIGCONT");
    }
  }
});

Deno.test("a daemon of another home on the port is told apart: which home, and how to have both", async () => {
  await using first = await startDaemon();
  await using home = await privateHome();
  const env = { EXAI_WS_PORT: new URL(first.url).port };
  const { code, stderr } = await runDaemon({ home: home.path, env });
  assertEquals(code, 1);
  for (
    const part of [first.url, first.home, home.path, "EXAI_WS_PORT", "both", `process ${first.process.pid}`]
  ) {
    assertStringIncludes(stderr, part);
  }
  const names = (await Array.fromAsync(Deno.readDir(home.path))).map(({ name }) => name);
  assert(!names.some((name) => name.endsWith(".db")), `${names}`);
});
