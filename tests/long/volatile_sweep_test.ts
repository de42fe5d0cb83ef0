import { assert, assertEquals, assertRejects } from "@std/assert";
import { sweepSockets, sweepVolatileDirs } from "../../lib/state/volatile_sweep.ts";
import { FileLock } from "../../lib/state/file_lock.ts";
import { HomeLock } from "../../lib/state/home_lock.ts";
import { socketName, statePaths, volatileName } from "../../lib/config/paths.ts";
import { HOUR_MS, MIB } from "../../lib/base/units.ts";
import { SqliteCallJournal } from "../../lib/state/call_journal.ts";
import { tempDir } from "../helpers/files.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

const ignore = Deno.build.os === "windows";

/** Homes whose daemons were killed at the same time, each with a session whose answered call is in memory only. */
async function killedDaemons(base: string, count: number) {
  const env = { XDG_RUNTIME_DIR: base };
  await using stack = new AsyncDisposableStack();
  const homes = await Promise.all(Array.from({ length: count }, async () => {
    const home = await tempDir({});
    await Deno.chmod(home.path, 0o700);
    const daemon = stack.use(await startDaemon({ home: home.path, env }));
    const client = stack.use(await RawClient.hello(daemon.url, { resume: true }));
    assertEquals((await client.call("version")).error, undefined);
    return { ...home, daemon, dir: `${base}/${volatileName(home.path)}` };
  }));
  for (const { daemon: { process } } of homes) process.kill("SIGKILL");
  await Promise.all(homes.map(({ daemon: { process } }) => process.status));
  return homes;
}

async function namesIn(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
}

const tails = (names: readonly string[]) => names.filter((name) => name.endsWith(".tail"));

Deno.test("the next daemon of the user clears what killed daemons left in memory, whatever their homes", {
  ignore,
}, async () => {
  await using base = await tempDir({});
  const [one, gone] = await killedDaemons(base.path, 2);
  await using kept = one!;
  await gone![Symbol.asyncDispose]();
  const [tail] = tails(await namesIn(kept.dir));
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  await using _next = await startDaemon({ home: home.path, env: { XDG_RUNTIME_DIR: base.path } });
  assertEquals((await namesIn(base.path)).filter((name) => name.startsWith("exai-")), [
    volatileName(home.path),
  ]);
  assertEquals(tails(await namesIn(kept.path)), [tail], "what the other home needs lies there now");
  // Its next daemon takes it up.
  await using _again = await startDaemon({ home: kept.path, env: { XDG_RUNTIME_DIR: base.path } });
  assertEquals(tails(await namesIn(kept.path)), []);
});

Deno.test("a session is found again after its tail was moved to its home", { ignore }, async () => {
  await using base = await tempDir({});
  await using home = await tempDir({});
  await using copy = await tempDir({});
  const options = { maxAgeMs: HOUR_MS, maxChars: MIB };
  const dir = `${base.path}/${volatileName(copy.path)}`;
  {
    using journal = new SqliteCallJournal({
      ...options,
      path: `${home.path}/journal.db`,
      tailDir: `${base.path}/t`,
    });
    const session = journal.open("token");
    session.finish(session.begin(1), "the answer");
    // As if the process were killed now: the copies of its files are locked by nobody.
    await Deno.mkdir(dir, { mode: 0o700 });
    for (const name of await namesIn(`${base.path}/t`)) {
      await Deno.copyFile(`${base.path}/t/${name}`, `${dir}/${name}`);
    }
    await Deno.writeTextFile(`${dir}/home`, copy.path);
    await Deno.writeTextFile(`${copy.path}/daemon.lock`, "");
    for (const name of await namesIn(home.path)) {
      await Deno.copyFile(`${home.path}/${name}`, `${copy.path}/${name}`);
    }
  }
  await sweepVolatileDirs("/nowhere", [base.path]);
  await assertRejects(() => Deno.stat(dir), Deno.errors.NotFound);
  using next = new SqliteCallJournal({ ...options, path: `${copy.path}/journal.db`, tailDir: dir });
  assertEquals(next.recover("token")?.calls.map(({ answer }) => answer), ["the answer"]);
});

