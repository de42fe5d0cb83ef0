import { exportLines } from "../lib/admin/call_export.ts";
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
  const kept = () => {
    const rows: [string, number][] = [];
    for (let next = store.shownAfter("", 0); next; next = store.shownAfter("", next.number)) {
      rows.push([next.session, next.answer.length]);
    }
    return rows;
  };
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
    store.add(
      recordWith({ id, session: id === 3 ? "other" : "session" }),
      id === 5 ? undefined : () => bodies,
    );
  }
  const call = (id: number, hasBodies = true) => ({ id, hasBodies });
  assertEquals(store.idsAfter("sess", 0, 3), { ids: [call(1), call(2)], last: 3 });
  assertEquals(store.idsAfter("sess", 3, 9), { ids: [call(4), call(5, false)], last: 5 });
  assertEquals([store.idsAfter("nobody", 0, 9), store.idsAfter("", 5, 9)], [{ ids: [], last: 5 }, undefined]);
  assertEquals(store.find(4)?.bodies, bodies);
});

Deno.test("an export lets others go on after some calls, also where none is in it", async () => {
  await using home = await tempDir({});
  using store = open(home.path, 64 * MIB);
  for (let id = 1; id <= 2500; id++) store.add(recordWith({ id, session: "s" }));
  const lines = [...exportLines(store, { session: "", maxBodyChars: 1000 })];
  assertEquals(lines.slice(1, -1), ["", "", ""]);
  assertEquals(JSON.parse(lines.at(-1)!), { type: "end", calls: 0, without_bodies: 2500 });
});
