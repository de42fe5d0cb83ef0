import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { JsonObject } from "../lib/base/json.ts";
import { HOUR_MS, MIB } from "../lib/base/units.ts";
import { Daemon } from "../lib/app/daemon.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import { type CallJournalOptions, SqliteCallJournal } from "../lib/state/call_journal.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { connectRaw } from "./helpers/raw_socket.ts";

const LIMITS = { maxAgeMs: HOUR_MS, maxChars: MIB };

function open(home: string, options: Partial<CallJournalOptions> = {}): SqliteCallJournal {
  return new SqliteCallJournal({ path: `${home}/journal.db`, ...LIMITS, ...options });
}

/** What the next daemon would know of the session if this process were killed now: the answer for each call. */
async function recovered(home: string, token: string, options: Partial<CallJournalOptions> = {}) {
  await using copy = await tempDir({});
  for await (const { name } of Deno.readDir(home)) {
    await Deno.copyFile(`${home}/${name}`, `${copy.path}/${name}`);
  }
  using journal = open(copy.path, options);
  return journal.recover(token)?.calls.map(({ entry: mark, answer }) => [mark.id, answer] as const);
}

Deno.test("a journal tells the next daemon what was finished and what had begun, at every moment", async () => {
  await using home = await tempDir({});
  using journal = open(home.path);
  const session = journal.open("token");
  assertEquals(await recovered(home.path, "token"), []);
  const first = session.begin(1);
  assertEquals(await recovered(home.path, "token"), [[1, undefined]]);
  session.finish(first, "the answer");
  session.begin("1");
  assertEquals(await recovered(home.path, "token"), [[1, "the answer"], ["1", undefined]]);
  assertEquals(await recovered(home.path, "another token"), undefined);
});

Deno.test("a journal tells calls apart whose ids no double holds, in its tail and in its database", async () => {
  await using home = await tempDir({});
  const ids = [9007199254740992n, 9007199254740993n, "9007199254740993"];
  using journal = open(home.path);
  const session = journal.open("token");
  for (const id of ids) session.finish(session.begin(id), `of ${id}`);
  const calls = ids.map((id) => [id, `of ${id}`] as const);
  assertEquals(await recovered(home.path, "token"), calls);
  session.release();
  assertEquals(
    journal.recover("token")!.calls.map(({ entry, answer }) => [entry.id, answer] as const),
    calls,
  );
});

Deno.test("a journal keeps an answer with any line separator that JSON allows in a string", async () => {
  await using home = await tempDir({});
  using journal = open(home.path);
  const session = journal.open("token");
  const answer = '{"jsonrpc":"2.0","id":1,"result":{"text":"a\u2028b\u2029c\x85"}}';
  session.finish(session.begin(1), answer);
  assertEquals(await recovered(home.path, "token"), [[1, answer]]);
});

Deno.test("what the client has got is forgotten, and a session after its goodbye", async () => {
  await using home = await tempDir({});
  using journal = open(home.path);
  const [stays, leaves] = [journal.open("stays"), journal.open("leaves")];
  const [got, kept] = [stays.begin(1), stays.begin(2)];
  stays.finish(got, "got");
  stays.finish(kept, "kept");
  leaves.begin(1);
  stays.forget(got);
  leaves.close();
  journal[Symbol.dispose]();
  assertEquals(await recovered(home.path, "stays"), [[2, "kept"]]);
  assertEquals(await recovered(home.path, "leaves"), undefined);
});

Deno.test("a journal that holds enough drops the oldest answers, not that their calls have run", async () => {
  await using home = await tempDir({});
  using journal = open(home.path, { maxChars: 1000 });
  const session = journal.open("token");
  const answer = "x".repeat(240);
  for (let id = 1; id <= 6; id++) session.finish(session.begin(id), answer);
  session.finish(session.begin(7), "y".repeat(500));
  const calls = (await recovered(home.path, "token", { maxChars: 1000 }))!;
  assertEquals(calls.map(([id, text]) => [id, text?.length]), [
    [1, undefined],
    [2, undefined],
    [3, 240],
    [4, 240],
    [5, 240],
    [6, 240],
    [7, undefined],
  ]);
});

