import { assertEquals } from "@std/assert";
import { Writable } from "node:stream";
import { recordInTurn, writeRecords } from "../lib/base/turn_end.ts";
import { HOUR_MS, MIB } from "../lib/base/units.ts";
import { StdinWriter } from "../lib/process/stdin_writer.ts";
import { ReplayBuffer } from "../lib/session/replay_buffer.ts";
import { SqliteCallJournal } from "../lib/state/call_journal.ts";
import { LineJoiner } from "../lib/transport/line_joiner.ts";
import { tempDir } from "./helpers/files.ts";

/** A journal in `home`, and what a later daemon would find in its tail now: `b` for a call begun, `a` for an answer. */
function journalIn(home: string) {
  const journal = new SqliteCallJournal({ path: `${home}/journal.db`, maxAgeMs: HOUR_MS, maxChars: MIB });
  const tail = [...Deno.readDirSync(home)].find(({ name }) => name.endsWith(".tail"))!;
  const kept = () => Deno.readTextFileSync(`${home}/${tail.name}`).replaceAll(/^(.).*\n/gm, "$1");
  return { journal, kept };
}

Deno.test("that calls of a turn have begun is on record before their server is sent one of them", async () => {
  await using home = await tempDir({});
  const { journal, kept } = journalIn(home.path);
  using _journal = journal;
  const session = journal.open("token");
  const seen: [string, string][] = [];
  const stdin = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => (seen.push([String(chunk), kept()]), done()),
  });
  const server = new StdinWriter(stdin, { server: "files", maxBytes: MIB });
  // A message that nothing is recorded of comes first.
  void server.write("0\n");
  for (const id of [1, 2, 3]) {
    session.begin(id, { inTurn: true });
    void server.write(`${id}\n`);
  }
  assertEquals([seen, kept()], [[], ""]);
  await Promise.resolve();
  assertEquals(seen, [["0\n1\n2\n3\n", "bbb"]]);
});

Deno.test("answers of a turn are on record before the client is sent one of them, however long they are", async () => {
  await using home = await tempDir({});
  const { journal, kept } = journalIn(home.path);
  using _journal = journal;
  const buffer = new ReplayBuffer({ maxMessages: 9, maxChars: MIB }, {
    keepsResponses: true,
    journal: journal.open("token"),
  });
  const seen: [number, string][] = [];
  const joiner = new LineJoiner((frame) => seen.push([frame.length, kept()]));
  buffer.attach({ sendsAtTurnEnd: true, send: (text) => joiner.send(text), close: () => {} });
  for (const id of [1, 2, 3]) buffer.markBegun(id);
  assertEquals(kept(), "bbb");
  buffer.send("not an answer");
  buffer.sendResponse(1, "one");
  buffer.sendResponse(2, "two");
  assertEquals(kept(), "bbb");
  await Promise.resolve();
  assertEquals(seen, [["not an answer\none\ntwo".length, "bbbaa"]]);
  buffer.sendResponse(3, "x".repeat(10_000));
  joiner.send("y".repeat(100_000));
  assertEquals(seen.slice(1), [[10_000, "bbbaaa"], [100_000, "bbbaaa"]]);
});

Deno.test("a client that is sent each answer by itself has none that is not on record", async () => {
  await using home = await tempDir({});
  const { journal, kept } = journalIn(home.path);
  using _journal = journal;
  const session = journal.open("token");
  const buffer = new ReplayBuffer({ maxMessages: 9, maxChars: MIB }, {
    keepsResponses: true,
    journal: session,
  });
  const seen: string[] = [];
  buffer.attach({ send: () => void seen.push(kept()), close: () => {} });
  buffer.markBegun(1, { inTurn: true });
  assertEquals(kept(), "");
  buffer.sendResponse(1, "one");
  assertEquals(seen, ["ba"]);
});

Deno.test("a record made while records are written is written too", async () => {
  const written: string[] = [];
  recordInTurn(() => {
    written.push("first");
    recordInTurn(() => written.push("second"));
  });
  writeRecords();
  assertEquals(written, ["first"]);
  await Promise.resolve();
  assertEquals(written, ["first", "second"]);
});
