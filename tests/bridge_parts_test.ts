import { assertEquals, assertStringIncludes } from "@std/assert";
import type { ExaiError } from "../lib/base/errors.ts";
import { Backpressure } from "../lib/shim/backpressure.ts";
import { type PendingMessage, PendingMessages, type PendingRequest } from "../lib/shim/pending_messages.ts";
import { LinkError } from "../lib/client/link_target.ts";
import { Outbox } from "../lib/shim/outbox.ts";
import { DaemonRequests } from "../lib/shim/daemon_requests.ts";
import { FailureResponder } from "../lib/shim/failure_responder.ts";
import { CapturedLog } from "./helpers/captured_log.ts";

const MIB = 1024 * 1024;

function request(id: number, parts: Partial<PendingRequest> = {}): PendingRequest {
  return {
    kind: "request",
    id,
    method: "tools/call",
    text: "{}",
    bytes: 10,
    isSent: true,
    sends: 1,
    ...parts,
  };
}

Deno.test("a question is answered once, and withdrawn once when its daemon goes", () => {
  const requests = new DaemonRequests();
  for (const id of ["a", "b", "c", 1]) requests.add(id);
  assertEquals([requests.take("a"), requests.take("a"), requests.take("1")], [true, false, false]);
  requests.handleCancelled({ requestId: "b" });
  requests.handleCancelled(undefined);
  requests.handleCancelled(null);
  const withdrawn = requests.cancelAll().map(({ method, params }) => [method, params]);
  const reason = "the daemon that asked has gone away";
  assertEquals(withdrawn, ["c", 1].map((requestId) => ["notifications/cancelled", { requestId, reason }]));
  assertEquals([requests.cancelAll(), requests.take("c")], [[], false]);
});

Deno.test("a client is held up beyond 32 MiB, until 16 MiB are left", async () => {
  const backpressure = new Backpressure();
  assertEquals([backpressure.waitForCapacity(32 * MIB), backpressure.isPaused], [undefined, false]);
  const room = backpressure.waitForCapacity(32 * MIB + 1);
  assertEquals([backpressure.waitForCapacity(33 * MIB) === room, backpressure.isPaused], [true, true]);
  backpressure.drainedTo(16 * MIB + 1);
  assertEquals(backpressure.isPaused, true);
  backpressure.drainedTo(16 * MIB);
  assertEquals(backpressure.isPaused, false);
  await room;
  const again = backpressure.waitForCapacity(33 * MIB);
  backpressure.resume();
  await again;
});

function responderOf(...entries: PendingRequest[]) {
  const pending = new PendingMessages();
  for (const entry of entries) pending.add(entry);
  const told: [unknown, ExaiError][] = [];
  const failures = new FailureResponder(pending, {
    client: {
      refuse: (idText, error) => void told.push([JSON.parse(idText), error]),
      sendText: () => {},
    },
    replayState: { isSafeToRepeat: ({ id }) => id === 9 },
    advice: "Start it.",
  });
  return { failures, pending, codes: () => told.splice(0).map(([id, { code }]) => [id, code]), told };
}

Deno.test("a request is answered once, whatever becomes of it", async () => {
  const entry = request(1);
  const it = responderOf(entry, request(9), request(3, { isSent: false }));
  for (const one of [...it.pending.requests()]) it.failures.handleDaemonTimeout(one, 1000);
  it.failures.handleDaemonTimeout(entry, 1000);
  it.failures.failAfterCut(entry, "unknown");
  assertStringIncludes(it.told[2]![1].message, "for 1 s: it has not answered yet. ");
  assertEquals(it.codes(), [[1, "OUTCOME_UNKNOWN"], [9, "DAEMON_UNAVAILABLE"], [3, "DAEMON_UNAVAILABLE"]]);
  await it.failures.whenIdle();
});

Deno.test("when the client has said all, every request that waits is answered", () => {
  const it = responderOf(request(1), request(2, { isSent: false }));
  it.failures.failAll();
  assertEquals(it.codes(), [[1, "CANCELLED"], [2, "DAEMON_UNAVAILABLE"]]);
  assertEquals([it.pending.requestCount, it.codes()], [0, []]);
});

Deno.test("an action that leaves hope answers nothing; the others say which they are", () => {
  const it = responderOf(request(1), request(2, { sends: 7 }));
  const [first, second] = [...it.pending.requests()];
  for (const action of ["send", "keep", "drop"] as const) it.failures.failAfterCut(first!, action);
  assertEquals(it.told, []);
  it.failures.failAfterCut(first!, "unknown");
  it.failures.failAfterCut(second!, "undelivered");
  assertStringIncludes(it.told[1]![1].message, "7 times");
  assertEquals(it.codes(), [[1, "OUTCOME_UNKNOWN"], [2, "DAEMON_UNAVAILABLE"]]);
});

