import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CallControl, describeRunning } from "../lib/admin/call_control.ts";
import { callJson } from "../lib/admin/call_routes.ts";
import { describeSaved } from "../lib/admin/saved_text.ts";
import type { DaemonStatus } from "../lib/admin/status_rows.ts";
import { WatchFeed } from "../lib/admin/watch_feed.ts";
import { type MemoryMeter, WatchedMemory } from "../lib/admin/watch_memory.ts";
import type { WatchSources } from "../lib/admin/watch_state.ts";
import { KIB, MIB, MINUTE_MS, SECOND_MS } from "../lib/base/units.ts";
import { Metrics } from "../lib/observe/metrics.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { hello, serverRow, sessionRow } from "./helpers/watch_rows.ts";

function statusOf(more: Partial<DaemonStatus> = {}): DaemonStatus {
  const address = { url: "ws://127.0.0.1:8765/", notes: [] };
  return { address, servers: [], sessions: [], waiting: [], providers: [], list_changes: [], ...more };
}

/** A meter of one server's tree (pid 10), the daemon (1) and a shim (20). */
function meterOf(privateBytes: number | undefined): MemoryMeter {
  const held = (memoryBytes: number) => ({
    memoryBytes,
    ...(privateBytes === undefined ? {} : { privateBytes }),
  });
  return {
    servers: () => Promise.resolve(new Map([[10, { ...held(100 * MIB), processes: 3 }]])),
    processes: (pids) =>
      Promise.resolve(new Map(pids.filter((pid) => pid < 30).map((pid) => [pid, held(MIB)]))),
    own: () => [1],
  };
}

/** A daemon that counts how often it is looked at. */
function sources(status: () => DaemonStatus) {
  const counts = { looks: 0, listeners: 0, measured: 0 };
  const meter = meterOf(MIB);
  const made: WatchSources = {
    hello,
    status() {
      counts.looks++;
      return status();
    },
    health: () => ({ faults: [], notes: [], inflight: 0, queued: 0, windows: 0, daemonBytes: MIB }),
    calls: {
      running: new CallControl({ store: undefined, maxBodyChars: 64 }).running,
      subscribe() {
        counts.listeners++;
        return { [Symbol.dispose]: () => counts.listeners-- };
      },
    },
    meter: {
      ...meter,
      servers() {
        counts.measured++;
        return meter.servers();
      },
    },
  };
  return { counts, made };
}

Deno.test("while nobody watches nothing runs: no timer, no listener, no look", async () => {
  using clock = new FakeClock();
  const { counts, made } = sources(() => statusOf());
  using feed = new WatchFeed(made);
  await clock.pass(MINUTE_MS);
  assertEquals([clock.pending, counts], [0, { looks: 0, listeners: 0, measured: 0 }]);
  const [one, two] = [feed.watch({}).getReader(), feed.watch({}).getReader()];
  await clock.pass(20 * SECOND_MS);
  assertEquals([feed.watchers, counts.listeners, counts.measured], [2, 1, 3]);
  assert(counts.looks <= 42, `${counts.looks} looks for two who watch`);
  await Promise.all([one.cancel(), two.cancel()]);
  await clock.settle();
  const { looks } = counts;
  await clock.pass(MINUTE_MS);
  assertEquals([clock.pending, feed.watchers, counts], [0, 0, { looks, listeners: 0, measured: 3 }]);
});

/** As long as what a server may say of its failure. */
const CAUSE = "x".repeat(KIB);

