import { assertEquals } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { EventLog, type Resumption } from "../lib/transport/event_log.ts";
import { SdkMessage } from "../lib/transport/sdk_messages.ts";
import { jsonChars } from "../lib/transport/message_size.ts";
import type { RpcMessage, RpcResponse } from "../lib/wire/rpc.ts";

const LIMITS = { maxMessages: 16, maxChars: 10_000 };

function answer(id: number, text = ""): RpcMessage {
  return { jsonrpc: "2.0", id, result: { text } };
}

function notice(data: string): RpcMessage {
  return { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data } };
}

/** Opens a stream as the SDK does; gives the id of the event that opens it. */
function open(log: EventLog, streamId: string): Promise<string> {
  return log.storeEvent(streamId, {} as never);
}

function store(log: EventLog, streamId: string, message: RpcMessage): Promise<string> {
  const text = JSON.stringify(message);
  const isAnswer = "result" in message;
  return log.storeEvent(
    streamId,
    isAnswer
      ? SdkMessage.response({ number: Number(message.id), idText: String(message.id), text })
      : SdkMessage.other("method" in message ? message.method : "", text),
  );
}

function missed(resumption: Resumption): RpcMessage[] | "open" {
  return resumption.kind === "open"
    ? "open"
    : resumption.missed.map(({ message }) => JSON.parse(message.text));
}

Deno.test("a client that comes back gets what it missed of its stream and nothing of another", async () => {
  const log = new EventLog(LIMITS);
  const [a] = [await open(log, "a"), await open(log, "b")];
  const first = await store(log, "a", notice("one"));
  await store(log, "b", answer(2, "not for a"));
  assertEquals(missed(log.resume(a)), "open");
  const replayed: RpcMessage[] = [];
  await log.replayEventsAfter(a, {
    send: (_id, message) =>
      Promise.resolve(void replayed.push(JSON.parse((message as unknown as SdkMessage).text))),
  });
  assertEquals(replayed, [notice("one")]);
  await store(log, "a", answer(1));
  assertEquals(missed(log.resume(first)), [answer(1)]);
});

Deno.test("an answer that has to make room leaves word that it was given", async () => {
  const log = new EventLog(LIMITS);
  const a = await open(log, "a");
  await store(log, "a", answer(1, "x".repeat(8000)));
  await store(log, "b", answer(2, "x".repeat(8000)));
  const [word] = missed(log.resume(a)) as RpcResponse[];
  assertEquals([word!.id, (word!.error?.data as JsonObject).code], [1, "OUTCOME_UNKNOWN"]);
});

Deno.test("one talkative call takes no room of the others' answers", async () => {
  const log = new EventLog(LIMITS);
  const a = await open(log, "a");
  await store(log, "a", answer(1));
  for (let i = 0; i < 100; i++) await store(log, "b", notice(`line ${i}`));
  assertEquals(missed(log.resume(a)), [answer(1)]);
});

Deno.test("what was delivered makes room first, and an answer that is gone ends the stream", async () => {
  const log = new EventLog(LIMITS);
  const [a, b] = [await open(log, "a"), await open(log, "b")];
  await store(log, "a", answer(1, "x".repeat(4000)));
  await store(log, "b", answer(2, "x".repeat(4000)));
  log.delivered(2);
  await store(log, "c", answer(3, "x".repeat(4000)));
  assertEquals(missed(log.resume(a)), [answer(1, "x".repeat(4000))]);
  assertEquals(missed(log.resume(b)), []);
});

Deno.test("a request that was discarded leaves nothing to come back for", async () => {
  const log = new EventLog(LIMITS);
  const a = await open(log, "a");
  await store(log, "a", notice("one"));
  log.discard(1);
  await store(log, "a", answer(1));
  assertEquals(missed(log.resume(a)), []);
});

Deno.test("the answer of a call that outlasts its session holds nothing of the budget", async () => {
  const budget = new ByteBudget({ maxBytes: 1_000_000 });
  const log = new EventLog({ ...LIMITS, budget });
  await store(log, "a", answer(1, "x".repeat(1000)));
  assertEquals(budget.bytes > 1000, true);
  log.clear();
  await store(log, "a", answer(2, "x".repeat(1000)));
  assertEquals(budget.bytes, 0);
});

Deno.test("the size of what may not be JSON is no number", () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  for (const value of [loop, [1n], { f: () => {} }, "x".repeat(1001)]) {
    assertEquals(jsonChars(value, 1000), Infinity);
  }
  assertEquals(jsonChars({ text: "x".repeat(500) }, 1000) > 500, true);
});
