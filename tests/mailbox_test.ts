import { assertEquals } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import type { ExaiError } from "../lib/base/errors.ts";
import type { JournaledCall, JournalEntry, SessionJournal } from "../lib/session/journal.ts";
import { ReplayBuffer, type ReplayLimits } from "../lib/session/replay_buffer.ts";
import type { RequestId } from "../lib/wire/rpc.ts";
import { FakeClock } from "./helpers/fake_clock.ts";

/** A connection that keeps what it is sent. */
class Line {
  readonly sent: string[] = [];
  closed: unknown[] = [];
  send(text: string): void {
    this.sent.push(text);
  }
  close(...how: unknown[]): void {
    this.closed = how;
  }
  take(): string[] {
    return this.sent.splice(0);
  }
}

/** A journal that keeps what it is told. */
function journalOf() {
  const told: string[] = [];
  const journal: SessionJournal = {
    begin: (id) => (told.push(`begin ${id}`), { id }),
    finish: ({ id }, answer, { soon } = {}) => void told.push(`finish ${id} ${answer} ${soon}`),
    dropAnswer: ({ id }) => void told.push(`drop ${id}`),
    forget: ({ id }) => void told.push(`forget ${id}`),
    close: () => void told.push("close"),
    release: () => void told.push("release"),
  };
  return { journal, take: () => told.splice(0) };
}

/** The buffer of a client that can come back. */
function bufferOf(limits: Partial<ReplayLimits> = {}) {
  const kept = journalOf();
  const all = { maxMessages: 256, maxChars: 1_000_000, ...limits };
  const buffer = new ReplayBuffer(all, { keepsResponses: true, journal: kept.journal });
  const budget = limits.budget;
  return { buffer, told: kept.take, bytes: () => budget!.bytes };
}

const refusal = (id: RequestId) => `refused ${id}`;

const call = (id: RequestId, answer?: string): JournaledCall => ({ entry: { id } as JournalEntry, answer });

Deno.test("what a client is sent while it is there goes out at once, and a connection that was replaced says nothing more", () => {
  const { buffer } = bufferOf();
  const [first, second] = [new Line(), new Line()];
  assertEquals(buffer.isAttached, false);
  buffer.attach(first);
  buffer.send("a");
  buffer.sendTransient("b");
  buffer.sendResponse(1, "c");
  buffer.rejectDuplicate(1, "d");
  assertEquals([first.take(), buffer.isAttached], [["a", "b", "c", "d"], true]);
  buffer.close(4008, "why");
  assertEquals(first.closed, [4008, "why"]);
  buffer.attach(second);
  assertEquals([buffer.detach(first), buffer.isAttached], [false, true]);
  assertEquals([buffer.detach(second), buffer.isAttached], [true, false]);
  buffer.close(1, "nobody is there");
  assertEquals(second.closed, []);
});

Deno.test("a client that comes back has what it was not sent and the answers it waits for, and no other", () => {
  const { buffer } = bufferOf();
  const [before, after] = [new Line(), new Line()];
  buffer.attach(before);
  buffer.send("sent");
  buffer.sendResponse(1, "one");
  buffer.detach(before);
  buffer.send("kept");
  buffer.sendTransient("passing");
  buffer.sendResponse(2, "two");
  buffer.sendResponse("3", "three");
  assertEquals([1, 2, 3, "3"].map((id) => buffer.hasResponse(id)), [true, true, false, true]);
  buffer.attach(after);
  assertEquals(buffer.resume([1, "3", 9], refusal), 0);
  assertEquals(after.take(), ["kept", "one", "three"]);
  assertEquals([buffer.hasResponse(1), buffer.hasResponse(2)], [true, false]);
  // Counted anew: the first answer of this connection is the first it was sent.
  buffer.acknowledgeResponses(1);
  assertEquals([buffer.hasResponse(1), buffer.hasResponse("3")], [false, true]);
  buffer.detach(after);
  buffer.attach(after);
  buffer.resume(["3"], refusal);
  assertEquals(after.take(), ["three"], "what it was sent before it is not sent again");
});

