import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { JsonObject } from "../../lib/base/json.ts";
import { HOUR_MS } from "../../lib/base/units.ts";
import { checkWal } from "../../lib/state/sqlite/wal_check.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { bad } from "../helpers/mounts.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { openThreads } from "../helpers/threads.ts";

const DATABASES = ["exai.db", "journal.db", "calls.db", "lists.db", "names.db", "sharing.db", "spending.db"];
const WAL_HEADER = 32;
const FRAME = 24 + 4096;
const STEP = { step: "s", step_number: 1, total_steps: 2, next_step_required: true };

/** The home of a daemon that was killed with something in each of its databases, and in their logs. */
async function killedHome() {
  const home = await tempDir({ "mcp.json": JSON.stringify({ mcpServers: { echo: bad("well") } }) });
  await Deno.chmod(home.path, 0o700);
  await using daemon = await startDaemon({ home: home.path });
  using client = await RawClient.hello(daemon.url, { resume: true });
  for (let n = 0; n < 5; n++) await client.call("planner", STEP);
  await client.call("version");
  // The record is read through to the file, so it is written by then.
  await (await fetch(new URL("/calls", daemon.url.replace(/^ws/, "http")))).body?.cancel();
  daemon.process.kill("SIGKILL");
  await daemon.process.status;
  return home;
}

async function copyOf(home: string) {
  const copy = await tempDir({});
  await Deno.chmod(copy.path, 0o700);
  for await (const { name, isFile } of Deno.readDir(home)) {
    if (isFile) await Deno.copyFile(`${home}/${name}`, `${copy.path}/${name}`);
  }
  return copy;
}

type Spoil = (path: string) => void;

function change(path: string, at: number, text = "\x55\xaa\x55\xaa"): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(Uint8Array.from(text, (char) => char.charCodeAt(0)));
}

