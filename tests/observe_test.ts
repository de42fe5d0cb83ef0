import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call, Target } from "../lib/call/call.ts";
import { OPERATOR } from "../lib/call/owner.ts";
import { buildHealth } from "../lib/observe/health.ts";
import { HealthWriter } from "../lib/observe/health_writer.ts";
import { type GaugeValues, Metrics } from "../lib/observe/metrics.ts";
import { type CallRecord, recordCalls } from "../lib/observe/call_record.ts";
import { MetricsLines } from "../lib/observe/metrics_lines.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import { jsonSize } from "../lib/call/payload_size.ts";
import { RecentActivity } from "../lib/observe/recent_activity.ts";
import { call } from "./helpers/call.ts";

const gauges: GaugeValues = {
  held: { bytes: 0, maxBytes: 0, evictions: 0 },
  handles: undefined,
  sessions: 3,
  windows: 2,
  connections: 2,
  pending: 1,
  refused: { token: 3 },
  inflight: 1,
  queued: 0,
  tools: 21,
  listChanges: {
    total: 3,
    causes: [
      { cause: "changed", server: 'a"b', count: 2, lastAt: new Date(5000) },
      { cause: "changed", server: "b", count: 1, lastAt: new Date(0) },
      { cause: "settings", server: undefined, count: 1, lastAt: new Date(0) },
    ],
  },
  uptimeMs: 90_500,
  eventLoopLagMs: 2,
  memory: { rssBytes: 1000, heapUsedBytes: 500 },
};

function callOf(params: JsonObject, method = "tools/call"): Call {
  return call({
    method,
    params,
    caller: { ...call().caller, client: { name: "test-client", version: "1" } },
  });
}

async function recordOf(target: Target, call = callOf({ name: "probe", arguments: { text: "12345" } })) {
  const records: CallRecord[] = [];
  await recordCalls({ record: (record) => records.push(record) })(target)(call).catch(() => {});
  assertEquals(records.length, 1);
  return records[0]!;
}

function recordWith(parts: Partial<CallRecord> = {}): CallRecord {
  return {
    id: 1,
    endedAtMs: Date.UTC(2026, 0, 2),
    session: "session-1",
    client: "test-client",
    clientVersion: "1",
    server: undefined,
    method: "tools/call",
    tool: "probe",
    durationMs: 3,
    outcome: "ok",
    bytesIn: 5,
    bytesOut: 7,
    message: undefined,
    ...parts,
  };
}

Deno.test("every way a call can end is recorded under its own outcome", async () => {
  const text = (isError: boolean) => ({ result: { content: [{ type: "text", text: "1234567" }], isError } });
  const cases: [string, Target][] = [
    ["ok", () => Promise.resolve(text(false))],
    ["tool_error", () => Promise.resolve(text(true))],
    ["TIMEOUT", () => Promise.reject(new ExaiError("TIMEOUT", "too long"))],
    ["INTERNAL", () => Promise.reject(new Error("broken"))],
    [
      "UPSTREAM_UNAVAILABLE",
      () =>
        Promise.resolve({ error: { code: -31012, message: "gone", data: { code: "UPSTREAM_UNAVAILABLE" } } }),
    ],
    ["error", () => Promise.resolve({ error: { code: -1, message: "its own", data: { code: "E_THEIRS" } } })],
  ];
  for (const [outcome, target] of cases) {
    const record = await recordOf(target);
    assertEquals([record.outcome, record.tool, record.session], [outcome, "probe", "session-1"]);
  }
});

Deno.test("a call that is passed on is recorded as any other, and nothing it carries is parsed for that", async () => {
  const limits = { depth: 100, members: 1000 };
  const request = readRawMessage(
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"probe","arguments":{"n":1.0}}}',
    limits,
  );
  if (request?.kind !== "request") throw new Error("no request");
  const unread = { get: () => assert(false, "parsed") };
  const passed = Object.defineProperty({ ...callOf({}), body: request.body }, "params", unread);
  const answers: [string, string][] = [
    ['{"content":[{"type":"text","text":"1234567"}]}', "ok"],
    ['{"content":[{"type":"text","text":"1234567"}],"isError":false}', "ok"],
    ['{"isError":true,"content":[{"type":"text","text":"1234567"}]}', "tool_error"],
  ];
  for (const [text, outcome] of answers) {
    const answer = readRawMessage(`{"jsonrpc":"2.0","id":1,"result":${text}}`, limits);
    if (answer?.kind !== "response") throw new Error("no response");
    if (outcome === "ok") Object.defineProperty(answer, "result", unread);
    const record = await recordOf(() => Promise.resolve(answer), passed);
    assertEquals([record.tool, record.outcome], ["probe", outcome]);
    assertEquals([record.bytesIn, record.bytesOut], [
      '{"n":1.0}'.length,
      '[{"type":"text","text":"1234567"}]'.length,
    ]);
    assertEquals(record.message, outcome === "ok" ? undefined : "1234567");
  }
});

