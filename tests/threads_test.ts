import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { ExaiError } from "../lib/base/errors.ts";
import { HOUR_MS, MINUTE_MS } from "../lib/base/units.ts";
import type { ThreadStoreOptions } from "../lib/state/sqlite_thread_store.ts";
import type { StepMark, TurnEntry } from "../lib/state/thread_store.ts";
import { openThreads, type TestThreads } from "./helpers/threads.ts";

const TIMEOUT_MS = 3 * HOUR_MS;

function open(options: Partial<ThreadStoreOptions> = {}): TestThreads {
  return openThreads({ timeoutMs: TIMEOUT_MS, maxTurns: 50, ...options });
}

async function temporary(): Promise<AsyncDisposable & { file: string; dir: string }> {
  const dir = await Deno.makeTempDir({ prefix: "exai-threads-" });
  return {
    dir,
    file: join(dir, "state", "exai.db"),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}

function step(number: number, more: Partial<TurnEntry> & Partial<StepMark> = {}): TurnEntry {
  const { branch = "", last = false, ...entry } = more;
  return { tool: "tracer", title: "t", request: { step: number }, step: { number, branch, last }, ...entry };
}

Deno.test("a thread survives a restart with its exchanges and their order", async () => {
  await using temp = await temporary();
  let id: string;
  {
    using store = open({ path: temp.file });
    const entry = { tool: "chat", title: "hello\n\u001b[31mthere  you", request: { prompt: "hi ✓" } };
    ({ thread: { id } } = await store.record({ ...entry, reply: { content: "yes" } }));
    await store.record({ ...entry, threadId: id, request: { prompt: "more" } });
  }
  using store = open({ path: temp.file });
  const { thread, turns } = await store.show(id);
  assertEquals(turns.map((turn) => turn.request), [{ prompt: "hi ✓" }, { prompt: "more" }]);
  assertEquals(turns[0]?.reply, { content: "yes" });
  assertEquals([thread.turns, thread.remainingTurns, thread.tool], [2, 48, "chat"]);
  assertEquals(thread.title, "hello [31mthere you");
});

Deno.test({
  name: "the database and all its files are private to the user",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using temp = await temporary();
    using store = open({ path: temp.file });
    await store.record(step(1));
    const modes = [...Deno.readDirSync(join(temp.dir, "state"))].map(({ name }) => {
      return [name, Deno.statSync(join(temp.dir, "state", name)).mode! & 0o777];
    });
    assert(modes.length >= 2, "expected the database and its log");
    assertEquals(modes.filter(([, mode]) => mode !== 0o600), []);
    assertEquals(Deno.statSync(join(temp.dir, "state")).mode! & 0o777, 0o700);
  },
});

Deno.test("a thread that nobody used for the time-out is gone, one that was used stays", async () => {
  let nowMs = Date.now();
  using store = open({ now: () => nowMs });
  const idle = (await store.record(step(1, { title: "idle" }))).thread.id;
  const used = (await store.record(step(1, { title: "used" }))).thread.id;
  nowMs += TIMEOUT_MS - 1;
  await store.record(step(2, { threadId: used }));
  nowMs += 1;
  const error = await assertRejects(() => store.record(step(2, { threadId: idle })), ExaiError, "3 h");
  assertEquals(error.code, "RESOURCE_NOT_FOUND");
  assertStringIncludes(error.message, "leave continuation_id out");
  assertEquals((await store.list()).map((thread) => thread.id), [used]);
  assertEquals(await store.deleteExpired(), 1);
  assertEquals((await store.show(used)).turns.length, 2);
  nowMs += TIMEOUT_MS;
  await store.record(step(1));
  assertEquals(await store.deleteExpired(), 0, "a new thread has swept the expired away");
});

