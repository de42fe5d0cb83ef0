import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { buildOf } from "../helpers/builds.ts";
import { tempDir } from "../helpers/files.ts";
import { killDaemon, runDaemon, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";
import { gone } from "../../tools/lib/end_tree.ts";

const GATE = fromFileUrl(new URL("../fixtures/gate_server.ts", import.meta.url));

type Build = Awaited<ReturnType<typeof buildOf>>;

/** A state directory of one machine with two releases of EXAI; the daemon that runs at the end is ended. */
async function machine() {
  const home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const runs = `${home.path}/runs`;
  const gate = { command: Deno.execPath(), args: ["run", "-A", "--no-check", GATE, runs], share: "machine" };
  await home.write("mcp.json", JSON.stringify({ mcpServers: { gate } }));
  await home.write("runs", "");
  const running = async (): Promise<{ url: string; pid: number; version: string } | undefined> => {
    const text = await Deno.readTextFile(`${home.path}/daemon.json`).catch(() => undefined);
    return text ? JSON.parse(text) : undefined;
  };
  return {
    home: home.path,
    write: home.write,
    running,
    /** A window whose shim starts the daemon beside it. */
    window: (build: Build) =>
      Shim.ready({
        port: 0,
        home: home.path,
        program: build.shim,
        env: { EXAI_WS_AUTOSTART: "true" },
      }),
    daemon: (build: Build) => startDaemon({ home: home.path, program: build.daemon }),
    /** Waits until the daemon of `build` answers. */
    taken: ({ version }: Build) =>
      until(`daemon ${version}`, async () => {
        const found = await running();
        return found?.version === version ? found : undefined;
      }),
    /** Each run of a tool, as `name n`, sorted. */
    runs: async () => (await Deno.readTextFile(runs)).split("\n").filter(Boolean).sort(),
    async [Symbol.asyncDispose]() {
      const found = await running();
      if (found) await killDaemon(found);
      await home[Symbol.asyncDispose]();
    },
  };
}

/** The process that has `start.lock` of a state directory open while it waits for an older daemon to end. */
async function waitingIn(home: string): Promise<number | undefined> {
  const inode = (await Deno.stat(`${home}/start.lock`).catch(() => undefined))?.ino;
  for (const line of (await Deno.readTextFile("/proc/locks")).split("\n")) {
    const [, , , , pid, file] = line.split(/\s+/);
    if (file?.split(":")[2] === String(inode) && Number(pid) > 0) return Number(pid);
  }
  return undefined;
}

/** Calls `hold` as request `id` and waits until it runs; the answer, and what lets it end. */
async function hold(shim: Shim, id: number) {
  const params = { name: "hold", arguments: { n: id }, _meta: { progressToken: id } };
  const answer = shim.ask("tools/call", params, id);
  const { params: progress } = await shim.next(({ method }) => method === "notifications/progress");
  const pid = Number((progress as JsonObject).message);
  return { answer, release: () => Deno.kill(pid, "SIGUSR1") };
}

/** Calls `mark` again and again, each call with a number of its own, until `done`. */
async function keepCalling(shim: Shim, first: number, done: () => boolean): Promise<number[]> {
  const made: number[] = [];
  for (let n = first; !done(); n++) {
    const { error } = await shim.call("mark", { n });
    assertEquals(error, undefined);
    made.push(n);
  }
  return made;
}

Deno.test("a newer window has the older daemon hand over to the newer one, and no call is lost or run twice", async () => {
  await using old = await buildOf("1.2.0");
  await using next = await buildOf("1.10.0");
  await using it = await machine();
  await using first = await it.window(old);
  assertEquals((await it.running())?.version, "1.2.0");
  const held = await hold(first, 1);
  await using second = await it.window(next);
  await second.logged("takes over once no call runs");
  // The older daemon goes on for both while a call runs.
  assertEquals((await second.call("mark", { n: 2 })).error, undefined);
  assertEquals((await first.call("mark", { n: 3 })).error, undefined);
  assertEquals((await it.running())?.version, "1.2.0");
  let isTaken = false;
  const made = Promise.all([
    keepCalling(first, 1000, () => isTaken),
    keepCalling(second, 2000, () => isTaken),
  ]);
  held.release();
  assertEquals((await held.answer).error, undefined);
  await it.taken(next);
  isTaken = true;
  const numbers = (await made).flat();
  assertEquals((await first.call("mark", { n: 4 })).error, undefined);
  assertEquals((await second.call("mark", { n: 5 })).error, undefined);
  assertEquals(await it.runs(), ["hold 1", ...[2, 3, 4, 5, ...numbers].map((n) => `mark ${n}`)].sort());
  assertEquals((await it.running())?.version, "1.10.0");
});

Deno.test({
  name: "a daemon that is stopped stays stopped, also where a newer window has started one that waits",
  // Who waits is read from /proc.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using old = await buildOf("1.2.0");
    await using next = await buildOf("1.3.0");
    await using it = await machine();
    await using daemon = await it.daemon(old);
    await using first = await Shim.ready({ port: 0, home: it.home });
    const held = await hold(first, 1);
    await using second = await it.window(next);
    await second.logged("takes over once no call runs");
    const waiting = await until("a daemon that waits", () => waitingIn(it.home));
    const stopped = runDaemon({ home: it.home, program: next.daemon, args: ["stop"] });
    assertEquals(await gone([waiting], 15_000), [], "before the call has ended");
    held.release();
    assertEquals((await held.answer).error, undefined);
    assertStringIncludes((await stopped).stdout, "has stopped after 1 call.");
    assertEquals((await daemon.process.status).code, 0);
    assertEquals(await it.running(), undefined);
    // And a window that needs one has one.
    assertEquals((await second.call("mark", { n: 2 })).error, undefined);
    assertEquals((await it.running())?.version, "1.3.0");
  },
});

