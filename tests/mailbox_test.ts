import { assertEquals } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import type { ExaiError } from "../lib/base/errors.ts";
import type { JournaledCall, JournalEntry, SessionJournal } from "../lib/session/journal.ts";
import { Mailbox, type MailboxLimits } from "../lib/session/replay_buffer.ts";
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

/** The mailbox of a client that can come back. */
function mailboxOf(limits: Partial<MailboxLimits> = {}) {
  const mailbox = new Mailbox({ maxMessages: 256, maxChars: 1_000_000, ...limits });
  mailbox.keepAnswers = true;
  const kept = journalOf();
  mailbox.journal = kept.journal;
  const budget = limits.budget;
  return { mailbox, told: kept.take, bytes: () => budget!.bytes };
}

const refusal = (id: RequestId) => `refused ${id}`;

const call = (id: RequestId, answer?: string): JournaledCall => ({ entry: { id } as JournalEntry, answer });

Deno.test("what a client is sent while it is there goes out at once, and a connection that was replaced says nothing more", () => {
  const { mailbox } = mailboxOf();
  const [first, second] = [new Line(), new Line()];
  assertEquals(mailbox.attached, false);
  mailbox.attach(first);
  mailbox.post("a");
  mailbox.postNow("b");
  mailbox.answer(1, "c");
  mailbox.refuseTwin(1, "d");
  assertEquals([first.take(), mailbox.attached], [["a", "b", "c", "d"], true]);
  mailbox.close(4008, "why");
  assertEquals(first.closed, [4008, "why"]);
  mailbox.attach(second);
  assertEquals([mailbox.detach(first), mailbox.attached], [false, true]);
  assertEquals([mailbox.detach(second), mailbox.attached], [true, false]);
  mailbox.close(1, "nobody is there");
  assertEquals(second.closed, []);
});

Deno.test("a client that comes back has what it was not sent and the answers it waits for, and no other", () => {
  const { mailbox } = mailboxOf();
  const [before, after] = [new Line(), new Line()];
  mailbox.attach(before);
  mailbox.post("sent");
  mailbox.answer(1, "one");
  mailbox.detach(before);
  mailbox.post("kept");
  mailbox.postNow("passing");
  mailbox.answer(2, "two");
  mailbox.answer("3", "three");
  assertEquals([mailbox.holds(1), mailbox.holds(2), mailbox.holds(3), mailbox.holds("3")], [
    true,
    true,
    false,
    true,
  ]);
  mailbox.attach(after);
  assertEquals(mailbox.resume([1, "3", 9], refusal), 0);
  assertEquals(after.take(), ["kept", "one", "three"]);
  assertEquals([mailbox.holds(1), mailbox.holds(2)], [true, false]);
  // Counted anew: the first answer of this connection is the first it was sent.
  mailbox.confirm(1);
  assertEquals([mailbox.holds(1), mailbox.holds("3")], [false, true]);
  mailbox.detach(after);
  mailbox.attach(after);
  mailbox.resume(["3"], refusal);
  assertEquals(after.take(), ["three"], "what it was sent before it is not sent again");
});

Deno.test("an answer is kept until it is confirmed; they are counted from the connection's first", () => {
  const { mailbox } = mailboxOf();
  mailbox.attach(new Line());
  for (const id of [1, 2, 3]) mailbox.answer(id, `answer ${id}`);
  const held = () => [1, 2, 3, 4].filter((id) => mailbox.holds(id));
  mailbox.confirm(0);
  assertEquals(held(), [1, 2, 3]);
  mailbox.confirm(1);
  assertEquals(held(), [2, 3]);
  mailbox.confirm(1);
  assertEquals(held(), [2, 3]);
  mailbox.answer(4, "answer 4");
  mailbox.confirm(3);
  assertEquals(held(), [4]);
  mailbox.confirm(99);
  assertEquals(held(), []);
  mailbox.refuseTwin(3, "twin");
  assertEquals(held(), [3], "a refusal is an answer too");
  mailbox.confirm(100);
  mailbox.keepAnswers = false;
  mailbox.answer(1, "one");
  mailbox.refuseTwin(2, "two");
  assertEquals(held(), [], "of a client that cannot come back nothing is kept");
});

