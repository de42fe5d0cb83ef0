import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { exportLines } from "../lib/admin/call_export.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { MIB } from "../lib/base/units.ts";
import { exportCommand } from "../lib/commands/export_calls.ts";
import { callsOf } from "../lib/commands/export_end.ts";
import { defaultSettings } from "../lib/config/load.ts";
import type { CallRecord } from "../lib/observe/call_record.ts";
import { SqliteCallRecords } from "../lib/state/call_records.ts";
import { outcomeOf } from "./helpers/command.ts";
import { tempDir } from "./helpers/files.ts";

const CALL: CallRecord = {
  id: 1,
  endedAtMs: Date.now(),
  session: "session-1",
  client: "test-client",
  clientVersion: "1",
  server: "files",
  method: "tools/call",
  tool: "read",
  durationMs: 3,
  outcome: "ok",
  bytesIn: 5,
  bytesOut: 7,
  message: undefined,
};

/** The record of calls in `home`, with one call that was answered `answer`. */
function recordOf(home: string, answer: string): SqliteCallRecords {
  const store = new SqliteCallRecords({
    path: `${home}/calls.db`,
    maxAgeMs: 1e9,
    maxBytes: 64 * MIB,
    withBodies: true,
  });
  store.add(CALL, () => ({ request: "{}", answer: JSON.stringify({ text: answer }) }));
  return store;
}

Deno.test("an export is a new file of its owner's, with what a terminal would obey as escapes", async () => {
  await using dir = await tempDir({ "old.ndjson": "mine", "new.ndjson.exai-part": "what Ctrl+C has left" });
  await Deno.chmod(dir.path, 0o700);
  recordOf(dir.path, "\u009b2J \u202e")[Symbol.dispose]();
  // Nothing listens there.
  const settings = defaultSettings({ home: dir.path, port: 1, socket: "off" });
  const exported = (name: string) =>
    outcomeOf(exportCommand, [], { settings, options: new Map([["out", [`${dir.path}/${name}`]]]) });
  assertStringIncludes((await exported("new.ndjson")).text, "1 calls are in");
  const text = await Deno.readTextFile(`${dir.path}/new.ndjson`);
  assertStringIncludes(text, '{"text":"\\u009b2J \\u202e"}');
  assertEquals(text.trim().split("\n").map((line) => JSON.parse(line).type), ["header", "call", "end"]);
  if (Deno.build.os !== "windows") {
    assertEquals((await Deno.stat(`${dir.path}/new.ndjson`)).mode! & 0o777, 0o600);
  }
  await assertRejects(() => exported("old.ndjson"), ExaiError, "exists already");
  assertEquals(await Deno.readTextFile(`${dir.path}/old.ndjson`), "mine");
  const left = await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name);
  assertEquals(left.filter((name) => name.includes("part")), []);
});

Deno.test("an export of a record that breaks meanwhile does not say that it is whole", async () => {
  await using dir = await tempDir({});
  using store = recordOf(dir.path, "x");
  assertEquals(
    [...exportLines(store, "")].filter((line) => line !== "").map((line) => JSON.parse(line).type),
    ["header", "call", "end"],
  );
  const broken = {
    keepsBodies: true,
    fault: "the record of calls cannot be read",
    add() {},
    addShown() {},
    find: () => undefined,
    list: () => [],
    idsAfter: () => undefined,
    shownAfter: () => undefined,
  };
  const last = [...exportLines(broken, "")].at(-1)!;
  assertEquals(JSON.parse(last), { type: "fault", message: "the record of calls cannot be read" });
  assertThrows(
    () => callsOf(last, ""),
    ExaiError,
    "not all was exported: the record of calls cannot be read",
  );
});

Deno.test("an export that is not whole, or is empty, is an error that says why", () => {
  assertEquals(callsOf('{"type":"end","calls":3,"without_bodies":0}', ""), 3);
  for (
    const [last, code, why] of [
      ["", "DAEMON_UNAVAILABLE", "the daemon has ended"],
      ['{"type":"call","calls":3}', "DAEMON_UNAVAILABLE", "the daemon has ended"],
      ['{"type":"end","calls":0,"without_bodies":0}', "RESOURCE_NOT_FOUND", 'no call of a session "s"'],
      ['{"type":"end","calls":0,"without_bodies":2}', "RESOURCE_NOT_FOUND", "what the 2 calls"],
    ]
  ) assert(assertThrows(() => callsOf(last!, "s"), ExaiError, why).code === code);
});
