import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { setImmediate } from "node:timers";
import { delay } from "@std/async/delay";
import { ExaiError } from "../../lib/base/errors.ts";
import { Daemon } from "../../lib/app/daemon.ts";
import { HomeLock } from "../../lib/state/home_lock.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { FileLock } from "../../lib/state/file_lock.ts";
import { StartupQueue } from "../../lib/edge/startup_queue.ts";
import { DenoListener } from "../../lib/edge/deno_listener.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

Deno.test("a second daemon on one home, whatever its port, is told who runs there and touches nothing", async () => {
  await using first = await startDaemon();
  const before = await filesOf(first.home);
  const second = await runDaemon({ home: first.home });
  assertEquals(second.code, 1);
  for (
    const word of [
      `an EXAI daemon already runs at ${first.url}`,
      `process ${first.process.pid}`,
      "version ",
      first.home,
      "EXAI_HOME",
    ]
  ) assertStringIncludes(second.stderr, word);
  const fine = await runDaemon({ home: first.home, args: ["--if-not-running"] });
  assertEquals(fine.code, 0);
  assertStringIncludes(fine.stdout, `an EXAI daemon already runs at ${first.url}`);
  assertEquals(await filesOf(first.home), before);
  await assertServes(first.url);
});

Deno.test("a daemon whose lock file is removed keeps its home to itself, and makes the file again", async () => {
  await using first = await startDaemon();
  await Deno.remove(`${first.home}/daemon.lock`);
  const second = await runDaemon({ home: first.home, args: ["--if-not-running"] });
  assertEquals(second.code, 0);
  assertStringIncludes(second.stdout, `process ${first.process.pid}`);
  await assertServes(first.url);
  await using home = await tempDir({});
  const paths = { home: home.path, lock: `${home.path}/daemon.lock` };
  using lock = await HomeLock.tryTake(paths);
  await Deno.remove(paths.lock);
  await lock!.check();
  assertEquals([await HomeLock.tryTake(paths), lock!.fault], [undefined, undefined]);
  await Deno.remove(paths.lock);
  {
    using _other = await HomeLock.tryTake(paths);
    await lock!.check();
    assertStringIncludes(lock!.fault!, "daemon.lock was removed while in use");
  }
  await lock!.check();
  assertEquals(lock!.fault, undefined);
});

Deno.test("a home that is given back while its lock is being looked after is free for the next", async () => {
  await using home = await tempDir({});
  const paths = { home: home.path, lock: `${home.path}/daemon.lock` };
  // However far the look has come by then.
  for (let turns = 0; turns < 40; turns++) {
    const lock = await HomeLock.tryTake(paths);
    assert(lock, `after a look that was ${turns} turns old`);
    await Deno.remove(paths.lock);
    const looked = lock!.check();
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    lock![Symbol.dispose]();
    await looked;
  }
});

Deno.test("a stale daemon.json whose address another home's daemon has does not keep a daemon from starting", async () => {
  await using other = await startDaemon();
  await using home = await tempDir({
    "daemon.json": JSON.stringify({ url: other.url, pid: 1, version: "0" }),
  });
  await Deno.chmod(home.path, 0o700);
  await using daemon = await startDaemon({ home: home.path });
  await assertServes(daemon.url);
});

Deno.test("with a token, too, a second daemon learns who runs there, and shows nobody its own", async () => {
  await using first = await startDaemon({ env: { EXAI_WS_TOKEN: "correct-horse" } });
  const env = { EXAI_WS_TOKEN: "another-horse" };
  const second = await runDaemon({ home: first.home, env, args: ["--if-not-running"] });
  assertEquals(second.code, 0);
  assertStringIncludes(second.stdout, `process ${first.process.pid}`);
});

Deno.test("what a killed daemon has left does not keep the next from starting", async () => {
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  {
    await using killed = await startDaemon({ home: home.path });
    killed.process.kill("SIGKILL");
    await killed.process.status;
  }
  assert((await Deno.stat(`${home.path}/daemon.lock`)).isFile);
  await using next = await startDaemon({ home: home.path, args: ["--if-not-running"] });
  await assertServes(next.url);
});

Deno.test("a daemon waits for one that is just stopping", async () => {
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const lock = await HomeLock.tryTake(statePaths({ home: home.path }));
  const starting = startDaemon({ home: home.path });
  const first = await Promise.race([starting.then(() => "started"), delay(700).then(() => "waits")]);
  assertEquals(first, "waits");
  lock![Symbol.dispose]();
  await using daemon = await starting;
  await assertServes(daemon.url);
});

Deno.test("a daemon in this process has its home alone, and gives it back when it stops", async () => {
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  {
    await using _one = await testDaemon({ settings: { home: home.path } });
    const error = await assertRejects(() => testDaemon({ settings: { home: home.path } }), ExaiError);
    assertStringIncludes(error.message, `process ${Deno.pid}`);
    assertStringIncludes(error.message, home.path);
  }
  await using next = await testDaemon({ settings: { home: home.path } });
  await assertServes(next.url);
});

