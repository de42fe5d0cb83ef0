import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { VERSION } from "../lib/base/version.ts";
import { formatVia, VIA_VARIABLE } from "../lib/wire/via.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { MemoryWindow } from "./helpers/memory_window.ts";

const MIB = 1024 * 1024;

function names(messages: readonly JsonObject[]): unknown[] {
  return messages.map(({ id, method }) => id ?? method);
}

Deno.test("the hello says who connects, from where, and what it can do", () => {
  using it = new MemoryWindow({ cwd: "/work", sessionId: "mine", server: "files" });
  assertEquals(it.bridge.hello(), {
    client: { name: "exai-shim", version: VERSION },
    cwd: "/work",
    pid: Deno.pid,
    nudge: true,
    lines: true,
    bytes: true,
    receipts: true,
    resume: true,
    server: "files",
    session_id: "mine",
  });
  using plain = new MemoryWindow();
  const before = Deno.env.get(VIA_VARIABLE);
  try {
    Deno.env.set(VIA_VARIABLE, formatVia(["one-daemon", "another"]));
    assertEquals(plain.bridge.hello().via, formatVia(["one-daemon", "another"]));
    Deno.env.delete(VIA_VARIABLE);
    assertEquals("via" in plain.bridge.hello(), false);
  } finally {
    if (before !== undefined) Deno.env.set(VIA_VARIABLE, before);
  }
  assertEquals(Object.keys(plain.bridge.hello()), [
    "client",
    "cwd",
    "pid",
    "nudge",
    "lines",
    "bytes",
    "receipts",
    "resume",
  ]);
});

Deno.test("the next hello asks for the session again, and says what waits and what has arrived", async () => {
  using it = await MemoryWindow.ready({}, { receipts: true, posts: 5 });
  it.call("acts", 1);
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x" });
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/progress", params: {} });
  it.daemon.send({ jsonrpc: "2.0", id: "q", method: "roots/list" });
  it.daemon.send({ op: "nudge" });
  it.cut();
  it.call("acts", 2);
  const { resume, session_id } = it.bridge.hello();
  assertEquals(session_id, "window");
  assertEquals(resume, { token: "secret", waiting: [1], posts: 7 });
});

Deno.test("what is sent in one turn goes out in one frame, if the daemon takes it so", async () => {
  using it = await MemoryWindow.ready({}, { lines: true });
  const before = it.daemon.frames.length;
  for (const id of [1, 2]) it.call("acts", id);
  await Promise.resolve();
  assertEquals([it.daemon.frames.length - before, names(it.daemon.take())], [1, [1, 2]]);
  it.daemon.send('{"jsonrpc":"2.0","id":1,"result":{}}\n{"jsonrpc":"2.0","id":2,"result":{}}');
  assertEquals(names(it.client.take()), [1, 2]);
  it.call("acts", 3);
  const closing = it.bridge.close(1000);
  assertEquals(names(it.daemon.take()), [3], "before the end");
  await closing;
});

Deno.test("a daemon that sends single frames may break its lines, and the client still gets one line", async () => {
  using it = await MemoryWindow.ready();
  it.call("acts", 1);
  it.call("acts", 2);
  it.daemon.send('{"jsonrpc":"2.0","id":1,\n"result":{}}');
  it.daemon.send('{"jsonrpc":"2.0","id":2,\r"result":{}}');
  assertEquals(it.client.lines.slice(-2), [1, 2].map((id) => `{"jsonrpc":"2.0","id":${id}, "result":{}}`));
  const text = '{ "jsonrpc":"2.0", "method":"notifications/x" }';
  it.daemon.send(text);
  assertEquals(it.client.lines.at(-1), text);
});

Deno.test("an answer to nobody in particular is the client's; one nobody waits for is not", async () => {
  using it = await MemoryWindow.ready();
  const error = { code: -32700, message: "what was that?" };
  it.daemon.send({ jsonrpc: "2.0", id: null, error });
  it.daemon.send({ jsonrpc: "2.0", id: 99, result: {} });
  it.daemon.send("no JSON");
  it.daemon.send({ op: "error", code: "X", message: "not for the client" });
  assertEquals(it.client.take(), [{ jsonrpc: "2.0", id: null, error }]);
});

Deno.test("the daemon is told what has arrived, on this connection and in the session", async () => {
  using it = await MemoryWindow.ready({}, { receipts: true, posts: 3 });
  it.call("acts", 1);
  it.daemon.answer({ id: 1 }, { text: "x".repeat(MIB) });
  const [receipt] = it.daemon.take().filter(({ op }) => op === "received");
  // The answers to initialize and tools/list, and this one.
  assertEquals(receipt, { op: "received", answers: 3, posts: 3 });
  it.cut();
  await it.connect({ receipts: true, posts: 8, unseen: [] });
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x", params: { text: "x".repeat(MIB) } });
  assertEquals(it.daemon.take(), [{ op: "received", answers: 0, posts: 9 }]);
});

Deno.test("a request of the daemon is counted as a post, its progress is not", async () => {
  using it = await MemoryWindow.ready({}, { receipts: true });
  const text = "x".repeat(MIB);
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/progress", params: { text } });
  assertEquals(it.daemon.take(), []);
  it.daemon.send({ jsonrpc: "2.0", id: "q", method: "roots/list", params: { text } });
  assertEquals(it.daemon.take(), [{ op: "received", answers: 2, posts: 1 }]);
});