Deno.test("notifications are kept for a client that confirms them until it has, and the rest only while it is away", () => {
  const { mailbox } = mailboxOf();
  const line = new Line();
  mailbox.attach(line, { keepPosts: true });
  for (const text of ["a", "b", "c"]) mailbox.post(text);
  assertEquals(mailbox.postsBase, 0);
  mailbox.confirmPosts(1);
  assertEquals([mailbox.postsBase, line.take()], [1, ["a", "b", "c"]]);
  mailbox.detach(line);
  mailbox.attach(line, { keepPosts: true });
  mailbox.resume([], refusal);
  assertEquals(line.take(), ["b", "c"]);
  mailbox.resume([], refusal);
  assertEquals(line.take(), ["b", "c"], "until they are confirmed");
  mailbox.attach(line);
  mailbox.resume([], refusal);
  mailbox.resume([], refusal);
  assertEquals(line.take(), ["b", "c"], "once, to a client that confirms none");
  const lasting = new Mailbox({ maxMessages: 9, maxChars: 9 });
  lasting.post("nobody");
  lasting.attach(line);
  lasting.resume([], refusal);
  assertEquals(line.take(), [], "nothing waits for a client that cannot come back");
});

Deno.test("the oldest messages make room, and a client that never had them is told how many", () => {
  const { mailbox } = mailboxOf({ maxMessages: 2 });
  const lost: string[] = [];
  for (const text of ["a", "b", "c", "d"]) {
    mailbox.post(text, ({ code, message }: ExaiError) => lost.push(`${text} ${code} ${message}`));
  }
  const line = new Line();
  mailbox.attach(line);
  assertEquals(mailbox.resume([], refusal), 2);
  assertEquals(line.take(), ["c", "d"]);
  const why =
    "OVER_CAPACITY the client did not read what it was sent, and this had to make room for later messages";
  assertEquals(lost, [`a ${why}`, `b ${why}`]);
  assertEquals(mailbox.resume([], refusal), 0, "they are told once");
});

Deno.test("the oldest answers make room, and that they were given is remembered until all is confirmed", () => {
  const { mailbox, told } = mailboxOf({ maxMessages: 2 });
  mailbox.attach(new Line());
  for (const id of [1, 2, 3]) {
    mailbox.began(id);
    mailbox.answer(id, `answer ${id}`);
  }
  assertEquals([mailbox.holds(1), mailbox.hasForgotten(1), mailbox.hasForgotten(2)], [false, true, false]);
  assertEquals(told().filter((what) => /drop|forget/.test(what)), ["drop 1"]);
  mailbox.confirm(2);
  assertEquals([mailbox.hasForgotten(1), told()], [true, ["forget 2"]]);
  mailbox.confirm(3);
  assertEquals([mailbox.hasForgotten(1), told()], [false, ["forget 3", "forget 1"]]);
});

Deno.test("who waits for a forgotten answer is told that it is, and what it is told is kept like any answer", () => {
  const { mailbox, told } = mailboxOf({ maxMessages: 1 });
  const line = new Line();
  for (const id of [1, 2, 3]) {
    mailbox.began(id);
    mailbox.answer(id, `answer ${id}`);
  }
  told();
  mailbox.attach(line);
  mailbox.resume([1, 3], refusal);
  assertEquals(line.take(), ["answer 3", "refused 1"]);
  assertEquals([mailbox.hasForgotten(1), mailbox.hasForgotten(2), mailbox.holds(1)], [false, true, true]);
  mailbox.confirm(2);
  assertEquals([mailbox.holds(1), told()], [false, ["drop 3", "forget 1", "forget 2", "forget 3"]]);
});

Deno.test("answers are bounded by their length as well, but the newest is always kept", () => {
  const { mailbox } = mailboxOf({ maxChars: 10 });
  mailbox.attach(new Line());
  mailbox.answer(1, "12345");
  mailbox.answer(2, "67890");
  assertEquals([mailbox.holds(1), mailbox.holds(2)], [true, true]);
  mailbox.answer(3, "x");
  assertEquals([mailbox.holds(1), mailbox.holds(2)], [false, true]);
  mailbox.answer(4, "x".repeat(100));
  assertEquals([2, 3, 4].map((id) => mailbox.holds(id)), [false, false, true]);
  mailbox.confirm(99);
  mailbox.answer(5, "12345");
  mailbox.answer(6, "67890");
  assertEquals([mailbox.holds(5), mailbox.holds(6)], [true, true], "what was confirmed takes no room");
  mailbox.resume([5, 6], refusal);
  mailbox.resume([6], refusal);
  mailbox.answer(7, "12345");
  assertEquals([mailbox.holds(6), mailbox.holds(7)], [true, true], "nor what was sent again");
});