Deno.test("an answer is kept until it is confirmed; they are counted from the connection's first", () => {
  const { buffer } = bufferOf();
  buffer.attach(new Line());
  for (const id of [1, 2, 3]) buffer.sendResponse(id, `answer ${id}`);
  const held = () => [1, 2, 3, 4].filter((id) => buffer.hasResponse(id));
  buffer.acknowledgeResponses(0);
  assertEquals(held(), [1, 2, 3]);
  buffer.acknowledgeResponses(1);
  assertEquals(held(), [2, 3]);
  buffer.acknowledgeResponses(1);
  assertEquals(held(), [2, 3]);
  buffer.sendResponse(4, "answer 4");
  buffer.acknowledgeResponses(3);
  assertEquals(held(), [4]);
  buffer.acknowledgeResponses(99);
  assertEquals(held(), []);
  buffer.rejectDuplicate(3, "twin");
  assertEquals(held(), [3], "a refusal is an answer too");
  buffer.acknowledgeResponses(100);
  const fixed = new ReplayBuffer({ maxMessages: 9, maxChars: 99 }, { keepsResponses: false });
  fixed.sendResponse(1, "one");
  fixed.rejectDuplicate(2, "two");
  assertEquals(
    [1, 2].filter((id) => fixed.hasResponse(id)),
    [],
    "of a client that cannot come back nothing is kept",
  );
});

Deno.test("notifications are kept for a client that confirms them until it has, and the rest only while it is away", () => {
  const { buffer } = bufferOf();
  const line = new Line();
  buffer.attach(line, { acknowledgesMessages: true });
  for (const text of ["a", "b", "c"]) buffer.send(text);
  assertEquals(buffer.messagesBase, 0);
  buffer.acknowledgeMessages(1);
  assertEquals([buffer.messagesBase, line.take()], [1, ["a", "b", "c"]]);
  buffer.detach(line);
  buffer.attach(line, { acknowledgesMessages: true });
  buffer.resume([], refusal);
  assertEquals(line.take(), ["b", "c"]);
  buffer.resume([], refusal);
  assertEquals(line.take(), ["b", "c"], "until they are confirmed");
  buffer.attach(line);
  buffer.resume([], refusal);
  buffer.resume([], refusal);
  assertEquals(line.take(), ["b", "c"], "once, to a client that confirms none");
  const lasting = new ReplayBuffer({ maxMessages: 9, maxChars: 9 }, { keepsResponses: false });
  lasting.send("nobody");
  lasting.attach(line);
  lasting.resume([], refusal);
  assertEquals(line.take(), [], "nothing waits for a client that cannot come back");
});

Deno.test("the oldest messages make room, and a client that never had them is told how many", () => {
  const { buffer } = bufferOf({ maxMessages: 2 });
  const lost: string[] = [];
  for (const text of ["a", "b", "c", "d"]) {
    buffer.send(text, ({ code, message }: ExaiError) => lost.push(`${text} ${code} ${message}`));
  }
  const line = new Line();
  buffer.attach(line);
  assertEquals(buffer.resume([], refusal), 2);
  assertEquals(line.take(), ["c", "d"]);
  const why =
    "OVER_CAPACITY the client did not read what it was sent, and this had to make room for later messages";
  assertEquals(lost, [`a ${why}`, `b ${why}`]);
  assertEquals(buffer.resume([], refusal), 0, "they are told once");
});

Deno.test("the oldest answers make room, and that they were given is remembered until all is confirmed", () => {
  const { buffer, told } = bufferOf({ maxMessages: 2 });
  buffer.attach(new Line());
  for (const id of [1, 2, 3]) {
    buffer.markBegun(id);
    buffer.sendResponse(id, `answer ${id}`);
  }
  assertEquals([buffer.hasResponse(1), buffer.hasEvicted(1), buffer.hasEvicted(2)], [false, true, false]);
  assertEquals(told().filter((what) => /drop|forget/.test(what)), ["drop 1"]);
  buffer.acknowledgeResponses(2);
  assertEquals([buffer.hasEvicted(1), told()], [true, ["forget 2"]]);
  buffer.acknowledgeResponses(3);
  assertEquals([buffer.hasEvicted(1), told()], [false, ["forget 3", "forget 1"]]);
});

Deno.test("who waits for a forgotten answer is told that it is, and what it is told is kept like any answer", () => {
  const { buffer, told } = bufferOf({ maxMessages: 1 });
  const line = new Line();
  for (const id of [1, 2, 3]) {
    buffer.markBegun(id);
    buffer.sendResponse(id, `answer ${id}`);
  }
  told();
  buffer.attach(line);
  buffer.resume([1, 3], refusal);
  assertEquals(line.take(), ["answer 3", "refused 1"]);
  assertEquals([buffer.hasEvicted(1), buffer.hasEvicted(2), buffer.hasResponse(1)], [false, true, true]);
  buffer.acknowledgeResponses(2);
  assertEquals([buffer.hasResponse(1), told()], [false, ["drop 3", "forget 1", "forget 2", "forget 3"]]);
});