Deno.test("one who does not read holds little, is ended after a minute, and others are told all", async () => {
  using clock = new FakeClock();
  let calls = 0;
  const rows = () => Array.from({ length: 20 }, (_, i) => ({ ...serverRow(`s${i}`), calls, cause: CAUSE }));
  const { made } = sources(() => {
    calls++;
    return statusOf({ servers: rows() });
  });
  using feed = new WatchFeed(made);
  const stuck = feed.watch({}).getReader();
  const reader = feed.watch({}).getReader();
  let read = 0;
  const reading = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) read += part.value.length;
  })();
  await clock.pass(MINUTE_MS);
  assertEquals(feed.watchers, 2);
  await clock.pass(MINUTE_MS / 2);
  assertEquals(feed.watchers, 1);
  let held = 0;
  await (async () => {
    for (let part = await stuck.read(); !part.done; part = await stuck.read()) held += part.value.length;
  })().catch((thrown) => assertMatch(String(thrown), /nothing was read for a minute/));
  assertEquals(held, 0, "what it has not read is gone with it");
  assert(read > 1000 * KIB, `${read} bytes`);
  await reader.cancel();
  await reading;
});

Deno.test("what is saved is private memory where it is known, and what is not known is said", async () => {
  const shared = { ...serverRow("files"), pid: 10, sessions: ["a", "b", "gone"] };
  const remote = { ...serverRow("far"), sessions: ["a", "b"] };
  const [a, b] = [{ ...sessionRow("a"), pid: 20 }, sessionRow("b")];
  const gone = { ...sessionRow("gone"), connected: false };
  const savedOf = async (privateBytes: number | undefined, status: Partial<DaemonStatus>) => {
    const memory = new WatchedMemory(meterOf(privateBytes));
    const of = statusOf(status);
    assertEquals(memory.sample(of, MIB).saved, { note: "memory is being measured, or cannot be" });
    await memory.measure(of);
    return memory.sample(of, MIB).saved;
  };
  const note = "of 1 of 2 sessions the shim's process is not known, and not taken off";
  const day = { servers: [shared, remote], sessions: [a, b, gone] };
  assertEquals(await savedOf(5 * MIB, day), { processes: 1, bytes: -5 * MIB, counted: "private", note });
  assertEquals(await savedOf(undefined, day), { processes: 1, bytes: 98 * MIB, counted: "resident", note });
  const unknown = await savedOf(MIB, { ...day, servers: [{ ...shared, pid: 11 }] });
  assertStringIncludes(unknown.note!, "not measured yet, and not counted: 1");
  assertEquals(describeSaved(unknown), "nothing; costs 2 processes, 2 MiB more");
  assertEquals(describeSaved({}), undefined);
});

Deno.test("a wall clock that jumps by an hour changes no duration", () => {
  const real = Date.now;
  const calls = new CallControl({ store: undefined, maxBodyChars: 64 });
  const caller = { id: "s", belonging: {} };
  const call = { method: "tools/list", params: {}, caller, signal: new AbortController().signal };
  const running = calls.running.begin(call as unknown as Parameters<typeof calls.running.begin>[0]);
  try {
    for (const jump of [60 * MINUTE_MS, -60 * MINUTE_MS, 0]) {
      Date.now = () => real() + jump;
      const { duration_ms, started_at } = callJson(describeRunning(running));
      assert(Number(duration_ms) >= 0 && Number(duration_ms) < 10_000, `${duration_ms} ms`);
      // By the clock of now: it has begun a moment ago.
      const ago = Date.now() - Date.parse(String(started_at));
      assert(ago >= 0 && ago < 10_000, `${ago} ms`);
    }
  } finally {
    Date.now = real;
  }
});

Deno.test("the metrics have who watches and what is saved, also where it is less than nothing", () => {
  const gauges = { refused: {}, listChanges: { causes: [] }, memory: {} };
  const text = (saved: { processes?: number; bytes?: number }) =>
    new Metrics().toPrometheusText(gauges as never, { watchers: 2, saved });
  assertMatch(text({ processes: -1, bytes: 7 }), /^exai_saved_processes -1$[^]*^exai_saved_bytes 7$/m);
  assertMatch(text({}), /^exai_watchers 2$/m);
  assertEquals(text({}).includes("exai_saved"), false);
});