Deno.test("a daemon that cannot start gives its home back", async () => {
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await assertRejects(() => testDaemon({ settings: { home: home.path, port } }), ExaiError, "already in use");
  const names = (await Array.fromAsync(Deno.readDir(home.path))).map(({ name }) => name);
  assert(!names.some((name) => name.endsWith(".db")), `no database was opened: ${names}`);
  await using next = await testDaemon({ settings: { home: home.path } });
  await assertServes(next.url);
});

Deno.test("a home that cannot be locked is refused with what to do", async () => {
  await using home = await tempDir({ "daemon.lock/in the way": "" });
  await Deno.chmod(home.path, 0o700);
  const { code, stderr } = await runDaemon({ home: home.path });
  assertEquals(code, 1);
  assertStringIncludes(stderr, `${home.path} cannot be locked`);
});

Deno.test("a lock keeps a second holder out, and may be given back twice", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/lock`;
  using first = await FileLock.tryTake(path);
  assertEquals(await FileLock.tryTake(path), undefined);
  first![Symbol.dispose]();
  first![Symbol.dispose]();
  using again = await FileLock.tryTake(path);
  assert(again !== undefined);
});

Deno.test("requests that come before the daemon is put together wait for it, and are refused when it fails", async () => {
  const gate = new StartupQueue();
  await using listener = new DenoListener({ hostname: "127.0.0.1", port: 0, handler: gate.handle });
  const url = `http://127.0.0.1:${(listener.address as Deno.NetAddr).port}/`;
  const early = fetch(url);
  const opened = delay(50).then(() => gate.setHandler(() => new Response("here")));
  assertEquals(await (await early).text(), "here");
  await opened;

  const failing = new StartupQueue();
  await using other = new DenoListener({ hostname: "127.0.0.1", port: 0, handler: failing.handle });
  const waiting = fetch(`http://127.0.0.1:${(other.address as Deno.NetAddr).port}/`);
  await delay(20);
  failing[Symbol.dispose]();
  const answer = await waiting;
  assertEquals(answer.status, 503);
  assertStringIncludes((await answer.json()).error.message, "starting");
});

Deno.test("every command beside a daemon that is killed in a call leaves calls, threads and databases as they were", async () => {
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const ids: string[] = [];
  for (const _ of ["first", "second"]) {
    await using daemon = await startDaemon({ home: home.path });
    using client = await RawClient.hello(daemon.url);
    const step = { step: "s", step_number: 1, total_steps: 1, next_step_required: false };
    const said = JSON.stringify(await client.call("planner", step));
    ids.push(/continuation_id[^0-9a-f]+([0-9a-f-]{36})/.exec(said)![1]!);
    const commands = [
      ["threads", "list"],
      ["threads", "show", ids.at(-1)!],
      ["threads", "export"],
      ["calls"],
      ["ps"],
    ];
    for (const args of commands) {
      const { code, stdout, stderr } = await runDaemon({ home: home.path, args });
      assertEquals(code, 0, `${args}: ${stderr}`);
      if (args[0] === "threads") assertStringIncludes(stdout, ids.at(-1)!);
      assert((await Deno.stat(`${home.path}/exai.db-wal`)).size > 0, `${args} left the log as it was`);
    }
    daemon.process.kill("SIGKILL");
    await daemon.process.status;
  }
  const alone = await runDaemon({ home: home.path, args: ["threads", "list"] });
  for (const id of ids) assertStringIncludes(alone.stdout, id);
  assertEquals((await runDaemon({ home: home.path, args: ["threads", "delete", ids[0]!] })).code, 0);
  await using daemon = await startDaemon({ home: home.path });
  assertEquals((await runDaemon({ home: home.path, args: ["threads", "delete", ids[1]!] })).code, 0);
  assertStringIncludes((await runDaemon({ home: home.path, args: ["threads"] })).stdout, "no threads");
  await assertServes(daemon.url);
});

/** Names of what is in a home, and the sizes of what a second daemon might write to. */
async function filesOf(home: string): Promise<string[]> {
  // The first daemon writes its health at any time.
  const names = (await Array.fromAsync(Deno.readDir(home))).map(({ name }) => name)
    .filter((name) => !name.startsWith("health.json")).sort();
  const kept = names.filter((name) => /\.db(-wal)?$|^token$|^daemon\.(json|lock)$/.test(name));
  const sizes = await Promise.all(
    kept.map(async (name) => `${name} ${(await Deno.stat(`${home}/${name}`)).size}`),
  );
  return [...names, ...sizes];
}

Deno.test(
  "whom a daemon answers finds it in daemon.json",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using dir = await tempDir({});
    const settings = defaultSettings({ home: dir.path, port: 0, drainTimeoutMs: 0 });
    const paths = statePaths(settings);
    const old = { url: "ws://127.0.0.1:1/", socket: paths.socket, pid: 1, version: "0.0.0" };
    await Deno.writeTextFile(paths.endpoint, JSON.stringify(old));
    const starting = Daemon.start({ settings, paths });
    await whenAnswered(paths.socket);
    const found = JSON.parse(await Deno.readTextFile(paths.endpoint));
    await using daemon = await starting;
    assertEquals(found.url, daemon.url);
  },
);

/** Asks at a Unix socket until somebody answers. */
async function whenAnswered(path: string): Promise<void> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  for (;;) {
    try {
      return await (await fetch("http://localhost/health", { client })).body?.cancel();
    } catch {
      await delay(1);
    }
  }
}