Deno.test("the last reason why there is no daemon is the one that is told", () => {
  using log = new CapturedLog();
  const it = responderOf(request(1, { isSent: false }), request(2, { isSent: false }));
  const [first, second] = [...it.pending.requests()];
  for (let n = 0; n < 2; n++) it.failures.handleLinkError(new LinkError("refused", "nobody listens"));
  assertEquals(log.take(), ["warning: nobody listens"], "once, however often it is tried");
  it.failures.handleDaemonTimeout(first!, 1000);
  it.failures.noteDisconnect("1006");
  it.failures.handleDaemonTimeout(second!, 1000);
  const [before, after] = it.told.map(([, { message }]) => message);
  assertStringIncludes(before!, "nobody listens");
  assertStringIncludes(after!, "the connection ended (1006)");
});

Deno.test("of what was too large only the largest that was sent is given up", () => {
  const it = responderOf(request(1), request(2, { bytes: 30 }), request(3, { bytes: 40, isSent: false }));
  it.failures.failLargest(20);
  assertStringIncludes(it.told[0]![1].message, "30 B");
  assertEquals(it.codes(), [[2, "TOO_LARGE"]]);
  const none = responderOf(request(3, { isSent: false }));
  none.failures.failLargest(20);
  assertEquals(none.told, []);
});

function outbox(state: { ready?: boolean; open?: boolean; tellsArrivals?: boolean } = {}) {
  const pending = new PendingMessages();
  const sent: string[] = [];
  const actions: unknown[] = [];
  const stopped: unknown[] = [];
  const send = (text: string) => {
    if (state.open === false) return false;
    sent.push(text);
    return true;
  };
  const uplink = {
    isReady: state.ready ?? true,
    maxFrameBytes: 200 * MIB,
    acknowledgesMessages: state.tellsArrivals ?? false,
    get sentCount() {
      return sent.length;
    },
    send,
    sendRequest: ({ text }: { text: string }) => send(text),
  };
  const box = new Outbox({
    pending,
    uplink,
    timers: { stopAwaitingDaemon: ({ id }) => void stopped.push(id) },
    failures: { failAfterCut: ({ id }, action) => void actions.push([id, action]) },
  });
  return { box, pending, sent, actions, stopped };
}

Deno.test("what is no request is sent when it may be, kept until it has arrived, and knows its place", () => {
  const it = outbox();
  it.box.notify("notifications/x", { text: "x", bytes: 1 });
  it.box.respond("q", { text: "y", bytes: 1 });
  assertEquals(it.sent, ["x", "y"]);
  assertEquals([...it.pending].map(({ isSent, sequence }) => [isSent, sequence]), [[true, 1], [
    true,
    2,
  ]]);
  const early = outbox({ ready: false });
  early.box.notify("notifications/x", { text: "x", bytes: 1 });
  early.box.respond("q", { text: "y", bytes: 1 });
  assertEquals(early.sent, ["y"], "an answer is for the daemon that has asked");
  const away = outbox({ open: false });
  away.box.notify("notifications/x", { text: "x", bytes: 1 });
  assertEquals([...away.pending].map(({ isSent, sequence }) => [isSent, sequence]), [[
    false,
    undefined,
  ]]);
});

Deno.test("no more than 128 MiB of requests wait, and as much of the rest where no arrivals are told", () => {
  using log = new CapturedLog();
  const it = outbox({ open: false });
  assertEquals(it.box.overCapacity({ bytes: 128 * MIB }), undefined);
  assertEquals(it.box.overCapacity({ bytes: 128 * MIB + 1 })?.code, "OVER_CAPACITY");
  it.box.notify("notifications/x", { text: "x", bytes: 128 * MIB });
  it.box.notify("notifications/y", { text: "y", bytes: 1 });
  assertEquals([...it.pending].map(({ text }) => text), ["x"]);
  assertStringIncludes(log.take().join(), "notifications/y of 1 bytes is dropped");
  const told = outbox({ tellsArrivals: true });
  for (const text of ["x", "y"]) told.box.notify("notifications/x", { text, bytes: 128 * MIB });
  assertEquals(told.sent, ["x", "y"]);
});

Deno.test("after a cut each message has its action: sent again, kept, dropped or given up", () => {
  const it = outbox();
  for (const id of [1, 2, 3]) it.pending.add(request(id));
  const note: PendingMessage = {
    kind: "notification",
    method: "notifications/x",
    text: "n",
    bytes: 1,
    isSent: true,
  };
  it.pending.add(note);
  const actions = ["send", "keep", "unknown"] as const;
  it.box.applyRecovery((entry) =>
    entry === note ? "drop" : actions[(entry as PendingRequest).id as number - 1]!
  );
  assertEquals([it.sent.length, it.stopped, it.actions], [1, [1, 2, 3], [[2, "keep"], [3, "unknown"]]]);
  assertEquals([...it.pending].length, 3);
  it.box.applyRestart(undefined, ({ id }) => id === 1);
  assertEquals(it.pending.get(1)!.isSent, false, "it is sent when the next daemon has met the client");
  assertEquals(it.actions.slice(2), [[2, "unknown"], [3, "unknown"]]);
});

Deno.test("a request that has gone out once may have arrived, though it cannot be sent now", () => {
  const { box, pending } = outbox({ open: false });
  const entries = [request(1), request(2, { isSent: false, sends: 0 })];
  for (const entry of entries) {
    pending.add(entry);
    box.send(entry);
  }
  assertEquals(entries.map(({ isSent, sends }) => [isSent, sends]), [[true, 2], [false, 1]]);
});