Deno.test("a line of metrics.jsonl has the client that its session has now, and names of any characters", () => {
  const lines = new MetricsLines();
  const read = (parts: Partial<CallRecord>) => JSON.parse(lines.lineOf(recordWith(parts)));
  assertEquals(read({ client: undefined }).client, undefined);
  assertEquals(read({ client: "first" }).client, "first");
  assertEquals(read({ client: 'a "second"' }).client, 'a "second"');
  assertEquals(read({ tool: 'odd"\n\u202etool' }).tool, 'odd"\n\u202etool');
  for (let i = 0; i < 3000; i++) assertEquals(read({ session: `s${i}`, tool: `t${i}` }).tool, `t${i}`);
});

Deno.test("an observed call gives its result or its error to the caller unchanged", async () => {
  const result = { result: { content: [] } };
  const failure = new ExaiError("FORBIDDEN", "no");
  const observe = recordCalls({ record: () => {} });
  assertEquals(await observe(() => Promise.resolve(result))(callOf({})) === result, true);
  assertEquals(await assertRejects(() => observe(() => Promise.reject(failure))(callOf({}))), failure);
});

Deno.test("a line of metrics.jsonl says time, session, client, tool, duration, outcome and bytes", async () => {
  const record = await recordOf(() =>
    Promise.resolve({ result: { content: [{ type: "t", text: "1234567" }] } })
  );
  const line = new MetricsLines().lineOf(record);
  assertEquals(line.endsWith("}\n"), true);
  const { time, duration_ms, ...rest } = JSON.parse(line);
  assert(!Number.isNaN(Date.parse(time)) && duration_ms >= 0);
  assertEquals(rest, {
    session: "session-1",
    client: "test-client",
    tool: "probe",
    outcome: "ok",
    bytes_in: '{"text":"12345"}'.length,
    bytes_out: '[{"type":"t","text":"1234567"}]'.length,
  });
});

Deno.test("counting the bytes of a huge argument costs no more than a few hundred steps", () => {
  let reads = 0;
  const huge = new Proxy(new Array(1_000_000).fill("x"), {
    get: (target, key, self) => (reads++, Reflect.get(target, key, self)),
  });
  assert(jsonSize(huge) > 0);
  assert(reads < 2000, `${reads} reads`);
});

Deno.test("metrics count calls and latency by tool and outcome in the Prometheus format", () => {
  const metrics = new Metrics();
  metrics.record(recordWith({ durationMs: 3 }));
  metrics.record(recordWith({ durationMs: 40 }));
  metrics.record(recordWith({ outcome: "TIMEOUT", durationMs: 500_000 }));
  const lines = metrics.toPrometheusText(gauges).split("\n");
  for (
    const line of [
      'exai_calls_total{tool="probe",outcome="ok"} 2',
      'exai_calls_total{tool="probe",outcome="TIMEOUT"} 1',
      'exai_call_duration_seconds_bucket{tool="probe",outcome="ok",le="0.0025"} 0',
      'exai_call_duration_seconds_bucket{tool="probe",outcome="ok",le="0.005"} 1',
      'exai_call_duration_seconds_bucket{tool="probe",outcome="ok",le="0.05"} 2',
      'exai_call_duration_seconds_bucket{tool="probe",outcome="TIMEOUT",le="120"} 0',
      'exai_call_duration_seconds_bucket{tool="probe",outcome="TIMEOUT",le="+Inf"} 1',
      'exai_call_duration_seconds_sum{tool="probe",outcome="ok"} 0.043',
      'exai_call_duration_seconds_count{tool="probe",outcome="ok"} 2',
      'exai_payload_bytes_total{direction="out"} 21',
      "exai_sessions 3",
      "exai_windows 2",
      "exai_calls_inflight 1",
      "exai_resident_memory_bytes 1000",
    ]
  ) assert(lines.includes(line), line);
});

Deno.test("every line of the metrics is one Prometheus can read, whatever a tool is called", () => {
  const metrics = new Metrics();
  metrics.record(recordWith({ tool: 'a"b\\c\nd' }));
  const sample = /^[a-z_]+(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)+\})? [-+0-9.eInf]+$/;
  const text = metrics.toPrometheusText(gauges);
  for (const line of text.trimEnd().split("\n")) {
    assert(/^# (HELP|TYPE) /.test(line) || sample.test(line), line);
  }
  assertEquals(text.endsWith("\n"), true);
});

Deno.test("a client that makes up tool names cannot make the metrics grow", () => {
  const metrics = new Metrics({ maxTools: 10 });
  for (let i = 0; i < 1000; i++) {
    metrics.record(recordWith({ tool: `made-up-${i}`, outcome: "TOOL_NOT_FOUND" }));
    metrics.record(recordWith({ tool: `real-${i}` }));
  }
  const counters = metrics.toPrometheusText(gauges).split("\n").filter((line) =>
    line.startsWith("exai_calls_total{")
  );
  assert(counters.length <= 12, String(counters.length));
  const total = counters.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  assertEquals(total, 2000);
});

