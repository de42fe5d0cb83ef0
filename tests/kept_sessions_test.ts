import { assert, assertEquals } from "@std/assert";
import { recordEvents } from "../lib/admin/call_bodies.ts";
import { exportLines } from "../lib/admin/call_export.ts";
import { HOUR_MS, KIB, MIB } from "../lib/base/units.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import type { CallRecord } from "../lib/observe/call_record.ts";
import { SqliteCallRecords } from "../lib/state/call_records.ts";
import { call } from "./helpers/call.ts";
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
  const lines = [...exportLines(store, "")];
  assertEquals(lines.slice(1, -1), ["", "", ""]);
  assertEquals(JSON.parse(lines.at(-1)!), { type: "end", calls: 0, without_bodies: 2500 });
});

Deno.test("a text that cannot be made leaves the rest of the record as it is", async () => {
  await using home = await tempDir({});
  using store = open(home.path);
  const fails = () => {
    throw new Error("cannot be written as JSON");
  };
  store.addShown({ session: "a", atMs: NOW, method: "tools/list" }, fails);
  store.add(recordWith({ id: 1, session: "a" }), fails);
  store.add(recordWith({ id: 2, session: "a" }), () => ({ request: "{}" }));
  assertEquals(store.list({}, 5).map(({ id }) => id), [1, 2]);
  assertEquals([store.fault, store.find(1)?.bodies, store.find(2)?.bodies?.request], [
    undefined,
    undefined,
    "{}",
  ]);
});

Deno.test("while the file cannot be written, the latest texts are held, up to some megabytes", async () => {
  await using home = await tempDir({});
  await Deno.writeTextFile(`${home.path}/file`, "");
  using store = open(`${home.path}/file`, 256 * MIB);
  let made = 0;
  const text = () => (made++, "x".repeat(3 * MIB));
  for (let id = 1; id <= 4; id++) {
    store.add(recordWith({ id, session: "a" }), () => ({ request: text() }));
    store.addShown(
      { session: "a", atMs: NOW, method: String(id) },
      () => ({ client: "", request: "", answer: text() }),
    );
  }
  store.list({}, 1);
  const once = made;
  store.list({}, 1);
  assertEquals([once, made], [6, 6]);
});

Deno.test("of all that is said during a call no more is recorded than may be, answers included", async () => {
  const trace: CallTrace = {};
  const ask = () => Promise.resolve({ result: { text: "x".repeat(300) } });
  const talk = recordEvents(1000)(async ({ ask }) => {
    for (let n = 0; n < 9; n++) await ask("sampling/createMessage", { text: "y".repeat(100) });
    return { result: {} };
  });
  await talk(call({ trace, ask }));
  const chars = trace.said!.reduce((sum, { params, answer = "" }) => sum + params.length + answer.length, 0);
  assert(chars > 800 && chars < 1200, `${chars}`);
});
