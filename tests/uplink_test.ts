import { assert, assertEquals, assertMatch } from "@std/assert";
import { VERSION } from "../lib/base/version.ts";
import { VIA_VARIABLE, writeVia } from "../lib/base/via.ts";
import type { JsonObject } from "../lib/base/json.ts";
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
    nudge: true,
    lines: true,
    receipts: true,
    resume: true,
    server: "files",
    session_id: "mine",
  });
  using plain = new MemoryWindow();
  const before = Deno.env.get(VIA_VARIABLE);
  try {
    Deno.env.set(VIA_VARIABLE, writeVia(["one-daemon", "another"]));
    assertEquals(plain.bridge.hello().via, writeVia(["one-daemon", "another"]));
    Deno.env.delete(VIA_VARIABLE);
    assertEquals("via" in plain.bridge.hello(), false);
  } finally {
    if (before !== undefined) Deno.env.set(VIA_VARIABLE, before);
  }
  assertEquals(Object.keys(plain.bridge.hello()), ["client", "cwd", "nudge", "lines", "receipts", "resume"]);
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
  assertEquals(it.client.lines.slice(-2), [1, 2].map((id) => `{"jsonrpc":"2.0","id":${id},"result":{}}`));
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
  it.bridge.onup(it.daemon.link({ unseen: [] }));
  it.call("acts", 1);
  assertEquals(it.daemon.take(), []);
  await it.turn();
  assertEquals(names(it.daemon.take()), [1]);
});