Deno.test("nothing is made in a home that is being made or removed", { ignore }, async () => {
  await using base = await tempDir({});
  await using home = await tempDir({});
  const dir = `${base.path}/${volatileName(home.path)}`;
  await Deno.mkdir(dir, { mode: 0o700 });
  await Deno.writeTextFile(`${dir}/home`, home.path);
  await sweepVolatileDirs("/nowhere", [base.path]);
  assertEquals([await namesIn(home.path), await namesIn(dir)], [[], ["home"]]);
});

Deno.test("what a live daemon, or one being started, has in memory is left alone", { ignore }, async () => {
  await using base = await tempDir({});
  const [one] = await killedDaemons(base.path, 1);
  await using killed = one!;
  const before = await namesIn(killed.dir);
  const lock = await HomeLock.tryTake(statePaths({ home: killed.path }));
  await sweepVolatileDirs("/nowhere", [base.path]);
  assertEquals(await namesIn(killed.dir), before);
  lock![Symbol.dispose]();

  // Its home was deleted while it runs: its tail is still locked.
  await using home = await tempDir({});
  const dir = `${base.path}/${volatileName("/gone")}`;
  {
    using journal = new SqliteCallJournal({
      path: `${home.path}/journal.db`,
      tailDir: dir,
      maxAgeMs: HOUR_MS,
      maxChars: MIB,
    });
    journal.open("token");
    await Deno.writeTextFile(`${dir}/home`, "/gone");
    await sweepVolatileDirs("/nowhere", [base.path]);
    assert((await namesIn(dir)).length > 0);
  }
});

Deno.test(
  "a directory that is not ours, or does not say whose it is, is left alone",
  { ignore },
  async () => {
    await using base = await tempDir({});
    const open = `${base.path}/${volatileName("/open")}`;
    await Deno.mkdir(open);
    await Deno.chmod(open, 0o755);
    await Deno.writeTextFile(`${open}/home`, "/open");
    const unsigned = `${base.path}/${volatileName("/unsigned")}`;
    await Deno.mkdir(unsigned, { mode: 0o700 });
    const misnamed = `${base.path}/${volatileName("/another")}`;
    await Deno.mkdir(misnamed, { mode: 0o700 });
    await Deno.writeTextFile(`${misnamed}/home`, "/not/that");
    await sweepVolatileDirs("/nowhere", [base.path]);
    assertEquals((await namesIn(base.path)).length, 3);
  },
);

Deno.test("what belongs to the home of another user is left alone, and nothing is made in that home", {
  ignore: ignore || Deno.uid() !== 0,
}, async () => {
  await using base = await tempDir({});
  await using home = await tempDir({});
  await using theirs = await tempDir({});
  await Deno.chown(theirs.path, 65534, 65534);
  const dir = `${base.path}/${volatileName(theirs.path)}`;
  await Deno.mkdir(dir, { mode: 0o700 });
  await Deno.writeTextFile(`${dir}/home`, theirs.path);
  await Deno.writeTextFile(`${dir}/journal-a.tail`, "b 1 1 1\n");
  await sweepVolatileDirs(home.path, [base.path]);
  assertEquals(await namesIn(dir), ["home", "journal-a.tail"]);
  assertEquals(await namesIn(theirs.path), []);
});

Deno.test("sockets of killed daemons are cleared beside the state directories, those of live ones never", {
  ignore,
}, async () => {
  await using base = await tempDir({});
  const [left, live, other] = [socketName("/left"), socketName("/live"), "exai-notes.sock"];
  for (const name of [left, `${left}.lock`, `${live}.lock`, other]) await base.write(name, "");
  using listener = Deno.listen({ transport: "unix", path: `${base.path}/${live}` });
  using _lock = (await FileLock.tryTake(`${base.path}/${live}.lock`))!;
  await sweepSockets("/nowhere", base.path);
  assertEquals(await namesIn(base.path), [live, `${live}.lock`, other].sort());
  listener.close();
});

Deno.test("the next daemon clears the private git directories and the socket a killed one left", {
  ignore,
}, async () => {
  await using base = await tempDir({});
  await using home = await tempDir({ "git/exai-git-1/config": "[core]" });
  await Deno.chmod(home.path, 0o700);
  const left = socketName("/left");
  await base.write(left, "");
  await using _daemon = await startDaemon({ home: home.path, env: { XDG_RUNTIME_DIR: base.path } });
  assertEquals((await namesIn(home.path)).includes("git"), false);
  assertEquals((await namesIn(base.path)).includes(left), false);
});