Deno.test("ten thousand forgotten answers are remembered, and the journal forgets the one before them", () => {
  const { mailbox, told } = mailboxOf({ maxMessages: 1 });
  mailbox.attach(new Line());
  for (let id = 0; id <= 10_001; id++) {
    if (id < 2) mailbox.began(id);
    mailbox.answer(id, "x");
  }
  assertEquals([mailbox.hasForgotten(0), mailbox.hasForgotten(1), mailbox.hasForgotten(10_000)], [
    false,
    true,
    true,
  ]);
  assertEquals(told().filter((what) => /forget/.test(what)), ["forget 0"]);
  for (const id of ["a", "b"]) mailbox.answer(id, "x");
  assertEquals(told().filter((what) => /forget/.test(what)), ["forget 1"]);
});

Deno.test("the journal knows a call from its beginning to the word that its client has the answer", () => {
  const { mailbox, told } = mailboxOf();
  const line = new Line();
  mailbox.attach(line);
  mailbox.began(1);
  mailbox.began(1);
  mailbox.began(2);
  mailbox.began(3);
  assertEquals(told(), ["begin 1", "begin 2", "begin 3"]);
  mailbox.answer(1, "one");
  mailbox.answer(9, "not begun");
  mailbox.abandon(2);
  mailbox.abandon(2);
  assertEquals(told(), ["finish 1 one true", "forget 2"]);
  mailbox.refuseTwin(3, "twin");
  assertEquals(told(), [], "the call whose id it has goes on");
  mailbox.detach(line);
  mailbox.answer(3, "three");
  assertEquals(told(), ["finish 3 three false"]);
  mailbox.attach(line);
  mailbox.resume([3], refusal);
  assertEquals(told(), ["forget 1"]);
  mailbox.confirm(2);
  assertEquals(told(), ["forget 3"]);
});

Deno.test("what an earlier daemon has left is taken in: answers as answers, the rest as lost until the client knows", () => {
  const { mailbox, told } = mailboxOf();
  mailbox.adopt([call(1, "one"), call(2)]);
  assertEquals([mailbox.holds(1), mailbox.hasLost(1), mailbox.hasLost(2)], [true, false, true]);
  const line = new Line();
  mailbox.attach(line);
  mailbox.resume([1, 2], refusal);
  assertEquals(line.take(), ["one"]);
  mailbox.forgetLost();
  assertEquals([mailbox.hasLost(2), told()], [false, ["forget 2"]]);
  mailbox.confirm(1);
  assertEquals(told(), ["forget 1"]);
});

Deno.test("without a journal calls are answered all the same", () => {
  const mailbox = new Mailbox({ maxMessages: 1, maxChars: 100 });
  mailbox.keepAnswers = true;
  const line = new Line();
  mailbox.attach(line);
  mailbox.adopt([call(7, "seven"), call(8)]);
  mailbox.began(1);
  mailbox.answer(1, "one");
  mailbox.abandon(2);
  mailbox.forgetLost();
  assertEquals(line.take(), ["one"]);
  mailbox.confirm(9);
  mailbox.resume([], refusal);
  for (let id = 10; id < 10_020; id++) mailbox.answer(id, "x");
});

