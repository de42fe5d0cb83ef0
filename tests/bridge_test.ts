import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { LinkError, type LinkFault } from "../lib/client/link_target.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { MemoryWindow } from "./helpers/memory_window.ts";
import { INITIALIZE } from "./helpers/shim.ts";

const MIB = 1024 * 1024;

/** What a window was told, short: the id and the code of an error, or whatever else it is. */
function codes(told: readonly JsonObject[]): unknown[] {
  return told.map(({ id, refused, result, method }) => [id, refused ?? result ?? method]);
}

/** Whether `work` has come to its end by now. */
async function isOver(work: Promise<unknown>): Promise<boolean> {
  let over = false;
  work.then(() => over = true);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  return over;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("a request is refused whose id is in use, that is larger than the daemon takes, and no smaller one", async () => {
  using it = await MemoryWindow.ready({}, { limits: { max_bytes: 300 } });
  it.call("acts", 1, 300);
  it.call("acts", 1);
  it.call("acts", 2, 301);
  assertEquals(codes(it.client.take()), [[null, "INVALID_REQUEST"], [2, "TOO_LARGE"]]);
  assertEquals(it.daemon.take().map(({ id }) => id), [1]);
  it.daemon.answer({ id: 1 }, { done: true });
  it.call("acts", 1);
  assertEquals(codes(it.client.take()), [[1, { done: true }]], "the id is free again");
});

Deno.test("before a daemon has said what it takes, the window's own setting is the limit", () => {
  using it = new MemoryWindow({ maxFrameBytes: 300 });
  it.call("acts", 1, 301);
  it.call("acts", 2, 300);
  assertEquals(codes(it.client.take()), [[1, "TOO_LARGE"]]);
});

Deno.test("a daemon that tells no limits leaves the window's own setting in force", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: 300 }, { limits: undefined });
  it.call("acts", 1, 301);
  assertEquals(codes(it.client.take()), [[1, "TOO_LARGE"]]);
});

Deno.test("no more is kept for a daemon that is away than 128 MiB of requests, and as much of the rest", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { limits: undefined });
  it.daemon.send({ jsonrpc: "2.0", id: "q", method: "roots/list" });
  it.cut();
  it.call("acts", 1, 128 * MIB);
  it.call("acts", 2, 1);
  it.write({ method: "notifications/x" }, 128 * MIB);
  it.write({ method: "notifications/y" }, 1);
  it.write({ id: "q", result: { roots: [] } }, 1);
  const [asked, ...refused] = it.client.take();
  assertEquals([asked!.id, codes(refused)], ["q", [[2, "OVER_CAPACITY"]]]);
  assertStringIncludes(String(refused[0]!.message), "1 requests with 128 MiB");
  const sent = (await it.connect({ unseen: [] })).take();
  assertEquals(sent.map(({ id, method }) => id ?? method), [1, "notifications/x", "q"]);
  assertEquals(((sent[2]!.error as JsonObject).data as JsonObject).code, "OVER_CAPACITY");
});

Deno.test("an answer of the client that has no room is replaced by one that says so, for whoever asked", async () => {
  using it = await MemoryWindow.ready({}, { limits: { max_bytes: 300 } });
  for (const id of ["a", "b", "c"]) it.daemon.send({ jsonrpc: "2.0", id, method: "roots/list" });
  it.write({ id: "a", result: { roots: [] } }, 301);
  it.write({ id: "b", result: { roots: [] } }, 300);
  it.bridge.handleMalformedResponse("c", "no result");
  it.bridge.handleMalformedResponse("c", "once more");
  it.bridge.handleMalformedResponse("nobody asked", "no result");
  it.write({ id: "a", result: { roots: [] } });
  const answers = it.daemon.take().map(({ id, result, error }) => {
    return [id, result ?? ((error as JsonObject).data as JsonObject).code];
  });
  assertEquals(answers, [["a", "TOO_LARGE"], ["b", { roots: [] }], ["c", "INVALID_REQUEST"]]);
});

Deno.test("a notification the daemon cannot take is dropped, the client's progress goes on only while it is there", async () => {
  using it = await MemoryWindow.ready({}, { limits: { max_bytes: 300 } });
  it.write({ method: "notifications/large" }, 301);
  it.write({ method: "notifications/progress", params: { progressToken: 1, progress: 1 } }, 301);
  assertEquals(it.daemon.take().map(({ method }) => method), ["notifications/progress"]);
  it.cut();
  it.write({ method: "notifications/progress", params: { progressToken: 1, progress: 2 } });
  assertEquals(await it.meet(), []);
});

Deno.test("the client is read on while less than 32 MiB are under way, and again when the daemon has taken half", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { limits: undefined, receipts: true });
  const post = (bytes: number) => it.write({ method: "notifications/x" }, bytes);
  post(16 * MIB);
  post(1);
  post(16 * MIB - 1);
  assertEquals(it.bridge.backpressure(), undefined);
  post(1);
  const room = it.bridge.backpressure()!;
  assertEquals(it.bridge.backpressure(), room);
  // Before these the client has said initialize, initialized and asked for the tools.
  it.daemon.send({ op: "received", messages: 3 });
  assertEquals(await isOver(room), false);
  it.daemon.send({ op: "received", messages: 4 });
  assertEquals(await isOver(room), false, "one byte too many is left");
  it.daemon.send({ op: "received", messages: 5 });
  assertEquals(await isOver(room), true);
  assertEquals(it.bridge.backpressure(), undefined);
});

