import { assertEquals } from "@std/assert";
import type { ExaiError } from "../lib/base/errors.ts";
import { InboundReceipts } from "../lib/session/inbound_receipts.ts";
import { createNudger } from "../lib/session/nudge.ts";
import { OutboundMessages } from "../lib/session/outbound_messages.ts";
import type { FrameChannel } from "../lib/transport/channel.ts";
import { FakeClock } from "./helpers/fake_clock.ts";

/** Posts with room for `maxMessages`, and how many bytes they say they hold. */
function postsOf(limits: { maxMessages?: number; maxChars?: number } = {}) {
  const held = { bytes: 0 };
  const onSizeChange = (bytes: number) => void (held.bytes += bytes);
  return {
    held,
    posts: new OutboundMessages({ maxMessages: 100, maxChars: 1000, onSizeChange, ...limits }),
  };
}

Deno.test("notifications are numbered in their session, and those it has are confirmed by number", () => {
  const { posts, held } = postsOf();
  for (const text of ["a", "b", "c"]) posts.add(text);
  assertEquals([posts.size, posts.base, held.bytes], [3, 0, 3]);
  posts.acknowledge(2);
  assertEquals([posts.size, posts.base, held.bytes], [1, 2, 1]);
  posts.add("d");
  assertEquals(posts.resume(2), { pending: ["c", "d"], undelivered: [] });
  posts.clear();
  assertEquals([posts.size, posts.base, held.bytes], [0, 4, 0]);
});

Deno.test("notifications are bounded in number and length, but the newest is kept", () => {
  const few = postsOf({ maxMessages: 2 });
  for (const text of ["a", "b"]) few.posts.add(text);
  assertEquals(few.posts.base, 0);
  few.posts.add("c");
  assertEquals([few.posts.base, few.posts.resume(0).pending], [1, ["b", "c"]]);
  const short = postsOf({ maxChars: 10 });
  short.posts.add("12345");
  short.posts.add("67890");
  assertEquals(short.posts.base, 0);
  short.posts.add("x");
  assertEquals(short.posts.base, 1);
  short.posts.add("x".repeat(100));
  assertEquals([short.posts.size, short.held.bytes], [1, 100]);
  short.posts.acknowledge(99);
  short.posts.add("12345");
  short.posts.add("67890");
  assertEquals(short.posts.size, 2, "what was confirmed takes no room");
});

Deno.test("of what made room only what the client never had is lost, and as much is remembered as is of use", () => {
  const { posts } = postsOf({ maxMessages: 1 });
  const lost: number[] = [];
  for (let n = 1; n <= 5; n++) posts.add(String(n), () => lost.push(n));
  posts.acknowledge(2);
  for (const notify of posts.resume(3).undelivered) notify({} as ExaiError);
  assertEquals(lost, [4]);
  assertEquals(posts.resume(0).undelivered, []);
  for (let n = 0; n < 1002; n++) posts.add("x");
  assertEquals(posts.resume(0).undelivered.length, 1000);
  posts.add("x");
  posts.clear();
  assertEquals(posts.resume(0), { pending: [], undelivered: [] });
});

Deno.test("a client hears how many of its messages have come after each 256 KiB of them", () => {
  const sent: string[] = [];
  const session = { receivedCount: 3 };
  const receipts = new InboundReceipts(session, (text) => sent.push(text));
  receipts.count(256 * 1024 - 1);
  assertEquals([session.receivedCount, sent], [4, []]);
  receipts.count(1);
  assertEquals(sent.splice(0), ['{"op":"received","messages":5}']);
  receipts.count(256 * 1024 - 1);
  assertEquals(sent, []);
  receipts.count(256 * 1024);
  assertEquals(sent, ['{"op":"received","messages":7}']);
});

Deno.test("a frame that has no answer at once is answered with a nudge, and one that has is not", async () => {
  using clock = new FakeClock();
  const sent: string[] = [];
  const channel = { bytesOut: 0, send: (text: string) => sent.push(text) };
  const arrived = createNudger(channel as unknown as FrameChannel);
  arrived();
  arrived();
  assertEquals([clock.pending, sent], [1, []]);
  await clock.pass(1);
  assertEquals(sent.splice(0), ['{"op":"nudge"}']);
  arrived();
  channel.bytesOut += 10;
  await clock.pass(1);
  assertEquals(sent, []);
  arrived();
  await clock.pass(1);
  assertEquals(sent.length, 1);
});
