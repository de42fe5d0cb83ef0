import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ExaiError } from "../lib/base/errors.ts";
import { ResilientDatabase } from "../lib/state/resilient_database.ts";
import { tempDir } from "./helpers/files.ts";

interface Notebook {
  add: StatementSync;
  all: StatementSync;
}

function open(path: string, notes: string[] = []) {
  const file = new ResilientDatabase<Notebook>({
    path,
    what: "the notebook",
    migrations: ["CREATE TABLE note (text TEXT)"],
    prepare: (db: DatabaseSync) => ({
      add: db.prepare("INSERT INTO note VALUES (?)"),
      all: db.prepare("SELECT text FROM note ORDER BY rowid"),
    }),
    retryMs: 60_000,
    onQuarantine: (note) => notes.push(note),
  });
  file.open();
  return file;
}

const add = (file: ResilientDatabase<Notebook>, text: string) =>
  file.run("write", ({ add }) => add.run(text));
const all = (file: ResilientDatabase<Notebook>) =>
  file.run("read", ({ all }) => all.all().map(({ text }) => text));

/** What a database that was spoilt while it was open says of it, holds then, and holds after a restart. */
async function spoilt(spoil: (path: string) => void) {
  await using dir = await tempDir({});
  const path = `${dir.path}/notes.db`;
  const notes: string[] = [];
  let now: unknown[];
  {
    using file = open(path, notes);
    add(file, "before");
    file.checkFile();
    spoil(path);
    add(file, "after");
    file.checkFile();
    file.checkFile();
    add(file, "later");
    now = all(file);
  }
  using again = open(path);
  return { notes, now, again: all(again), mode: (await Deno.stat(path)).mode! & 0o777 };
}

const onUnix = { ignore: Deno.build.os === "windows" };

Deno.test(
  "a database removed while it was open is noticed, said so once, and loses nothing",
  onUnix,
  async () => {
    const found = await spoilt((path) => Deno.removeSync(path));
    assertEquals(found.notes.length, 1);
    assertStringIncludes(found.notes[0]!, "notes.db was removed while in use and has been written again");
    assertEquals([found.now, found.again], [["before", "after", "later"], ["before", "after", "later"]]);
    assertEquals(found.mode, 0o600);
  },
);

Deno.test(
  "a log removed while its database was open is noticed, and what was in it is kept",
  onUnix,
  async () => {
    const found = await spoilt((path) => Deno.removeSync(`${path}-wal`));
    assertEquals(found.notes.length, 1);
    assertStringIncludes(found.notes[0]!, "notes.db lost its log while in use");
    assertEquals([found.now, found.again], [["before", "after", "later"], ["before", "after", "later"]]);
  },
);

Deno.test("a database removed with its log is written again too", onUnix, async () => {
  const found = await spoilt((path) => ["", "-wal"].forEach((suffix) => Deno.removeSync(path + suffix)));
  assertEquals(found.notes.length, 1);
  assertEquals([found.now, found.again], [["before", "after", "later"], ["before", "after", "later"]]);
});

Deno.test("a database that another was put in place of is let go, and the other used", onUnix, async () => {
  await using dir = await tempDir({});
  {
    using other = open(`${dir.path}/other.db`);
    add(other, "restored");
  }
  const found = await spoilt((path) => {
    Deno.removeSync(`${path}-wal`);
    Deno.renameSync(`${dir.path}/other.db`, path);
  });
  assertEquals(found.notes.length, 1);
  assertStringIncludes(found.notes[0]!, "was replaced while in use");
  assertEquals([found.now, found.again], [["restored", "later"], ["restored", "later"]]);
});

Deno.test("a database used after it was disposed of creates no file", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/notes.db`;
  const file = open(path);
  add(file, "before");
  file[Symbol.dispose]();
  for await (const { name } of Deno.readDir(dir.path)) await Deno.remove(`${dir.path}/${name}`);
  const error = assertThrows(() => add(file, "after"), ExaiError);
  assertEquals(error.code, "SHUTTING_DOWN");
  file.open();
  file.checkFile();
  assertEquals([file.use(() => 1), file.write(() => 1), file.fault], [undefined, undefined, undefined]);
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path)), []);
});