Deno.test("a full thread refuses a further exchange, says what to do and loses nothing", async () => {
  using store = open({ maxTurns: 2 });
  const { thread: { id } } = await store.record(step(1));
  assertEquals((await store.record(step(2, { threadId: id }))).thread.remainingTurns, 0);
  const error = await assertRejects(() => store.record(step(3, { threadId: id })), ExaiError, "full");
  assertEquals(error.code, "TOO_LARGE");
  assertStringIncludes(error.message, "MAX_CONVERSATION_TURNS");
  // With its steps dropped it would have room, but a refused exchange drops nothing.
  const big = step(1, { threadId: id, dropFrom: 1, request: { text: "x".repeat(1_000_001) } });
  assertEquals((await assertRejects(() => store.record(big), ExaiError)).code, "TOO_LARGE");
  assertEquals((await store.show(id)).turns.length, 2);
  assertEquals((await store.record(step(2, { threadId: id, request: { again: true } }))).replaced, true);
  assertEquals((await store.record(step(2, { threadId: id, dropFrom: 1 }))).dropped, 2);
});

Deno.test("a step sent twice is there once, in its place", async () => {
  using store = open();
  const { thread: { id } } = await store.record(step(1));
  await store.record(step(2, { threadId: id }));
  await store.record(step(2, { threadId: id, branch: "b" }));
  const again = await store.record(step(1, { threadId: id, request: { step: 1, better: true } }));
  assertEquals([again.replaced, again.thread.turns], [true, 3]);
  assertEquals(again.turns.map((turn) => [turn.step?.number, turn.step?.branch]), [[1, ""], [2, ""], [
    2,
    "b",
  ]]);
  assertEquals(again.turns[0]?.request, { step: 1, better: true });
});

Deno.test("dropping steps touches this tool's steps of this thread only", async () => {
  using store = open();
  const ids: string[] = [];
  for (let i = 0; i < 2; i++) {
    const { thread: { id } } = await store.record(step(1));
    for (const number of [2, 3]) await store.record(step(number, { threadId: id }));
    await store.record(step(3, { threadId: id, tool: "docgen" }));
    await store.record({ threadId: id, tool: "chat", title: "", request: {} });
    ids.push(id);
  }
  const after = await store.record(step(2, { threadId: ids[0], dropFrom: 2 }));
  assertEquals([after.dropped, after.turns.length, after.thread.turns], [2, 2, 4]);
  assertEquals((await store.show(ids[1]!)).turns.length, 5);
});

Deno.test("a new step 1 after the work has ended begins anew; the same one sent again does not", async () => {
  using store = open();
  const { thread: { id } } = await store.record(step(1));
  await store.record(step(2, { threadId: id, last: true }));
  assertEquals((await store.record(step(1, { threadId: id }))).replaced, true);
  const anew = await store.record(step(1, { threadId: id, request: { other: true } }));
  assertEquals([anew.replaced, anew.turns.length, anew.turns[0]?.run], [false, 1, 2]);
  assertEquals((await store.show(id)).turns.length, 3);
  assertEquals((await store.show(id, { tool: "tracer" })).turns.length, 1);
});

Deno.test("threads are listed last used first, and deleted by id", async () => {
  let nowMs = Date.now();
  using store = open({ now: () => nowMs++ });
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push((await store.record(step(1))).thread.id);
  await store.record(step(2, { threadId: ids[0] }));
  assertEquals((await store.list()).map((thread) => thread.id), [ids[0], ids[2], ids[1]]);
  assertEquals((await store.list({ limit: 1 })).length, 1);
  assertEquals([await store.delete(ids[1]!), await store.delete(ids[1]!)], [true, false]);
  await assertRejects(() => store.show(ids[1]!), ExaiError, "there is no thread");
});

Deno.test("a store is one process's alone: another is told when to try again, and has it afterwards", async () => {
  await using temp = await temporary();
  const writer = fromFileUrl(new URL("fixtures/thread_writer.ts", import.meta.url));
  const write = async (id: string) => {
    const args = ["run", "-A", "--no-check", writer, temp.file, id, "5"];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    return success ? "" : new TextDecoder().decode(stderr);
  };
  let id: string;
  {
    using store = open({ path: temp.file });
    id = (await store.record(step(1))).thread.id;
    assertStringIncludes(await write(id), "is held by another process; try again in a moment");
    assertEquals((await store.show(id)).turns.length, 1);
  }
  assertEquals(await write(id), "");
  using store = open({ path: temp.file });
  assertEquals((await store.show(id)).turns.length, 6);
});

