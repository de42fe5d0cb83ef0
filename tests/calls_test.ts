import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { registerSecret } from "../lib/base/log.ts";
import { HOUR_MS, KIB, MIB } from "../lib/base/units.ts";
import { callsCommand, sinceMs } from "../lib/commands/calls.ts";
import { cancelCommand } from "../lib/commands/cancel.ts";
import { killCommand } from "../lib/commands/kill.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { loadSettings } from "../lib/config/load.ts";
import { redactedJson } from "../lib/observe/redacted_json.ts";
import type { CallRecord } from "../lib/observe/call_record.ts";
import { type CallRecordsOptions, SqliteCallRecords } from "../lib/state/call_records.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";

const NOW = Date.UTC(2026, 10, 24);

function open(home: string, options: Partial<CallRecordsOptions> = {}): SqliteCallRecords {
  return new SqliteCallRecords({
    path: `${home}/calls.db`,
    maxAgeMs: HOUR_MS,
    maxBytes: 64 * MIB,
    withBodies: false,
    ...options,
  });
}

function recordWith(parts: Partial<CallRecord>): CallRecord {
  return {
    id: 1,
    endedAtMs: NOW,
    session: "session-1",
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

const unsaid = () => ({ request: "" });

function load(home: string, url: string, args: string[]) {
  const port = String(new URL(url).port);
  return loadSettings({
    args: [`--home=${home}`, `--port=${port}`, ...args],
    env: { ENV_FILE: "" },
    switches: ["json", "follow"],
    options: ["session", "server", "tool", "outcome", "since", "limit"],
  });
}

async function calls(home: string, url: string, args: string[] = [], words: string[] = []) {
  const printed = await runCommandAlone(callsCommand, words, load(home, url, [...args, "--json"]));
  return JSON.parse(printed);
}

Deno.test("what is recorded of a call is read again as it was, by this daemon and the next", async () => {
  await using home = await tempDir({});
  const records = [
    recordWith({ id: 1 }),
    recordWith({ id: 2, outcome: "TIMEOUT", message: "too slow", server: undefined, client: undefined }),
    recordWith({
      id: 3,
      clientVersion: undefined,
      session: "session-2",
      method: "prompts/get",
      tool: "prompts/get",
    }),
  ];
  {
    using store = open(home.path);
    for (const record of records) store.add(record, unsaid);
    assertEquals(store.list({}, 10), records);
  }
  using store = open(home.path);
  assertEquals(store.list({}, 10), records);
  assertEquals(store.list({}, 2), records.slice(1));
  assertEquals(store.find(2), { record: records[1], bodies: undefined });
  assertEquals(store.find(4), undefined);
});

Deno.test("calls are found by session, server, tool, outcome and time", async () => {
  await using home = await tempDir({});
  using store = open(home.path);
  store.add(recordWith({ id: 1, endedAtMs: NOW - 5000 }), unsaid);
  store.add(recordWith({ id: 2, session: "other", server: "exai", tool: "chat" }), unsaid);
  store.add(recordWith({ id: 3, outcome: "TIMEOUT", message: "late" }), unsaid);
  const ids = (filter: Parameters<typeof store.list>[0]) => store.list(filter, 10).map(({ id }) => id);
  assertEquals(ids({ session: "sess" }), [1, 3]);
  assertEquals(ids({ server: "exai" }), [2]);
  assertEquals(ids({ tool: "read" }), [1, 3]);
  assertEquals(ids({ outcome: "ok" }), [1, 2]);
  assertEquals(ids({ outcome: "failed" }), [3]);
  assertEquals(ids({ sinceMs: NOW - 1000 }), [2, 3]);
  assertEquals(ids({ session: "session-1", outcome: "ok" }), [1]);
});

Deno.test("ten thousand calls in one breath are all recorded", async () => {
  await using home = await tempDir({});
  using store = open(home.path);
  for (let id = 1; id <= 10_000; id++) store.add(recordWith({ id, session: `s${id % 40}` }), unsaid);
  assertEquals(store.list({}, 20_000).length, 10_000);
});

/** Lets the parts of a deletion follow one another until nothing more goes. */
async function pruneAll(store: SqliteCallRecords): Promise<number> {
  for (let before = -1, left = store.list({}, 1e6).length; before !== left;) {
    before = left;
    store.prune(NOW);
    await new Promise((resolve) => setTimeout(resolve, 0));
    left = store.list({}, 1e6).length;
  }
  return store.list({}, 1e6).length;
}

Deno.test("calls that are too old, or more than the file may hold, make room, oldest first", async (t) => {
  await t.step("by age", async () => {
    await using home = await tempDir({});
    using store = open(home.path);
    for (let id = 1; id <= 3000; id++) {
      store.add(recordWith({ id, endedAtMs: id <= 2900 ? NOW - 24 * HOUR_MS : NOW }), unsaid);
    }
    assertEquals(await pruneAll(store), 100);
    assertEquals(store.find(2901)?.record.session, "session-1");
  });
  await t.step("by size, with what was said", async () => {
    await using home = await tempDir({});
    using store = open(home.path, { withBodies: true, maxBytes: 512 * KIB });
    for (let id = 1; id <= 100; id++) {
      store.add(recordWith({ id }), () => ({ request: "x".repeat(20 * KIB) }));
    }
    const left = await pruneAll(store);
    assert(left > 5 && left < 30, `${left} are left`);
    assertEquals(store.find(100)?.bodies?.request.length, 20 * KIB);
    assertEquals(store.find(1), undefined);
  });
});

Deno.test("a record that cannot be written says so, keeps what comes meanwhile, and goes on when it can be", async () => {
  await using home = await tempDir({});
  const changed = Promise.withResolvers<void>();
  // A file where the directory should be.
  const dir = `${home.path}/state`;
  await Deno.writeTextFile(dir, "");
  let changes = 0;
  using store = open(dir, { retryMs: 5, onChange: () => ++changes === 2 && changed.resolve() });
  store.add(recordWith({ id: 7 }), unsaid);
  assertEquals(store.list({}, 10), []);
  assertStringIncludes(store.fault!, `${dir}/calls.db`);
  await Deno.remove(dir);
  await changed.promise;
  assertEquals([store.fault, store.list({}, 10).map(({ id }) => id)], [undefined, [7]]);
});

Deno.test("a record that is damaged begins anew", async () => {
  await using home = await tempDir({
    "calls.db": "no database at all, but long enough to be taken for one ".repeat(20),
  });
  using store = open(home.path);
  store.add(recordWith({ id: 7 }), unsaid);
  assertEquals([store.fault, store.list({}, 10).length], [undefined, 1]);
});

Deno.test("no secret gets into what is kept of arguments and answers", () => {
  registerSecret("canary-in-the-settings");
  const kept = redactedJson({
    password: "canary-1",
    apiKey: "canary-2",
    nested: [{ "X-Api-Key": "canary-3", Authorization: "canary-4", access_token: "canary-5" }],
    text: "use sk-canary1234567890abcdef or Bearer canary-6-abcdef; canary-in-the-settings",
    url: "postgres://user:canary-7@host/db",
    env: "GITHUB_TOKEN=canary-8-abc OTHER=1",
    innocent: { tokens: 12, max_tokens: 99, path: "/a/token/file", monkey: "see" },
  }, 10_000);
  assertEquals(/canary/.test(kept), false, kept);
  const { innocent } = JSON.parse(kept);
  assertEquals([innocent.max_tokens, innocent.path, innocent.monkey], [99, "/a/token/file", "see"]);
});

Deno.test("no secret gets into what is kept of a failure", async () => {
  await using home = await tempDir({});
  using store = open(home.path);
  store.add(recordWith({ outcome: "error", message: "refused: Bearer canary-abcdefgh" }), unsaid);
  assertEquals(store.list({}, 1)[0]!.message, "refused: Bearer [secret]");
});

Deno.test("what is kept of a huge argument is cut, and no secret is cut in half", () => {
  const secret = "ghp_" + "a1".repeat(20);
  const kept = redactedJson({ text: "x ".repeat(40) + secret + "y".repeat(10 * MIB) }, 100);
  assert(kept.length < 120, String(kept.length));
  assertEquals(kept.includes("ghp_"), false);
});

Deno.test("exai-daemon calls lists what ran, from the daemon and from its file once it is gone", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-calls-" });
  await Deno.chmod(home, 0o700);
  let url = "";
  {
    await using it = await testDaemon({ settings: { home } });
    url = it.url;
    await assertServes(it.url, { client: { name: "my-editor", version: "9.1" } });
    const [call] = await calls(home, url);
    const { id, started_at, session, duration_ms, ...rest } = call;
    assertMatch(id, /^[0-9a-z]{8,10}$/);
    assert(Date.parse(started_at) > 0 && duration_ms >= 0 && session !== "");
    assertEquals(rest.client, "my-editor");
    assertEquals([rest.client_version, rest.server, rest.tool, rest.outcome], [
      "9.1",
      "exai",
      "version",
      "ok",
    ]);
    assertEquals((await calls(home, url, ["--outcome=failed"])).length, 0);
    assertEquals((await calls(home, url, ["--server=exai", "--since=1h"])).length, 1);
    assertEquals((await calls(home, url, [], [id])).tool, "version");
  }
  const [kept] = await calls(home, url);
  assertEquals(kept.tool, "version");
  assertStringIncludes(
    await runCommandAlone(callsCommand, [kept.id], load(home, url, [])),
    "callsBodies",
  );
  const unknown = await assertRejects(
    () => runCommandAlone(callsCommand, ["zzz"], load(home, url, [])),
    ExaiError,
  );
  assertEquals(unknown.code, "RESOURCE_NOT_FOUND");
  await Deno.remove(home, { recursive: true });
});

Deno.test("what was said is kept only where the setting says so", async () => {
  for (const callsBodies of [false, true]) {
    await using it = await testDaemon({ settings: { callsBodies } });
    using client = await RawClient.hello(it.url);
    await client.call("challenge", { prompt: "is the password=hunter2000 safe?" });
    const [{ id }] = await calls(it.home, it.url);
    const call = await calls(it.home, it.url, [], [id]);
    assertEquals("request" in call, callsBodies);
    if (callsBodies) {
      assertStringIncludes(call.request, "password=[secret] safe");
      assertStringIncludes(call.answer, "content");
      assertEquals(JSON.stringify(call).includes("hunter2000"), false);
    }
  }
});

Deno.test("EXAI_CALLS=false keeps nothing, and calls says so", async () => {
  await using it = await testDaemon({ settings: { calls: false } });
  await assertServes(it.url);
  assertEquals(await calls(it.home, it.url), []);
  await assertRejects(() => Deno.stat(`${it.home}/calls.db`), Deno.errors.NotFound);
});

Deno.test("exai-daemon calls --follow shows each call as it ends", async () => {
  await using it = await testDaemon();
  const seen = Promise.withResolvers<JsonObject>();
  const response = await fetch(new URL("/calls/follow?tool=version", it.http));
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  using client = await RawClient.hello(it.url);
  await client.call("health");
  await client.call("version");
  seen.resolve(JSON.parse((await reader.read()).value!));
  assertEquals((await seen.promise).tool, "version");
  await reader.cancel();
});

Deno.test("a running call is listed, and cancel ends it with CANCELLED and says who did", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const begun = odd.nextHold();
  const reply = client.call("hold");
  await begun;
  const [running] = await calls(it.home, it.url, ["--outcome=running"]);
  assertEquals([running.tool, running.server, running.outcome], ["hold", "odd", "running"]);
  const said = await runCommandAlone(cancelCommand, [running.id], load(it.home, it.url, []));
  assertStringIncludes(said, "hold");
  const { code, message } = (await reply).error as JsonObject;
  assertEquals([code, message], [
    "CANCELLED",
    "the user cancelled the call, by exai-daemon cancel, top or the page",
  ]);
  const again = await assertRejects(
    () => runCommandAlone(cancelCommand, [running.id], load(it.home, it.url, [])),
    ExaiError,
  );
  assertStringIncludes(again.message, "no call runs now");
});