Deno.test("a session nobody comes back for is dropped when it is too old", async () => {
  await using home = await tempDir({});
  using journal = open(home.path);
  const [lives, gone] = [journal.open("lives"), journal.open("gone")];
  lives.begin(1);
  gone.begin(1);
  gone.release();
  journal.prune(Date.now() + 2 * HOUR_MS);
  assertEquals(await recovered(home.path, "gone"), undefined);
  assertEquals(await recovered(home.path, "lives"), [[1, undefined]]);
});

Deno.test("a large answer is written when its client does not confirm it, and at once when it is away", async () => {
  await using home = await tempDir({});
  const answer = "x".repeat(100_000);
  {
    using journal = open(home.path);
    const session = journal.open("token");
    session.finish(session.begin("away"), answer);
    session.finish(session.begin("there"), answer, { soon: true });
    const known = (await recovered(home.path, "token"))!;
    assertEquals(known.map(([id, text]) => [id, text?.length]), [["away", 100_000], ["there", undefined]]);
  }
  assertEquals((await recovered(home.path, "token"))!.map(([, text]) => text?.length), [100_000, 100_000]);
});

Deno.test("a journal that cannot be written costs no call, says so, and is whole when it can be again", async () => {
  await using home = await tempDir({});
  const changed: (() => void)[] = [];
  const nextChange = () => new Promise<void>((resolve) => changed.push(resolve));
  {
    using _made = open(home.path);
  }
  {
    using db = new DatabaseSync(`${home.path}/journal.db`);
    db.exec("CREATE TRIGGER broken BEFORE INSERT ON call BEGIN SELECT RAISE(ABORT, 'broken'); END");
  }
  using journal = open(home.path, { retryMs: 5, onChange: () => changed.shift()?.() });
  const session = journal.open("token");
  const finished = session.begin(1);
  session.finish(finished, "an answer");
  const faulty = nextChange();
  const mended = faulty.then(nextChange);
  session.begin(2);
  journal.prune();
  await faulty;
  assertStringIncludes(journal.fault!, `${home.path}/journal.db cannot be written`);
  const during = session.begin(3);
  session.finish(during, "another");
  const later = journal.open("later");
  later.begin(1);
  await mended;
  assertEquals(journal.fault, undefined);
  session.finish(session.begin(4), "kept again");
  assertEquals(await recovered(home.path, "token"), [
    [1, "an answer"],
    [2, undefined],
    [3, "another"],
    [4, "kept again"],
  ]);
  assertEquals(await recovered(home.path, "later"), [[1, undefined]]);
});

Deno.test("a journal that is damaged or of a newer version is begun anew, for it can be missed", async (test) => {
  const spoil: Record<string, (path: string) => void> = {
    damaged: (path) => Deno.writeTextFileSync(path, "no database at all".repeat(1000)),
    newer: (path) => {
      using db = new DatabaseSync(path);
      db.exec("PRAGMA application_id = 0x45584149; PRAGMA user_version = 99; CREATE TABLE x (y)");
    },
  };
  for (const [name, make] of Object.entries(spoil)) {
    await test.step(name, async () => {
      await using home = await tempDir({});
      make(`${home.path}/journal.db`);
      using journal = open(home.path);
      assertEquals(journal.fault, undefined);
      journal.open("token").begin(1);
      assertEquals(await recovered(home.path, "token"), [[1, undefined]]);
    });
  }
});

Deno.test("while another has the journal it gives no calls, says so, and has them once it is free", async () => {
  await using home = await tempDir({});
  const stopped = open(home.path);
  stopped.open("token").begin(1);
  const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const changes = [held, free];
  using next = open(home.path, { retryMs: 5, onChange: () => changes.shift()?.resolve() });
  await held.promise;
  assertStringIncludes(next.fault!, "held by another process");
  assertEquals(next.recover("token"), undefined);
  stopped[Symbol.dispose]();
  await free.promise;
  assertEquals(next.recover("token")?.calls.map(({ entry: mark }) => mark.id), [1]);
});