Deno.test("all that is kept is counted, and counted no more when it is confirmed, sent again, dropped or over", () => {
  const budget = new ByteBudget({ maxBytes: 1e9 });
  const { mailbox, bytes } = mailboxOf({ budget });
  const line = new Line();
  mailbox.adopt([call(0, "12345")]);
  assertEquals(bytes(), 5);
  mailbox.answer(1, "1234567");
  mailbox.answer(2, "é€");
  assertEquals(bytes(), 16, "a text that is not Latin-1 takes two bytes for each of its characters");
  mailbox.post("123");
  mailbox.refuseTwin(3, "12");
  assertEquals(bytes(), 21);
  mailbox.attach(line);
  mailbox.resume([1, 2], refusal);
  assertEquals(bytes(), 11);
  mailbox.confirm(1);
  assertEquals(bytes(), 4);
  mailbox.clear();
  assertEquals(bytes(), 0);
  const few = mailboxOf({ budget, maxMessages: 1 });
  few.mailbox.answer(1, "123");
  few.mailbox.answer(2, "12");
  assertEquals(few.bytes(), 2);
});

Deno.test("when the budget of all is used up notifications go before answers, the oldest first and no more than must", () => {
  const budget = new ByteBudget({ maxBytes: 160 });
  const { mailbox, bytes } = mailboxOf({ budget });
  for (const id of [1, 2, 3, 4]) mailbox.answer(id, "x".repeat(20));
  for (let n = 0; n < 4; n++) mailbox.post("y".repeat(20));
  assertEquals(bytes(), 160);
  mailbox.answer(5, "x".repeat(20));
  assertEquals([bytes(), mailbox.postsBase], [140, 2], "to a sixteenth below the bound");
  mailbox.answer(6, "x".repeat(80));
  assertEquals([bytes(), mailbox.postsBase], [140, 4]);
  assertEquals([1, 2, 3, 4, 5, 6].filter((id) => mailbox.hasForgotten(id)), [1, 2]);
});

Deno.test("a client that is away gives way before one that is there, the longest away first", () => {
  using clock = new FakeClock();
  const budget = new ByteBudget({ maxBytes: 160 });
  const [here, away, longAway] = [mailboxOf({ budget }), mailboxOf({ budget }), mailboxOf({ budget })];
  const line = new Line();
  here.mailbox.attach(line);
  longAway.mailbox.attach(line);
  away.mailbox.attach(line);
  longAway.mailbox.detach(line);
  void clock.pass(10);
  return clock.settle().then(() => {
    away.mailbox.detach(line);
    for (const { mailbox } of [here, away, longAway]) mailbox.answer(1, "x".repeat(50));
    here.mailbox.answer(2, "x".repeat(50));
    assertEquals([longAway, away, here].map(({ mailbox }) => mailbox.holds(1)), [false, true, true]);
    here.mailbox.answer(3, "x".repeat(50));
    assertEquals([longAway, away, here].map(({ mailbox }) => mailbox.holds(1)), [false, false, true]);
  });
});

Deno.test("who has little to give gives it all, and the rest is another's to give", () => {
  const budget = new ByteBudget({ maxBytes: 160 });
  const [away, here] = [mailboxOf({ budget }), mailboxOf({ budget })];
  here.mailbox.attach(new Line());
  away.mailbox.answer(1, "x".repeat(10));
  away.mailbox.post("x".repeat(10));
  here.mailbox.answer(1, "x".repeat(60));
  here.mailbox.answer(2, "x".repeat(110));
  assertEquals([away.mailbox.holds(1), here.mailbox.holds(1), here.mailbox.holds(2)], [false, false, true]);
  assertEquals(budget.bytes, 110);
});

Deno.test("once its session is over nothing is kept, sent or told the journal", () => {
  const budget = new ByteBudget({ maxBytes: 1000 });
  const { mailbox, told, bytes } = mailboxOf({ budget, maxMessages: 1 });
  const line = new Line();
  mailbox.post("never sent");
  mailbox.attach(line);
  mailbox.began(5);
  for (const id of [1, 2]) mailbox.answer(id, "x");
  mailbox.adopt([call(9)]);
  mailbox.clear();
  told();
  line.take();
  assertEquals(mailbox.hasLost(9), false);
  mailbox.answer(5, "late");
  mailbox.began(6);
  mailbox.post("late");
  assertEquals([told(), line.take(), bytes(), mailbox.attached], [[], [], 0, false]);
  mailbox.attach(line);
  mailbox.resume([1, 2], refusal);
  assertEquals(line.take(), []);
  assertEquals([mailbox.hasForgotten(1), mailbox.holds(2), mailbox.hasLost(9)], [false, false, false]);
});
