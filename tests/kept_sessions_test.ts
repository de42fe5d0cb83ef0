import { assertEquals } from "@std/assert";
import { HOUR_MS, KIB, MIB } from "../lib/base/units.ts";
import type { CallRecord } from "../lib/observe/call_record.ts";
import { SqliteCallRecords } from "../lib/state/call_records.ts";
import { tempDir } from "./helpers/files.ts";

const NOW = Date.UTC(2026, 10, 24);

const open = (home: string, maxBytes = 64 * MIB) =>
  new SqliteCallRecords({ path: `${home}/calls.db`, maxAgeMs: HOUR_MS, maxBytes, withBodies: true });

function recordWith(parts: Partial<CallRecord>): CallRecord {
  return {
    id: 1,
    endedAtMs: NOW,
    session: "session",
    client: "test-client",
    clientVersion: "1.2.3",
    server: "files",
    method: "tools/call",
    tool: "read",
    durationMs: 3.25,
    outcome: "ok",
    bytesIn: 5,
    bytesOut: 7,
    message: undefined,
    ...parts,
  };
}

Deno.test("what sessions were shown is kept once for all, as long as their calls", async () => {
  await using home = await tempDir({});
  using store = open(home.path, MIB);
  const show = (session: string, answer: string, atMs = NOW) =>
    store.addShown({ session, atMs, method: "tools/list" }, () => ({ client: "{}", request: "{}", answer }));
  const kept = () => store.shownAfter("", 0, 100).map(({ session, answer }) => [session, answer.length]);
  const list = "x".repeat(100 * KIB);
  for (const session of ["a", "a", "b"]) show(session, list);
  assertEquals(kept(), [["a", 100 * KIB], ["b", 100 * KIB]]);
  // A list that has changed, and back.
  for (const answer of ["y", list]) show("a", answer);
  assertEquals(kept().length, 4);
  store.add(recordWith({ id: 1, session: "a" }), () => ({ request: "" }));
  show("c", list, NOW - 2 * HOUR_MS);
  assertEquals(kept().length, 5);
  store.prune(NOW);
  assertEquals(kept().map(([session]) => session), ["a", "b", "a", "a"], "too old, and without a call");
  for (const letter of ["k", "l", "m"]) show("b", letter.repeat(100 * KIB));
  assertEquals(kept().length, 7);
  store.prune(NOW);
  assertEquals(kept().map(([session]) => session), ["b", "b"], "a quarter of the file at most");
});

Deno.test("calls are read for an export in parts, with what they said", async () => {
  await using home = await tempDir({});
  using store = open(home.path);
  const bodies = { request: "{}", answer: "1", client: '{"era":"legacy"}', events: "[]" };
  for (let id = 1; id <= 5; id++) {
    store.add(recordWith({ id, session: id === 3 ? "other" : "session" }), () => bodies);
  }
  assertEquals(store.callsAfter("sess", 0, 2).map(({ record }) => record.id), [1, 2]);
  assertEquals(store.callsAfter("sess", 2, 9).map(({ record, bodies }) => [record.id, bodies]), [
    [4, bodies],
    [5, bodies],
  ]);
});