Deno.test("the client is read on at once when the daemon goes, and never held up by one that confirms nothing", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { limits: undefined, receipts: true });
  it.write({ method: "notifications/x" }, 33 * MIB);
  const room = it.bridge.backpressure()!;
  it.cut();
  assertEquals(await isOver(room), true);
  assertEquals(it.bridge.backpressure(), undefined);
  await it.connect({ receipts: undefined });
  it.write({ method: "notifications/x" }, 33 * MIB);
  assertEquals(it.bridge.backpressure(), undefined);
});

Deno.test("a daemon that hangs while the client is held up is noticed, though nothing waits for an answer", async () => {
  using clock = new FakeClock();
  const settings = { maxFrameBytes: Infinity, pingIntervalMs: 10, pingTimeoutMs: 10 };
  using it = await MemoryWindow.ready(settings, { limits: undefined, receipts: true });
  // What was waited for on the way here has come.
  await clock.pass(60);
  assertEquals(it.daemon.take(), []);
  it.write({ method: "notifications/x" }, 33 * MIB);
  assertEquals(it.bridge.backpressure() instanceof Promise, true);
  it.daemon.take();
  await clock.pass(10);
  assertEquals((await it.daemon.next()).method, "ping");
  await clock.pass(10);
  assertStringIncludes((await it.daemon.socket.closed).reason, "does not answer pings");
});

Deno.test("a daemon that hangs while a request waits is noticed, and one nobody waits for is left alone", async () => {
  using clock = new FakeClock();
  using it = await MemoryWindow.ready({ pingIntervalMs: 10, pingTimeoutMs: 10 });
  await clock.pass(60);
  assertEquals(it.daemon.take(), []);
  it.call("acts", 1);
  it.daemon.take();
  await clock.pass(10);
  assertEquals((await it.daemon.next()).method, "ping");
  await clock.pass(10);
  assertStringIncludes((await it.daemon.socket.closed).reason, "does not answer pings");
});

Deno.test("what the client says has no bound while the daemon confirms what it takes", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { limits: undefined, receipts: true });
  for (const method of ["notifications/x", "notifications/y"]) it.write({ method }, 100 * MIB);
  it.daemon.send({ jsonrpc: "2.0", id: "q", method: "roots/list" });
  it.write({ id: "q", result: { roots: [] } });
  assertEquals(it.daemon.take().map(({ id, method }) => id ?? method), [
    "notifications/x",
    "notifications/y",
    "q",
  ]);
});

Deno.test("a window knows its revision once it has initialized", async () => {
  using fresh = new MemoryWindow();
  using it = await MemoryWindow.ready();
  assertEquals([fresh.bridge.revision, it.bridge.revision], [undefined, "2025-06-18"]);
});

Deno.test("why there is no daemon is logged when it changes, not with each try", async () => {
  using it = await MemoryWindow.ready();
  using log = new CapturedLog();
  const faults = ["nobody listens", "nobody listens", "no answer", "nobody listens"];
  for (const fault of faults) it.bridge.onLinkError(new LinkError("refused", fault));
  assertEquals(log.take(), ["nobody listens", "no answer", "nobody listens"].map((why) => `warning: ${why}`));
});

Deno.test("a cancelled request is forgotten, and the daemon hears of it if it had it", async () => {
  using it = await MemoryWindow.ready();
  const cancel = (id: number, method = "notifications/cancelled") =>
    it.write({ method, params: { requestId: id } });
  it.call("acts", 1);
  cancel(1, "notifications/x");
  cancel(1);
  it.daemon.answer({ id: 1 });
  assertEquals(it.daemon.take().map(({ id, method }) => id ?? method), [
    1,
    "notifications/x",
    "notifications/cancelled",
  ]);
  it.call("acts", 2);
  cancel(2, "notifications/x");
  it.daemon.answer({ id: 2 });
  it.cut();
  it.call("acts", 3);
  cancel(3);
  assertEquals((await it.connect({ unseen: [], receipts: true, received: 9 })).take(), []);
  assertEquals(codes(it.client.take()), [[2, {}]]);
});

Deno.test("a request that has gone out need not be afraid of the time a daemon may take to come", async () => {
  const settings = { connectTimeoutMs: 30, resumeWindowMs: 30 };
  using it = new MemoryWindow(settings);
  it.call("acts", 1);
  await it.connect();
  await wait(80);
  it.cut();
  await it.connect({ recovered: { unseen: [], unknown: [] } });
  await wait(80);
  assertEquals(it.client.take(), []);
});

