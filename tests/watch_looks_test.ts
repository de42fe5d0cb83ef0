import { assert, assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import type { CallControl } from "../lib/admin/call_control.ts";
import type { DaemonStatus } from "../lib/admin/status_rows.ts";
import { WatchedCalls } from "../lib/admin/watch_calls.ts";
import type { CallsEvent, WatchEvent } from "../lib/admin/watch_event.ts";
import { MAX_WATCHERS, WatchFeed } from "../lib/admin/watch_feed.ts";
import { watchRoute } from "../lib/admin/watch_route.ts";
import { WatchedRows } from "../lib/admin/watch_rows.ts";
import type { WatchSources } from "../lib/admin/watch_state.ts";
import { KIB, SECOND_MS } from "../lib/base/units.ts";
import { beginWait } from "../lib/call/wait.ts";
import type { CallRecord } from "../lib/observe/call_record.ts";
import type { RunningCall } from "../lib/observe/running_calls.ts";
import { PageState } from "../lib/page/browser/page_state.ts";
import { makeCall } from "./helpers/exai_tools.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { hello, serverRow } from "./helpers/watch_rows.ts";

/** Calls of which the test says when they begin and end. */
class FakeCalls implements Pick<CallControl, "subscribe"> {
  readonly all = new Map<number, RunningCall>();
  #listener: (record: CallRecord) => void = () => {};

  get running() {
    return this.all.values() as unknown as CallControl["running"];
  }

  begin(id: number): RunningCall["call"] {
    const call = makeCall("tools/call", { name: `t${id}` }, { trace: {} });
    this.all.set(id, { id, call, belonging: call.caller.belonging, begunMs: performance.now() });
    return call;
  }

  end(id: number): void {
    this.all.delete(id);
    const unknown = { client: undefined, clientVersion: undefined, server: undefined };
    const facts = {
      ...unknown,
      tool: "t",
      message: undefined,
      session: "s",
      method: "tools/call",
      durationMs: 1,
      outcome: "ok",
      bytesIn: 0,
      bytesOut: 0,
    };
    this.#listener({ id, endedAtMs: 0, ...facts });
  }

  subscribe(listener: (record: CallRecord) => void): Disposable {
    this.#listener = listener;
    return { [Symbol.dispose]() {} };
  }
}

/** How a page shows the calls that `calls` tells. */
function shownBy(calls: WatchedCalls) {
  const state = new PageState(() => performance.now());
  return () => {
    const { calls: rows, leftOut, isWhole } = calls.takeChanges();
    state.take({ type: "calls", at_ms: 0, whole: isWhole, calls: rows, left_out: leftOut });
    return { running: [...state.running].map(({ row }) => row.tool), leftOut, rows };
  };
}

Deno.test("a call whose end is left out runs no longer, and those that run are told among any number of ends", () => {
  const fake = new FakeCalls();
  using calls = new WatchedCalls(fake);
  const look = shownBy(calls);
  fake.begin(1);
  assertEquals(look().running, ["t1"]);
  fake.end(1);
  for (let id = 100; id < 1700; id++) fake.end(id);
  fake.begin(2);
  const { running, leftOut, rows } = look();
  assertEquals([running, leftOut, rows.length], [["t2"], 1101, 501]);
  assertEquals(rows[499]!.id, (1699).toString(36), "the latest ends are kept");
  for (let id = 2000; id < 2500; id++) fake.end(id);
  fake.begin(3);
  assertEquals(look().running, ["t2", "t3"]);
  assertEquals(look().rows, []);
});

Deno.test("a call is told again when what it waits for changes, and one that nobody knows of before that", () => {
  const fake = new FakeCalls();
  using calls = new WatchedCalls(fake);
  const look = shownBy(calls);
  let before = 7;
  for (let id = 0; id < 500; id++) beginWait(fake.begin(id), () => `${before} before it`);
  assertEquals(look().rows.length, 500);
  assertEquals(look().rows, []);
  before = 6;
  fake.begin(500);
  const { rows } = look();
  assertEquals([rows.length, rows[0]!.tool, rows[1]!.waits_for], [500, "t500", "6 before it"]);
  assertEquals(look().rows.length, 1);
});

Deno.test("rows that stay as they are are compared without making texts of them", () => {
  let texts = 0;
  const toJSON = { enumerable: false, value: () => ++texts };
  const row = (...sessions: string[]) =>
    Object.defineProperty({ sessions, breaker: { state: "closed" } }, "toJSON", toJSON);
  const rows = new WatchedRows();
  const changesTo = (...all: ReturnType<typeof row>[]) =>
    rows.update(new Map(all.map((row, i) => [`s${i}`, row])))?.rows;
  assertEquals(changesTo(row("a"), row("b")), '{"s0":1,"s1":2}');
  assertEquals(changesTo(row("a"), row("b")), undefined);
  assertEquals(changesTo(row("a"), row("b", "c")), '{"s1":3}');
  assertEquals(changesTo(row("a"), row("c", "b")), '{"s1":4}');
  assertEquals([rows.whole.rows, texts], ['{"s0":1,"s1":4}', 4]);
  const { breaker: _, ...less } = row("c", "b");
  assertEquals(rows.update(new Map([["s0", less]])), { rows: '{"s0":{"sessions":["c","b"]}}', gone: ["s1"] });
});

/** A feed of servers that the test names. */
function feedOf({ servers, ...more }: { servers(): DaemonStatus["servers"] } & Partial<WatchSources>) {
  const address = { url: "ws://127.0.0.1:8765/", notes: [] };
  return new WatchFeed({
    hello,
    status: () => ({
      address,
      servers: servers(),
      sessions: [],
      waiting: [],
      providers: [],
      list_changes: [],
    }),
    health: () => ({ faults: [], notes: [], inflight: 0, queued: 0, windows: 0, daemonBytes: 1 }),
    calls: new FakeCalls(),
    meter: {
      servers: () => Promise.resolve(new Map()),
      processes: () => Promise.resolve(new Map()),
      own: () => [],
    },
    ...more,
  });
}

/** Collects the lines of a stream; `read` may be asked for again. */
function follow(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const chunks: Uint8Array[] = [];
  const reader = stream.getReader();
  const reading = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) chunks.push(part.value);
  })();
  const events = () => chunks.map((chunk) => JSON.parse(new TextDecoder().decode(chunk)) as WatchEvent);
  const stop = async () => {
    await reader.cancel();
    await reading;
  };
  return { chunks, events, stop };
}