Deno.test("kill session cancels its calls and closes its connection; other sessions go on", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using victim = await RawClient.hello(it.url, { session_id: "victim-1" });
  using other = await RawClient.hello(it.url, { session_id: "other" });
  const begun = odd.nextHold();
  const reply = victim.call("hold");
  await begun;
  const close = await assertRejects(
    () => runCommandAlone(killCommand, ["session", "victin-1"], load(it.home, it.url, [])),
    ExaiError,
  );
  assertStringIncludes(close.message, "did you mean victim-1");
  assertEquals(
    await runCommandAlone(killCommand, ["session", "vict"], load(it.home, it.url, [])),
    "ended session victim-1",
  );
  assertEquals(((await reply).error as JsonObject).code, "CANCELLED");
  assertEquals((await victim.closed).code, 1001);
  assertEquals((await other.call("version")).error, undefined);
});

Deno.test("kill upstream ends a server's processes; its next call starts a fresh one", async () => {
  await using it = await mountingDaemon({ mean: bad("serves") });
  using client = await RawClient.hello(it.url);
  await client.call("serves_echo", { text: "hi" });
  const [before] = await it.status();
  assertEquals(
    await runCommandAlone(killCommand, ["upstream", "mean"], load(it.home, it.url, [])),
    `ended upstream mean (process ${before!.pid})`,
  );
  assertEquals((await it.status())[0]!.state, "not started");
  assertEquals((await client.call("serves_echo", { text: "hi" })).error, undefined);
  const [after] = await it.status();
  assert(after!.pid !== before!.pid);
  const unknown = await assertRejects(
    () => runCommandAlone(killCommand, ["upstream", "meen"], load(it.home, it.url, [])),
    ExaiError,
  );
  assertStringIncludes(unknown.message, "did you mean mean");
});

Deno.test("since takes how long ago, or a time", () => {
  assertEquals([sinceMs("30s", NOW), sinceMs("2h", NOW), sinceMs("1.5m", NOW)], [
    NOW - 30_000,
    NOW - 2 * HOUR_MS,
    NOW - 90_000,
  ]);
  assertEquals(sinceMs("2026-11-24T00:00:00Z"), NOW);
  assertThrows(() => sinceMs("yesterday"), ExaiError, "allowed: how long ago");
});

Deno.test("a client that gives no name a person could read is served and recorded like any other", async () => {
  await using it = await testDaemon();
  using client = await RawClient.connect(it.url, ["mcp"]);
  const clientInfo = { name: 7, version: { major: 1 } };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  await client.ask({ jsonrpc: "2.0", id: 1, method: "initialize", params });
  const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "version" } };
  assertEquals((await client.ask(call)).error, undefined);
  const [recorded] = await calls(it.home, it.url, ["--tool=version"]);
  assertEquals([recorded.tool, recorded.outcome], ["version", "ok"]);
  assertEquals(it.daemon.health().status, "ok");
  await client.close();
});