Deno.test("the end is said to the daemon, and waited for as long as it may take", async () => {
  using it = await MemoryWindow.ready();
  await it.bridge.close(60_000);
  assertEquals(it.daemon.closed, { code: 1000, reason: "the client has ended" });
  using other = await MemoryWindow.ready();
  other.daemon.keepsOpen = true;
  const begunMs = performance.now();
  await other.bridge.close(30);
  const tookMs = performance.now() - begunMs;
  assert(tookMs >= 25 && tookMs < 2000, `${tookMs} ms`);
  await new MemoryWindow().bridge.close(60_000);
});

Deno.test("a request written to a connection that has just closed waits for the next, as never sent", async () => {
  using it = await MemoryWindow.ready();
  it.daemon.end(1001, "gone");
  it.call("acts", 1);
  it.write({ method: "notifications/x" });
  it.cut(1001, "gone");
  const { resume } = it.bridge.hello();
  assertMatch(JSON.stringify(resume), /"waiting":\[\]/);
  assertEquals(names((await it.connect({ unseen: [] })).take()), [1, "notifications/x"]);
});

Deno.test("a daemon that has not met the client is sent nothing of its before it has, whatever it says it knows", async () => {
  using it = new MemoryWindow();
  it.bridge.onConnect(it.daemon.link({ unseen: [] }));
  it.call("acts", 1);
  assertEquals(it.daemon.take(), []);
  await it.turn();
  assertEquals(names(it.daemon.take()), [1]);
});

Deno.test("a session taken up again is sent what the client says from then on, at once", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  await it.connect({ unseen: [] });
  it.call("acts", 1);
  assertEquals(names(it.daemon.take()), [1]);
});

Deno.test("a daemon that hangs after it has taken a session up again is noticed while a request waits", async () => {
  using clock = new FakeClock();
  using it = await MemoryWindow.ready({ pingIntervalMs: 10, pingTimeoutMs: 10 });
  it.call("acts", 1);
  it.cut();
  await it.connect({ unseen: [] });
  await clock.pass(10);
  assertEquals((await it.daemon.next()).method, "ping");
  await clock.pass(10);
  assertStringIncludes((await it.daemon.socket.closed).reason, "does not answer pings");
});

Deno.test("a daemon that says anything at all after a ping does not hang", async () => {
  using clock = new FakeClock();
  using it = await MemoryWindow.ready({ pingIntervalMs: 20, pingTimeoutMs: 20 });
  it.call("acts", 1);
  it.daemon.take();
  for (let pings = 0; pings < 3; pings++) {
    await clock.pass(20);
    assertEquals((await it.daemon.next()).method, "ping");
    it.daemon.send({ jsonrpc: "2.0", method: "notifications/x" });
  }
  assertEquals(it.daemon.socket.isOpen, true);
});

Deno.test("a connection that has ended leaves no timer behind", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { limits: undefined, receipts: true });
  it.cut();
  using timers = new FakeTimers();
  it.bridge.onConnect(it.daemon.link({ unseen: [], receipts: true }));
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x" });
  assertEquals(timers.size, 2, "for the ping and the receipt");
  it.cut();
  assertEquals(timers.size, 0);
});

Deno.test("an end that was confirmed leaves no timer behind", async () => {
  using it = await MemoryWindow.ready();
  using timers = new FakeTimers();
  const closing = it.bridge.close(60_000);
  const set = timers.set;
  await closing;
  assertEquals([set, timers.size], [1, 0]);
});

Deno.test("a connection that is cut while its daemon meets the client is not one to send on", async () => {
  using it = new MemoryWindow();
  it.bridge.onConnect(it.daemon.link());
  it.cut();
  await it.turn();
  it.call("acts", 1);
  assertEquals(it.demands, 1, "the request waits for the next");
});

Deno.test("that the client could not be introduced is logged with the reason", async () => {
  using it = await MemoryWindow.ready();
  it.cut();
  await it.connect();
  using log = new CapturedLog();
  it.cut();
  await it.turn();
  assertStringIncludes(log.take().join("\n"), "introduced: the connection to the daemon was cut");
});

Deno.test("what still comes on a connection that was cut does no harm, though the client does not read", async () => {
  using it = await MemoryWindow.ready({ maxQueuedBytes: 1000 });
  it.client.queuedChars = 1001;
  it.cut();
  using log = new CapturedLog();
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x" });
  assertEquals([log.take(), names(it.client.take())], [[], ["notifications/x"]]);
});

Deno.test("of what is no message for the client the log has what matters", async () => {
  using it = await MemoryWindow.ready();
  using log = new CapturedLog();
  it.daemon.send({ op: "nudge" });
  it.daemon.send("no JSON");
  it.daemon.send({ op: "error", code: "X" });
  const [first, second, ...others] = log.take();
  assertEquals([first, others], ["warning: the daemon sent a frame that is no JSON object", []]);
  assertStringIncludes(second!, "debug: the daemon says");
});

Deno.test("an error that answers nothing in particular is neither counted as an answer nor as a post", async () => {
  using it = await MemoryWindow.ready({}, { receipts: true });
  const text = "x".repeat(MIB);
  it.daemon.send({ jsonrpc: "2.0", id: null, error: { code: -32700, message: text } });
  assertEquals(it.daemon.take(), []);
  it.daemon.send({ jsonrpc: "2.0", method: "notifications/x", params: { text } });
  assertEquals(it.daemon.take(), [{ op: "received", answers: 2, posts: 1 }]);
});

Deno.test("only what the daemon says has arrived makes room for more of the client", async () => {
  using it = await MemoryWindow.ready({ maxFrameBytes: Infinity }, { limits: undefined, receipts: true });
  it.write({ method: "notifications/x" }, 33 * MIB);
  it.daemon.send({ op: "error", messages: 9 });
  assert(it.bridge.backpressure() instanceof Promise);
  it.daemon.send({ op: "received", messages: 9 });
  assertEquals(it.bridge.backpressure(), undefined);
});