Deno.test("the recorder keeps the latest calls and failures and forgets older ones", async () => {
  const recorder = new RecentActivity({ maxCalls: 3, maxErrors: 2 });
  for (let i = 1; i <= 5; i++) recorder.record(recordWith({ tool: `t${i}` }));
  const tools = async (maxLines: number) =>
    (await recorder.calls(OPERATOR, maxLines)).map((line) => line.split(" ")[1]);
  assertEquals(await tools(100), ["t3", "t4", "t5"]);
  assertEquals(await tools(1), ["t5"]);
  assertEquals(await recorder.recentErrors(OPERATOR, 100), []);
  recorder.record(recordWith({ tool: "slow", outcome: "TIMEOUT", message: "took too long" }));
  recorder.record(recordWith({ tool: "gone", outcome: "CANCELLED", message: "nobody's fault" }));
  recorder.recordError("the disk is full");
  const [first, second] = await recorder.recentErrors(OPERATOR, 100);
  assertEquals(first, "2026-01-02T00:00:00.000Z slow TIMEOUT: took too long [session-1]");
  assert(second!.endsWith(" the disk is full"));
  assertEquals(recorder.errorsSince(Date.now() - 60_000), 1);
});

const sources = {
  version: "1.2.3",
  pid: 42,
  startedAt: new Date(0),
  address: "ws://127.0.0.1:8765/",
  gauges: () => gauges,
  recentErrors: () => 4,
  faults: (): string[] => [],
  notes: () => ["the machine slept for 60 s"],
};

Deno.test("health is ok when nothing is wrong and says every reason when it is degraded", () => {
  const { time, ...health } = buildHealth(sources);
  assert(typeof time === "string");
  assertEquals(health, {
    status: "ok",
    reasons: [],
    notes: ["the machine slept for 60 s"],
    version: "1.2.3",
    pid: 42,
    started_at: "1970-01-01T00:00:00.000Z",
    uptime_s: 90,
    address: "ws://127.0.0.1:8765/",
    sessions: 3,
    windows: 2,
    connections: 2,
    pending: 1,
    refused: { token: 3 },
    inflight: 1,
    queued: 0,
    tools: 21,
    list_changes: { total: 3, causes: { changed: 3, settings: 1 }, last_at: "1970-01-01T00:00:05.000Z" },
    recent_errors: 4,
    event_loop_lag_ms: 2,
    held: { bytes: 0, max_bytes: 0, evictions: 0 },
    memory: { rss_bytes: 1000, heap_used_bytes: 500 },
  });
  const blocked = { ...gauges, eventLoopLagMs: 2500 };
  const degraded = buildHealth({ ...sources, faults: () => ["the disk is full"], gauges: () => blocked });
  assertEquals([degraded.status, degraded.reasons], [
    "degraded",
    ["the disk is full", "the event loop stood still for 2500 ms"],
  ]);
});

/** A place to write to that tells when something was written. */
function slate() {
  const texts: string[] = [];
  let wake = () => {};
  return {
    texts,
    write: (text: string) => (texts.push(text), wake(), Promise.resolve()),
    async until(count: number) {
      while (texts.length < count) await new Promise<void>((resolve) => wake = resolve);
    },
  };
}

Deno.test("the health file is written at the start, on change, and says stopped at the end", async () => {
  const file = slate();
  let sessions = 0;
  const build = () => ({ status: "ok", sessions });
  const writer = new HealthWriter({ build, write: file.write, intervalMs: 3_600_000, minGapMs: 1 });
  await file.until(1);
  sessions = 1;
  for (let i = 0; i < 100; i++) writer.requestWrite();
  await file.until(2);
  await writer[Symbol.asyncDispose]();
  assertEquals(file.texts.map((text) => JSON.parse(text)), [
    { status: "ok", sessions: 0 },
    { status: "ok", sessions: 1 },
    { status: "stopped", sessions: 1 },
  ]);
});

Deno.test("the health file is written again and again when nothing changes", async () => {
  const file = slate();
  await using _writer = new HealthWriter({
    build: () => ({}),
    write: file.write,
    intervalMs: 1,
    minGapMs: 1,
  });
  await file.until(4);
});

Deno.test("a health report that cannot be made ends neither the daemon nor the reports after it", async () => {
  const file = slate();
  let reports = 0;
  const build = () => {
    if (++reports < 3) throw new Error("no report today");
    return { status: "ok" };
  };
  await using _writer = new HealthWriter({ build, write: file.write, intervalMs: 1, minGapMs: 1 });
  await file.until(1);
  assertEquals(JSON.parse(file.texts[0]!), { status: "ok" });
});

Deno.test("a disk slower than the changes never has two writes of the health file at once", async () => {
  const file = slate();
  let writing = 0;
  let most = 0;
  const write = async (text: string) => {
    most = Math.max(most, ++writing);
    writer.requestWrite();
    await new Promise((resolve) => setTimeout(resolve, 5));
    writing--;
    await file.write(text);
  };
  const writer = new HealthWriter({ build: () => ({}), write, intervalMs: 1, minGapMs: 1 });
  writer.requestWrite();
  await file.until(5);
  await writer[Symbol.asyncDispose]();
  assertEquals(most, 1);
});