/** The servers that the lines tell of, in their order. */
function serversIn(events: readonly WatchEvent[]): string[] {
  return events.flatMap((event) => event.type === "servers" ? Object.keys(event.rows) : []);
}

Deno.test("who watches is told all again after a look that has failed, which is logged once", async () => {
  using clock = new FakeClock();
  using log = new CapturedLog();
  let [isFailing, hasB, isUnwell] = [false, false, false];
  using feed = feedOf({
    servers: () => hasB ? [serverRow("a"), serverRow("b")] : [serverRow("a")],
    health() {
      if (isFailing) throw new Error("the health report is not there");
      return { faults: [], notes: [], inflight: isUnwell ? 1 : 0, queued: 0, windows: 0, daemonBytes: 1 };
    },
  });
  const [one, two] = [follow(feed.watch({})), follow(feed.watch({}))];
  await clock.pass(SECOND_MS);
  [isFailing, hasB] = [true, true];
  await clock.pass(4 * SECOND_MS);
  const late = follow(feed.watch({}));
  await clock.pass(SECOND_MS);
  assertEquals(late.events().map(({ type }) => type), ["hello"]);
  assertEquals(log.take().map((line) => line.slice(0, 44)), ["error: what runs cannot be told to those who"]);
  [isFailing, isUnwell] = [false, true];
  await clock.pass(3 * SECOND_MS);
  for (const { events } of [one, two]) {
    const lines = events().filter(({ type }) => type === "servers");
    assertEquals(serversIn(lines).slice(-2), ["a", "b"]);
    assertEquals(lines.at(-1)!.whole, true);
  }
  assertEquals(serversIn(late.events()), ["a", "b"]);
  await Promise.all([one.stop(), two.stop(), late.stop()]);
});