/** What is in the log comes into the file, and the log goes. */
function withoutLog(path: string): void {
  using db = new DatabaseSync(path);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

const SPOILT: Readonly<Record<string, Spoil>> = {
  garbage: (path) => (withoutLog(path), Deno.writeTextFileSync(path, "no database at all ".repeat(500))),
  "cut short": (path) => (withoutLog(path), Deno.truncateSync(path, 2000)),
  "a wrong header": (path) => (withoutLog(path), change(path, 0, "SQLite format 4")),
  "a newer version": (path) => {
    using db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99");
  },
  "another program's": (path) => {
    Deno.removeSync(path);
    Deno.removeSync(`${path}-wal`);
    using db = new DatabaseSync(path);
    db.exec("CREATE TABLE theirs (x)");
  },
  "tables that are not ours": (path) => {
    using db = new DatabaseSync(path);
    for (const { name } of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()) {
      if (!String(name).startsWith("sqlite_")) db.exec(`DROP TABLE IF EXISTS "${name}"`);
    }
  },
  "a directory in its place": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}/in the way`, { recursive: true });
  },
  "a directory for a log": (path) => {
    withoutLog(path);
    Deno.mkdirSync(`${path}-wal/in the way`, { recursive: true });
  },
  "a link that leads nowhere": (path) => {
    Deno.removeSync(path);
    Deno.symlinkSync(`${path}.gone/away`, path);
  },
  "a log with a damaged header": (path) => change(`${path}-wal`, 8),
  "a log damaged in the middle": (path) => change(`${path}-wal`, WAL_HEADER + 24 + 100),
  "emptied, with a log": (path) => Deno.truncateSync(path, 0),
};

Deno.test("whatever is wrong with the databases, they are put aside, said in health, and the daemon serves", async (test) => {
  await using killed = await killedHome();
  for (const [name, spoil] of Object.entries(SPOILT)) {
    await test.step(name, async () => {
      await using home = await copyOf(killed.path);
      for (const database of DATABASES) spoil(`${home.path}/${database}`);
      await using it = await testDaemon({ settings: { home: home.path } });
      await assertServes(it.url, { resume: true });
      using client = await RawClient.hello(it.url);
      const { health } = await client.ask({ op: "health" }) as { health: JsonObject };
      assertEquals(health.status, "ok", JSON.stringify(health));
      for (const database of DATABASES) {
        const path = `${home.path}/${database}`;
        const notes = (health.notes as string[]).filter((note) => note.includes(path));
        assertEquals(notes.length, 1, JSON.stringify(health));
        const [, aside] = new RegExp(`(${path}\\.damaged-[\\w-]+)`).exec(notes[0]!) ?? [];
        assert((await Deno.lstat(aside!)) !== undefined);
      }
      assertEquals((await client.call("planner", STEP)).error, undefined);
      const { tools } = await client.ask({ op: "list_tools" }) as { tools: { name: string }[] };
      assert(tools.some(({ name }) => name === "well_echo"), "the mounted server's tools are there");
      await client.close();
    });
  }
});

Deno.test("of a log damaged in the middle what comes before stays, and all of it is kept aside", async () => {
  await using home = await tempDir({});
  const path = `${home.path}/exai.db`;
  await using copy = await tempDir({});
  const options = { timeoutMs: HOUR_MS, maxTurns: 50 };
  {
    using store = openThreads({ ...options, path });
    for (const title of ["one", "two", "three"]) await store.record({ tool: "chat", title, request: {} });
    for (const suffix of ["", "-wal"]) await Deno.copyFile(path + suffix, `${copy.path}/exai.db${suffix}`);
  }
  const spoilt = `${copy.path}/exai.db`;
  const frames = Math.floor(((await Deno.stat(`${spoilt}-wal`)).size - WAL_HEADER) / FRAME);
  change(`${spoilt}-wal`, WAL_HEADER + (frames - 2) * FRAME + 30);
  const notes: string[] = [];
  const titles = [];
  {
    using store = openThreads({ ...options, path: spoilt, onQuarantine: (note) => notes.push(note) });
    titles.push(...(await store.list()).map(({ title }) => title));
  }
  assert(titles.includes("one") && !titles.includes("three"), titles.join());
  assertStringIncludes(notes.join(), "frame");
  using again = openThreads({ ...options, path: spoilt, onQuarantine: (note) => notes.push(note) });
  assertEquals([again.fault, notes.length], [undefined, 1], "said once");
});

Deno.test("a log whose last frames a crash has torn says nothing", async () => {
  await using killed = await killedHome();
  const path = `${killed.path}/exai.db`;
  assertEquals(checkWal(path), undefined);
  const { size } = await Deno.stat(`${path}-wal`);
  await Deno.truncate(`${path}-wal`, size - 100);
  assertEquals(checkWal(path), undefined);
  // The last frame, written whole but for some bytes.
  await Deno.truncate(`${path}-wal`, size - FRAME);
  change(`${path}-wal`, size - 2 * FRAME + 200);
  assertEquals(checkWal(path), undefined);
  await Deno.truncate(`${path}-wal`, 0);
  assertEquals(checkWal(path), undefined);
});

Deno.test("a database found damaged in use is put aside, and the call that found it is answered", async () => {
  await using home = await tempDir({});
  const path = `${home.path}/exai.db`;
  const options = { timeoutMs: HOUR_MS, maxTurns: 50, path };
  {
    using store = openThreads(options);
    for (let n = 0; n < 50; n++) {
      await store.record({ tool: "chat", title: `${n}`, request: { text: "x".repeat(2000) } });
    }
  }
  const { size } = await Deno.stat(path);
  // All but the first pages, which say what there is.
  for (let at = 5 * 4096; at < size; at += 4096) change(path, at, "\xff".repeat(64));
  const notes: string[] = [];
  using store = openThreads({ ...options, onQuarantine: (note) => notes.push(note) });
  const entry = { tool: "chat", title: "new", request: {} };
  for (let n = 0; n < 20 && notes.length === 0; n++) await store.record(entry);
  await store.list();
  const [, aside] = /put aside as (\S+)/.exec(notes[0] ?? "") ?? [];
  assertEquals((await Deno.stat(aside!)).size >= size, true, notes.join());
  assertEquals(store.fault, undefined);
  const { thread } = await store.record(entry);
  assertEquals((await store.show(thread.id)).turns.length, 1);
});

Deno.test("of what is put aside the last three of a database are kept", async () => {
  await using home = await tempDir({});
  const path = `${home.path}/exai.db`;
  for (let n = 1; n <= 5; n++) {
    await Deno.writeTextFile(path, `garbage ${n} `.repeat(200));
    openThreads({ path, timeoutMs: HOUR_MS, maxTurns: 50 })[Symbol.dispose]();
  }
  const names = (await Array.fromAsync(Deno.readDir(home.path))).map(({ name }) => name);
  const aside = names.filter((name) => name.includes(".damaged-")).sort();
  assertEquals(aside.length, 3, aside.join());
  assertStringIncludes(await Deno.readTextFile(`${home.path}/${aside.at(-1)}`), "garbage 5");
});

Deno.test(
  "a database of mode 000 is opened to its owner again",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await using home = await tempDir({});
    const path = `${home.path}/exai.db`;
    const options = { path, timeoutMs: HOUR_MS, maxTurns: 50 };
    openThreads(options)[Symbol.dispose]();
    await Deno.chmod(path, 0);
    using store = openThreads(options);
    assertEquals([store.fault, await store.list()], [undefined, []]);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  },
);