Deno.test("a store that is held answers with when to try again, and serves once it is free", async () => {
  await using temp = await temporary();
  await Deno.mkdir(dirname(temp.file), { recursive: true });
  const other = new DatabaseSync(temp.file);
  other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE held (x)");
  using store = open({ path: temp.file });
  const error = await assertRejects(() => store.record(step(1)), ExaiError, temp.file);
  assertEquals(error.code, "OVER_CAPACITY");
  assert(error.retryAfterMs! > 0);
  other.exec("ROLLBACK");
  other.close();
  await store.record(step(1));
  assertEquals((await store.list()).length, 1);
});

Deno.test("a database that cannot be read is put aside, said so, and a new one begun", async (test) => {
  await using temp = await temporary();
  const begins = (name: string, path: string, words: string[]) =>
    test.step(name, async () => {
      const notes: string[] = [];
      using store = open({ path, onQuarantine: (note) => notes.push(note) });
      assertEquals([store.fault, notes.length], [undefined, 1]);
      for (const word of [path, `${path}.damaged-`, ...words]) assertStringIncludes(notes[0]!, word);
      assertEquals(await store.list(), []);
    });
  const damaged = join(temp.dir, "damaged.db");
  await Deno.writeTextFile(damaged, "this was a database once ".repeat(200));
  await begins("damaged", damaged, ["not a database"]);
  const aside = (await Array.fromAsync(Deno.readDir(temp.dir))).find(({ name }) =>
    /^damaged\.db\.damaged-[^.]+$/.test(name)
  );
  assertStringIncludes(await Deno.readTextFile(join(temp.dir, aside!.name)), "once");

  open({ path: temp.file })[Symbol.dispose]();
  let raw = new DatabaseSync(temp.file);
  raw.exec("PRAGMA user_version = 99");
  raw.close();
  await begins("newer", temp.file, ["newer EXAI", "99"]);

  const foreign = join(temp.dir, "foreign.db");
  raw = new DatabaseSync(foreign);
  raw.exec("CREATE TABLE theirs (x)");
  raw.close();
  await begins("another program's", foreign, ["another program's"]);
  const dir = join(temp.dir, "dir.db");
  await Deno.mkdir(join(dir, "in the way"), { recursive: true });
  await begins("a directory", dir, ["unable to open"]);
});

Deno.test("a database out of reach refuses work, saying which file and what to do, until it can be reached", async () => {
  await using temp = await temporary();
  const path = join(temp.dir, "no directory", "exai.db");
  await Deno.writeTextFile(join(temp.dir, "no directory"), "");
  using store = open({ path });
  assertStringIncludes(store.fault!, path);
  const error = await assertRejects(() => store.list(), ExaiError, path);
  assertEquals(error.code, "CONFIG");
  assertStringIncludes(error.message, "EXAI_HOME");
  await Deno.remove(join(temp.dir, "no directory"));
  assertEquals([await store.list(), store.fault], [[], undefined]);
});

Deno.test("a closed store refuses work and may be closed again", async () => {
  const store = open();
  store[Symbol.dispose]();
  store[Symbol.dispose]();
  const error = await assertRejects(() => store.list(), ExaiError, "closed");
  assertEquals(error.code, "SHUTTING_DOWN");
});

Deno.test("the id of a thread cannot be guessed from another", async () => {
  using store = open({ now: () => MINUTE_MS });
  const ids = new Set<string>();
  for (let i = 0; i < 20; i++) ids.add((await store.record(step(1))).thread.id);
  assertEquals(ids.size, 20);
  for (const id of ids) assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/.test(id), id);
});