Deno.test("answers are bounded by their length as well, but the newest is always kept", () => {
  const { buffer } = bufferOf({ maxChars: 10 });
  buffer.attach(new Line());
  buffer.sendResponse(1, "12345");
  buffer.sendResponse(2, "67890");
  assertEquals([buffer.hasResponse(1), buffer.hasResponse(2)], [true, true]);
  buffer.sendResponse(3, "x");
  assertEquals([buffer.hasResponse(1), buffer.hasResponse(2)], [false, true]);
  buffer.sendResponse(4, "x".repeat(100));
  assertEquals([2, 3, 4].map((id) => buffer.hasResponse(id)), [false, false, true]);
  buffer.acknowledgeResponses(99);
  buffer.sendResponse(5, "12345");
  buffer.sendResponse(6, "67890");
  assertEquals(
    [buffer.hasResponse(5), buffer.hasResponse(6)],
    [true, true],
    "what was confirmed takes no room",
  );
  buffer.resume([5, 6], refusal);
  buffer.resume([6], refusal);
  buffer.sendResponse(7, "12345");
  assertEquals([buffer.hasResponse(6), buffer.hasResponse(7)], [true, true], "nor what was sent again");
});

Deno.test("ten thousand forgotten answers are remembered, and the journal forgets the one before them", () => {
  const { buffer, told } = bufferOf({ maxMessages: 1 });
  buffer.attach(new Line());
  for (let id = 0; id <= 10_001; id++) {
    if (id < 2) buffer.markBegun(id);
    buffer.sendResponse(id, "x");
  }
  assertEquals([buffer.hasEvicted(0), buffer.hasEvicted(1), buffer.hasEvicted(10_000)], [
    false,
    true,
    true,
  ]);
  assertEquals(told().filter((what) => /forget/.test(what)), ["forget 0"]);
  for (const id of ["a", "b"]) buffer.sendResponse(id, "x");
  assertEquals(told().filter((what) => /forget/.test(what)), ["forget 1"]);
});

Deno.test("the journal knows a call from its beginning to the word that its client has the answer", () => {
  const { buffer, told } = bufferOf();
  const line = new Line();
  buffer.attach(line);
  buffer.markBegun(1);
  buffer.markBegun(1);
  buffer.markBegun(2);
  buffer.markBegun(3);
  assertEquals(told(), ["begin 1", "begin 2", "begin 3"]);
  buffer.sendResponse(1, "one");
  buffer.sendResponse(9, "not begun");
  buffer.abandon(2);
  buffer.abandon(2);
  assertEquals(told(), ["finish 1 one true", "forget 2"]);
  buffer.rejectDuplicate(3, "twin");
  assertEquals(told(), [], "the call whose id it has goes on");
  buffer.detach(line);
  buffer.sendResponse(3, "three");
  assertEquals(told(), ["finish 3 three false"]);
  buffer.attach(line);
  buffer.resume([3], refusal);
  assertEquals(told(), ["forget 1"]);
  buffer.acknowledgeResponses(2);
  assertEquals(told(), ["forget 3"]);
});

Deno.test("what an earlier daemon has left is taken in: answers as answers, the rest as lost until the client knows", () => {
  const { buffer, told } = bufferOf();
  buffer.restore([call(1, "one"), call(2)]);
  assertEquals([buffer.hasResponse(1), buffer.isOutcomeUnknown(1), buffer.isOutcomeUnknown(2)], [
    true,
    false,
    true,
  ]);
  const line = new Line();
  buffer.attach(line);
  buffer.resume([1, 2], refusal);
  assertEquals(line.take(), ["one"]);
  buffer.forgetUnknown();
  assertEquals([buffer.isOutcomeUnknown(2), told()], [false, ["forget 2"]]);
  buffer.acknowledgeResponses(1);
  assertEquals(told(), ["forget 1"]);
});

Deno.test("without a journal calls are answered all the same", () => {
  const buffer = new ReplayBuffer({ maxMessages: 1, maxChars: 100 }, { keepsResponses: true });
  const line = new Line();
  buffer.attach(line);
  buffer.restore([call(7, "seven"), call(8)]);
  buffer.markBegun(1);
  buffer.sendResponse(1, "one");
  buffer.abandon(2);
  buffer.forgetUnknown();
  assertEquals(line.take(), ["one"]);
  buffer.acknowledgeResponses(9);
  buffer.resume([], refusal);
  for (let id = 10; id < 10_020; id++) buffer.sendResponse(id, "x");
});