Deno.test("without its tail a session is not believed to have begun nothing since", async () => {
  await using home = await tempDir({});
  await using memory = await tempDir({});
  using journal = open(home.path, { tailDir: `${memory.path}/tails` });
  journal.open("token").begin(1);
  assertEquals(await recovered(home.path, "token"), undefined);
});

Deno.test("after the machine itself was started anew nothing old is believed", async () => {
  await using home = await tempDir({});
  {
    using journal = open(home.path);
    journal.open("token");
  }
  {
    using db = new DatabaseSync(`${home.path}/journal.db`);
    db.exec("UPDATE boot SET at_ms = at_ms - 3600000");
  }
  assertEquals(await recovered(home.path, "token"), undefined);
});

Deno.test("a daemon serves without its journal, and its health says so", async () => {
  await using home = await tempDir({});
  const settings = defaultSettings({ port: 0, drainTimeoutMs: 0, home: home.path });
  // A directory that cannot be made.
  const paths = { ...statePaths(settings), journal: "/dev/null/journal.db" };
  await using daemon = await Daemon.start({ settings, paths });
  await assertServes(daemon.url, { resume: true });
  using client = await RawClient.hello(daemon.url);
  const { health } = await client.ask({ op: "health" }) as { health: JsonObject };
  assertEquals(health.status, "degraded");
  assertStringIncludes(JSON.stringify(health), "journal.db cannot be written");
  await client.close();
});

Deno.test("EXAI_JOURNAL=false keeps nothing on disk", async () => {
  await using home = await tempDir({});
  await using it = await testDaemon({ settings: { home: home.path, journal: false } });
  await assertServes(it.url, { resume: true });
  const names = (await Array.fromAsync(Deno.readDir(home.path))).map(({ name }) => name);
  assert(!names.some((name) => name.startsWith("journal")), names.join());
});

const call = (id: number | string, name: string) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name },
});

Deno.test("the next daemon answers what the last one had finished, and says what began and what did not", async () => {
  await using home = await tempDir({});
  const settings = { home: home.path, sessionMaxInflight: 2 };
  const odd = new OddServer();
  let token: string;
  {
    await using it = await testDaemon({ servers: [odd], settings });
    using socket = await connectRaw(it.url);
    await socket.send(JSON.stringify({ op: "hello", session_id: "window", resume: true }));
    token = /"resume_token":"([^"]+)"/.exec(await socket.readUntil("resume_token"))![1]!;
    const began = [odd.nextHold(), odd.nextHold()];
    for (const id of [1, 2]) await socket.send(JSON.stringify(call(id, "hold")));
    await Promise.all(began);
    await socket.send(JSON.stringify(call(3, "whoami")));
    // Answers are kept in order: what this one waits for is that the call before it has reached the queue.
    await socket.send(JSON.stringify({ jsonrpc: "2.0", id: 4, method: "ping" }));
    await socket.readUntil('"id":4');
  }
  const again = async (url: string, waiting: unknown[]) =>
    await RawClient.hello(url, { session_id: "window", resume: { token, waiting } } as JsonObject);
  await using it = await testDaemon({ servers: [odd], settings });
  using client = await again(it.url, [1, 2, 3, 5]);
  assertEquals(client.ack.recovered, { unseen: [3, 5], unknown: [1, 2] });
  assertEquals([client.ack.session_id, client.ack.resume_token, client.ack.unseen], [
    "window",
    token,
    undefined,
  ]);
  // Until the client is introduced, it is told the same again.
  using cut = await again(it.url, [1, 3]);
  assertEquals(cut.ack.recovered, { unseen: [3], unknown: [1] });
  const initialize = {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "x", version: "1" },
  };
  await cut.ask({ jsonrpc: "2.0", id: "i", method: "initialize", params: initialize });
  using last = await again(it.url, [3]);
  assertEquals([last.ack.unseen, last.ack.recovered], [[3], undefined]);
  await last.close();
});