Deno.test("a window is idle when its last request is answered, cancelled or refused, and not before", async () => {
  using it = await MemoryWindow.ready();
  assertEquals(await isOver(it.bridge.whenIdle()), true);
  const ends = [
    () => it.daemon.answer({ id: 2 }),
    () => it.write({ method: "notifications/cancelled", params: { requestId: 2 } }),
    () => it.bridge.failAll(),
  ];
  for (const end of ends) {
    it.call("acts", 1);
    it.call("acts", 2);
    const idle = it.bridge.whenIdle();
    it.daemon.answer({ id: 1 });
    assertEquals(await isOver(idle), false);
    end();
    assertEquals(await isOver(idle), true);
  }
});

Deno.test("at the end every request is answered, with what became of it", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts", 1);
  it.cut(1006, "pulled");
  it.call("acts", 2);
  it.bridge.failAll();
  const told = it.client.take();
  assertEquals(codes(told), [[1, "CANCELLED"], [2, "DAEMON_UNAVAILABLE"]]);
  assertStringIncludes(String(told[0]!.message), "stdin was closed before the answer to tools/call");
  assertStringIncludes(String(told[1]!.message), "the connection ended (1006 pulled)");
});

Deno.test("a daemon is wanted until one was tried, and then while a request waits", () => {
  using it = new MemoryWindow();
  assertEquals(it.bridge.isDaemonNeeded(), true);
  it.bridge.onLinkError(new LinkError("refused", "nobody listens"));
  assertEquals([it.bridge.isDaemonNeeded(), it.demands], [false, 0]);
  it.call("acts");
  assertEquals([it.bridge.isDaemonNeeded(), it.demands], [true, 1]);
  it.bridge.failAll();
  assertEquals(it.bridge.isDaemonNeeded(), false);
});

Deno.test("a window that has its connection wants no other", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts");
  it.daemon.answer({ id: 1 });
  assertEquals([it.bridge.isDaemonNeeded(), it.demands], [false, 0]);
});

const TURNED_AWAY: [LinkFault, string | undefined][] = [
  ["refused", undefined],
  ["unreachable", undefined],
  ["rejected", "DAEMON_UNAVAILABLE"],
  ["unproven", "DAEMON_UNAVAILABLE"],
  ["unauthorized", "UNAUTHORIZED"],
];
for (const [fault, code] of TURNED_AWAY) {
  const what = code ? `refuses what was not sent with ${code}` : "keeps every request waiting";
  Deno.test(`a link that is ${fault} ${what}`, async () => {
    using it = await MemoryWindow.ready();
    it.call("acts", 1);
    it.cut();
    it.call("acts", 2);
    it.client.take();
    it.bridge.onLinkError(new LinkError(fault, "the reason why"));
    const told = it.client.take();
    assertEquals(codes(told), code ? [[2, code]] : []);
    if (code) assertStringIncludes(String(told[0]!.message), "the reason why");
  });
}

Deno.test("a request that waited too long for a daemon says why there was none, and what to do", async () => {
  using it = new MemoryWindow({ connectTimeoutMs: 20, resumeWindowMs: 20 });
  it.call("acts", 1);
  await wait(40);
  const [first] = it.client.take();
  assertStringIncludes(String(first!.message), "it has not answered yet");
  it.bridge.onLinkError(new LinkError("refused", "nobody listens"));
  it.call("acts", 2);
  await wait(40);
  const [second] = it.client.take();
  assertEquals([second!.refused, second!.retryAfterMs], ["DAEMON_UNAVAILABLE", 1000]);
  assertStringIncludes(String(second!.message), "for 0.02 s: nobody listens");
  assertStringIncludes(String(second!.message), "Start it.");
});

Deno.test("a request not answered in time is cancelled at the daemon, but never initialize, nor what it never had", async () => {
  using it = new MemoryWindow({ shimRpcTimeoutMs: 20 });
  await it.connect();
  it.ask("initialize", INITIALIZE, 1);
  it.call("acts", 2);
  it.daemon.take();
  await wait(60);
  assertEquals(codes(it.client.take()), [[1, "TIMEOUT"], [2, "TIMEOUT"]]);
  const [cancelled, ...others] = it.daemon.take();
  assertEquals(cancelled, {
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId: 2, reason: "not answered in time" },
  });
  assertEquals(others, []);
  it.cut();
  it.call("acts", 3);
  await wait(60);
  assertEquals(codes(it.client.take()), [[3, "TIMEOUT"]]);
  assertEquals((await it.connect()).take(), []);
});

Deno.test("more is taken of a daemon while the client has read half of what may wait for it", async () => {
  using it = new MemoryWindow({ maxQueuedBytes: 1000 });
  it.client.queuedChars = 500;
  assertEquals(await isOver(it.bridge.waitForCapacity()), true);
  it.client.queuedChars = 501;
  const room = it.bridge.waitForCapacity();
  assertEquals(await isOver(room), false);
  it.client.room.resolve();
  assertEquals(await isOver(room), true);
});

Deno.test("a client that does not read has its connection cut once more waits for it than may", async () => {
  using it = await MemoryWindow.ready({ maxQueuedBytes: 1000 });
  it.client.queuedChars = 1000;
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x" });
  assertEquals(it.daemon.socket.isOpen, true);
  it.client.queuedChars = 1001;
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x" });
  assertEquals(await it.daemon.socket.closed, { code: 1006, reason: "the client does not read" });
});