Deno.test("all that is kept is counted, and counted no more when it is confirmed, sent again, dropped or over", () => {
  const budget = new ByteBudget({ maxBytes: 1e9 });
  const { buffer, bytes } = bufferOf({ budget });
  const line = new Line();
  buffer.restore([call(0, "12345")]);
  assertEquals(bytes(), 5);
  buffer.sendResponse(1, "1234567");
  buffer.sendResponse(2, "é€");
  assertEquals(bytes(), 16, "a text that is not Latin-1 takes two bytes for each of its characters");
  buffer.send("123");
  buffer.rejectDuplicate(3, "12");
  assertEquals(bytes(), 21);
  buffer.attach(line);
  buffer.resume([1, 2], refusal);
  assertEquals(bytes(), 11);
  buffer.acknowledgeResponses(1);
  assertEquals(bytes(), 4);
  buffer.clear();
  assertEquals(bytes(), 0);
  const few = bufferOf({ budget, maxMessages: 1 });
  few.buffer.sendResponse(1, "123");
  few.buffer.sendResponse(2, "12");
  assertEquals(few.bytes(), 2);
});

Deno.test("when the budget of all is used up notifications go before answers, the oldest first and no more than must", () => {
  const budget = new ByteBudget({ maxBytes: 160 });
  const { buffer, bytes } = bufferOf({ budget });
  for (const id of [1, 2, 3, 4]) buffer.sendResponse(id, "x".repeat(20));
  for (let n = 0; n < 4; n++) buffer.send("y".repeat(20));
  assertEquals(bytes(), 160);
  buffer.sendResponse(5, "x".repeat(20));
  assertEquals([bytes(), buffer.messagesBase], [140, 2], "to a sixteenth below the bound");
  buffer.sendResponse(6, "x".repeat(80));
  assertEquals([bytes(), buffer.messagesBase], [140, 4]);
  assertEquals([1, 2, 3, 4, 5, 6].filter((id) => buffer.hasEvicted(id)), [1, 2]);
});

Deno.test("a client that is away gives way before one that is there, the longest away first", () => {
  using clock = new FakeClock();
  const budget = new ByteBudget({ maxBytes: 160 });
  const [here, away, longAway] = [bufferOf({ budget }), bufferOf({ budget }), bufferOf({ budget })];
  const line = new Line();
  here.buffer.attach(line);
  longAway.buffer.attach(line);
  away.buffer.attach(line);
  longAway.buffer.detach(line);
  void clock.pass(10);
  return clock.settle().then(() => {
    away.buffer.detach(line);
    for (const { buffer } of [here, away, longAway]) buffer.sendResponse(1, "x".repeat(50));
    here.buffer.sendResponse(2, "x".repeat(50));
    assertEquals([longAway, away, here].map(({ buffer }) => buffer.hasResponse(1)), [false, true, true]);
    here.buffer.sendResponse(3, "x".repeat(50));
    assertEquals([longAway, away, here].map(({ buffer }) => buffer.hasResponse(1)), [false, false, true]);
  });
});

Deno.test("who has little to give gives it all, and the rest is another's to give", () => {
  const budget = new ByteBudget({ maxBytes: 160 });
  const [away, here] = [bufferOf({ budget }), bufferOf({ budget })];
  here.buffer.attach(new Line());
  away.buffer.sendResponse(1, "x".repeat(10));
  away.buffer.send("x".repeat(10));
  here.buffer.sendResponse(1, "x".repeat(60));
  here.buffer.sendResponse(2, "x".repeat(110));
  assertEquals([away.buffer.hasResponse(1), here.buffer.hasResponse(1), here.buffer.hasResponse(2)], [
    false,
    false,
    true,
  ]);
  assertEquals(budget.bytes, 110);
});

Deno.test("once its session is over nothing is kept, sent or told the journal", () => {
  const budget = new ByteBudget({ maxBytes: 1000 });
  const { buffer, told, bytes } = bufferOf({ budget, maxMessages: 1 });
  const line = new Line();
  buffer.send("never sent");
  buffer.attach(line);
  buffer.markBegun(5);
  for (const id of [1, 2]) buffer.sendResponse(id, "x");
  buffer.restore([call(9)]);
  buffer.clear();
  told();
  line.take();
  assertEquals(buffer.isOutcomeUnknown(9), false);
  buffer.sendResponse(5, "late");
  buffer.markBegun(6);
  buffer.send("late");
  assertEquals([told(), line.take(), bytes(), buffer.isAttached], [[], [], 0, false]);
  buffer.attach(line);
  buffer.resume([1, 2], refusal);
  assertEquals(line.take(), []);
  assertEquals([buffer.hasEvicted(1), buffer.hasResponse(2), buffer.isOutcomeUnknown(9)], [
    false,
    false,
    false,
  ]);
});
