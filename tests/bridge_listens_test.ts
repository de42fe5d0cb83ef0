import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { MemoryWindow, TOOLS } from "./helpers/memory_window.ts";
import { claimOf, modernRequest, subscriptionOf } from "./helpers/modern.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

/** What a daemon sends about the listen `id`. */
function about(id: string, method: string, params: JsonObject = {}): JsonObject {
  return {
    jsonrpc: "2.0",
    method,
    params: { ...params, _meta: { "io.modelcontextprotocol/subscriptionId": id } },
  };
}

function names(messages: readonly JsonObject[]): unknown[] {
  return messages.map(({ id, method }) => id ?? method);
}

/** A window of the modern era that listens for changed tools as `l`, which it has been told. */
async function listening(settings = {}): Promise<MemoryWindow> {
  const it = new MemoryWindow(settings);
  await it.connect({ receipts: true });
  it.write(modernRequest("t", "tools/list"));
  it.daemon.answer({ id: "t" }, TOOLS);
  it.write(modernRequest("l", "subscriptions/listen", { notifications: { toolsListChanged: true } }));
  it.daemon.send(about("l", ACKNOWLEDGED, { notifications: { toolsListChanged: true } }));
  assertEquals(names(it.client.take()), ["t", ACKNOWLEDGED]);
  it.daemon.take();
  return it;
}

Deno.test("a listen is sent to each next daemon, however often, and acknowledged to the client once", async () => {
  using it = await listening();
  for (let n = 0; n < 60; n++) {
    it.cut();
    const next = await it.connect({ receipts: true });
    const sent = next.take().filter(({ id }) => id === "l");
    assertEquals(names(sent), ["l"], `daemon ${n}`);
    next.send(about("l", ACKNOWLEDGED, { notifications: { toolsListChanged: true } }));
  }
  assertEquals(it.client.take(), []);
  it.daemon.send(about("l", "notifications/tools/list_changed"));
  assertEquals(it.client.take().map(subscriptionOf), ["l"]);
});

Deno.test("a listen that its daemon ends goes on with the next, and one that is refused is over", async () => {
  using it = await listening();
  it.daemon.send({ jsonrpc: "2.0", id: "l", result: { resultType: "complete" } });
  assertEquals(it.client.take(), []);
  it.cut();
  assertEquals(it.bridge.hello().resume, { token: "secret", waiting: ["l"], posts: 1 });
  const next = await it.connect({ receipts: true, unseen: [] });
  assertEquals(names(next.take()), ["l"]);
  next.send({
    jsonrpc: "2.0",
    id: "l",
    error: { code: -32602, message: "no", data: { code: "INVALID_PARAMS" } },
  });
  assertEquals(names(it.client.take()), ["l"]);
  it.cut();
  assertEquals(names((await it.connect({ receipts: true })).take()).includes("l"), false);
});

Deno.test("a listen that the same daemon still has is not sent again; one withdrawn is not sent to the next", async () => {
  using it = await listening();
  it.cut();
  assertEquals(it.bridge.hello().resume, { token: "secret", waiting: ["l"], posts: 1 });
  assertEquals(names((await it.connect({ receipts: true, unseen: [], received: 2 })).take()), []);
  it.write({ method: "notifications/cancelled", params: { requestId: "l" } });
  assertEquals(names(it.daemon.take()), ["notifications/cancelled"]);
  it.cut();
  assertEquals(names((await it.connect({ receipts: true })).take()).includes("l"), false);
});

Deno.test("nobody waits for a listen: no time-out, no daemon is started for it, and stdin may end", async () => {
  using timers = new FakeTimers();
  const opening = listening({ shimRpcTimeoutMs: 1000, pingIntervalMs: 2000 });
  timers.pass(0);
  const it = await opening;
  timers.pass(60_000);
  assertEquals([it.client.take(), it.daemon.take().filter(({ method }) => method === "ping")], [[], []]);
  it.cut();
  assertEquals([it.bridge.isDaemonNeeded(), timers.size], [false, 0]);
  await it.bridge.whenIdle();
  it.bridge.failAll();
  assertEquals(it.client.take(), []);
});

Deno.test("a client that never initializes is answered from memory by what it says of itself", async () => {
  using it = new MemoryWindow();
  await it.connect();
  const said = { capabilities: { elicitation: {} } };
  it.write(modernRequest(1, "server/discover", {}, said));
  it.answer({ supportedVersions: ["2026-07-28"] });
  it.write(modernRequest(2, "tools/list", {}, said));
  it.answer(TOOLS);
  it.client.take();
  it.cut();
  it.write(modernRequest("d", "server/discover", {}, { ...said, meta: { progressToken: 7 } }));
  it.write(modernRequest("t", "tools/list", {}, said));
  assertEquals(it.client.take().map(({ id, result }) => [id, Object.keys(result as JsonObject)]), [
    ["d", ["supportedVersions"]],
    ["t", ["tools"]],
  ]);
  it.write(modernRequest("o", "tools/list", {}, { capabilities: {} }));
  it.ask("tools/list", {}, "legacy");
  assertEquals([it.client.take(), it.demands], [[], 2]);
});

Deno.test("lists that differ with the next daemon are told to the listens that ask for them", async () => {
  using it = await listening();
  it.write(modernRequest("m", "subscriptions/listen", { notifications: { promptsListChanged: true } }));
  it.daemon.send(about("m", ACKNOWLEDGED));
  it.client.take();
  it.cut();
  const next = await it.connect();
  const asked = next.take().find(({ method }) => method === "tools/list")!;
  assertEquals((asked.params as JsonObject)._meta, claimOf());
  next.answer(asked, { tools: [] });
  await it.turn();
  assertEquals(it.client.take(), [about("l", "notifications/tools/list_changed")]);
});

Deno.test("what ran when a daemon ended fails or is repeated, whatever its era", async () => {
  using it = await listening();
  it.write(modernRequest("acts", "tools/call", { name: "acts" }));
  it.write(modernRequest("reads", "tools/call", { name: "reads" }));
  it.cut();
  const next = await it.connect({ recovered: { unseen: ["reads", "l"], unknown: ["acts"] } });
  assertEquals(names(next.take().filter(({ id }) => !String(id).startsWith("exai-shim-"))), ["l", "reads"]);
  assertEquals(it.client.take().map(({ id, refused }) => [id, refused]), [["acts", "OUTCOME_UNKNOWN"]]);
});