Deno.test("ten newer windows opened at once replace the older daemon once", async () => {
  await using old = await buildOf("1.2.0");
  await using next = await buildOf("1.2.1");
  await using it = await machine();
  await using daemon = await it.daemon(old);
  const windows = await Promise.all(Array.from({ length: 10 }, () => it.window(next)));
  try {
    assertEquals((await daemon.process.status).code, 0);
    const { pid } = await it.taken(next);
    const answers = await Promise.all(windows.map((shim, n) => shim.call("mark", { n })));
    for (const { error } of answers) assertEquals(error, undefined);
    assertEquals((await it.running())?.pid, pid);
  } finally {
    await Promise.all(windows.map((shim) => shim[Symbol.asyncDispose]()));
  }
});

Deno.test("an older window uses the newer daemon, and an older daemon leaves it its place", async () => {
  await using old = await buildOf("1.2.0-rc.1");
  await using next = await buildOf("1.2.0");
  await using it = await machine();
  await using _daemon = await it.daemon(next);
  const before = await it.running();
  await using shim = await it.window(old);
  assertEquals((await shim.call("mark", { n: 1 })).error, undefined);
  const { code, stderr } = await runDaemon({ home: it.home, program: old.daemon });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "already runs");
  assertEquals((await runDaemon({ home: it.home, program: old.daemon, args: ["--if-not-running"] })).code, 0);
  assertEquals(await it.running(), before);
});

Deno.test("an older window whose newer daemon has crashed starts that one again, not its own", async () => {
  await using old = await buildOf("1.2.0");
  await using it = await machine();
  {
    await using next = await buildOf("1.3.0");
    await using first = await it.daemon(next);
    first.process.kill("SIGKILL");
    await first.process.status;
    await using shim = await it.window(old);
    assertEquals((await shim.call("mark", { n: 1 })).error, undefined);
    assertEquals((await it.running())?.version, "1.3.0");
    await killDaemon((await it.running())!);
  }
  // Its program is gone with it.
  await using shim = await it.window(old);
  assertEquals((await shim.call("mark", { n: 2 })).error, undefined);
  assertEquals((await it.running())?.version, "1.2.0");
});

Deno.test("a newer daemon that gives up waiting, or cannot start, leaves the older one as it was", async () => {
  await using old = await buildOf("1.2.0");
  await using next = await buildOf("2.0.0");
  await using it = await machine();
  await using _daemon = await it.daemon(old);
  const before = await it.running();
  await using shim = await Shim.ready({ port: 0, home: it.home });
  const held = await hold(shim, 1);
  const waiting = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", next.daemon],
    env: { EXAI_HOME: it.home, XDG_RUNTIME_DIR: it.home, EXAI_WS_PORT: "0", ENV_FILE: "" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const said = waiting.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await said.read();
  assertStringIncludes(value ?? "", "version 2.0.0 takes over after a call that runs");
  waiting.kill("SIGKILL");
  await waiting.status;
  await said.cancel();
  held.release();
  assertEquals((await held.answer).error, undefined);
  await it.write("exai.json", JSON.stringify({ callTimeout: "soon" }));
  const failed = await runDaemon({ home: it.home, program: next.daemon });
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "exai.json");
  assertEquals((await shim.call("mark", { n: 2 })).error, undefined);
  assertEquals(await it.running(), before);
});