Deno.test("all there is is made once for all who come at the same time", async () => {
  using clock = new FakeClock();
  using feed = feedOf({ servers: () => [serverRow("a")] });
  const all = Array.from({ length: 3 }, () => follow(feed.watch({})));
  await clock.pass(1);
  // The first is told at once, and the others with the next look.
  const [, second, third] = all.map(({ chunks }) => chunks.slice(1));
  assertEquals(second!.length, 4);
  third!.forEach((chunk, at) => assertStrictEquals(chunk, second![at]));
  for (const { stop } of all) await stop();
});

Deno.test("one who reads late has held little, and is told all and how many calls it has missed", async () => {
  using clock = new FakeClock();
  const calls = new FakeCalls();
  let looks = 0;
  using feed = feedOf({
    servers: () => [{ ...serverRow(`s${looks++}`), cause: "x".repeat(64 * KIB) }],
    calls,
  });
  const stream = feed.watch({});
  await clock.pass(10 * SECOND_MS);
  for (let id = 0; id < 700; id++) calls.end(id);
  calls.begin(1000);
  await clock.pass(SECOND_MS);
  const late = follow(stream);
  await clock.settle();
  const held = late.chunks.reduce((bytes, { length }) => bytes + length, 0);
  assert(held < 400 * KIB, `${held} bytes`);
  late.chunks.length = 0;
  await clock.pass(SECOND_MS);
  const [servers, ...rest] = late.events();
  assertEquals([servers!.type, servers!.whole], ["servers", true]);
  const told = rest.filter((event): event is CallsEvent => event.type === "calls");
  assertEquals(told.map(({ whole, calls, left_out }) => [whole, calls.length, left_out]), [
    [true, 1, 0],
    [false, 0, 700],
  ]);
  await late.stop();
});

Deno.test("a call that has ended since the look before is told to one who comes, too", async () => {
  using clock = new FakeClock();
  const calls = new FakeCalls();
  using feed = feedOf({ servers: () => [], calls });
  const first = follow(feed.watch({}));
  await clock.pass(SECOND_MS);
  calls.end(7);
  const late = follow(feed.watch({}));
  await clock.pass(SECOND_MS);
  for (const { events } of [first, late]) {
    const told = events().flatMap((event) => event.type === "calls" ? event.calls : []);
    assertEquals(told.map(({ id, outcome }) => [id, outcome]), [["7", "ok"]]);
  }
  await Promise.all([first.stop(), late.stop()]);
});

Deno.test("looks that take longer are fewer, and who comes meanwhile is told with the next", async () => {
  using clock = new FakeClock();
  const { now } = performance;
  let [tookMs, passedMs, looks] = [20, 0, 0];
  performance.now = () => now() + passedMs;
  using feed = feedOf({
    servers() {
      looks++;
      passedMs += tookMs;
      return [];
    },
  });
  const looksIn = async (ms: number) => {
    const before = looks;
    await clock.pass(ms);
    return looks - before;
  };
  const readers = [follow(feed.watch({}))];
  assertEquals(await looksIn(20 * SECOND_MS), 10, "a hundredth of the time");
  tookMs = 500;
  await looksIn(2 * SECOND_MS);
  assertEquals(await looksIn(20 * SECOND_MS), 4, "but one in five seconds");
  assertEquals(await looksIn(SECOND_MS), 0);
  for (let n = 0; n < 3; n++) readers.push(follow(feed.watch({})));
  assertEquals(await looksIn(1), 1);
  for (let n = 0; n < 10; n++) {
    readers.push(follow(feed.watch({})));
    assertEquals(await looksIn(40), 0);
  }
  assertEquals(await looksIn(SECOND_MS), 1);
  for (const { stop } of readers) await stop();
});

Deno.test("no more than 64 watch at once", () => {
  const feed = { watchers: MAX_WATCHERS } as WatchFeed;
  const route = watchRoute({ feed, logs: "/nowhere", serverNames: () => [] });
  const { message } = assertThrows(
    () => route(new Request("http://127.0.0.1/watch"), { isOwner: true }),
    Error,
  );
  assertMatch(message, /^64 watch already; close a page/);
});
