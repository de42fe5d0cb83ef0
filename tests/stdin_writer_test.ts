import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Writable } from "node:stream";
import { ExaiError } from "../lib/base/errors.ts";
import { StdinWriter } from "../lib/process/stdin_writer.ts";
import { settled } from "./helpers/instance.ts";

/** A stdin that takes what it is given when the test says so. */
function stdin(highWaterMark: number) {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Writable({
    highWaterMark,
    decodeStrings: false,
    write: (chunk, _encoding, done) => {
      taken.push(String(chunk));
      waiting.push(done);
    },
  });
  return { stream, taken, read: () => waiting.shift()!() };
}

Deno.test("a process is sent what it can take, and the sender waits while it is ahead", async () => {
  const { stream, taken, read } = stdin(10);
  const outbox = new StdinWriter(stream, { server: "slow", maxBytes: 100 });
  await outbox.write("12345");
  let isSent = false;
  const second = outbox.write("67890").then(() => isSent = true);
  const third = outbox.write("abc");
  await settled();
  assertEquals([isSent, outbox.bufferedBytes, outbox.bytes], [false, 13, 13]);
  read();
  await settled();
  read();
  await Promise.all([second, third]);
  // The lines of one turn of the event loop are one write.
  assertEquals([taken, outbox.bufferedBytes], [["12345", "67890abc"], 0]);
  assertEquals([stream.listenerCount("drain"), stream.listenerCount("close")], [0, 0]);
  const again = outbox.write("0123456789").then(() => isSent = false);
  await settled();
  assertEquals(isSent, true);
  stream.destroy();
  await again;
});

Deno.test("a large line is sent in parts, in order with the others, and its memory is free once it is written", async () => {
  const { stream, taken, read } = stdin(10);
  const chunks: Uint8Array[] = [];
  const { write } = stream;
  stream.write = function (this: Writable, chunk: unknown, ...rest: unknown[]) {
    if (chunk instanceof Uint8Array) chunks.push(chunk);
    return (write as (...args: unknown[]) => boolean).call(this, chunk, ...rest);
  } as typeof write;
  const outbox = new StdinWriter(stream, { server: "slow", maxBytes: 100 });
  void outbox.write("first ");
  let isSent = false;
  const large = outbox.writeLarge(["é".repeat(20), "\n"]).then(() => isSent = true);
  const after = outbox.write("after");
  await settled();
  assertEquals([isSent, chunks.map(({ length }) => length)], [false, [40, 1]]);
  for (let n = 0; n < 4; n++) {
    read();
    await settled();
  }
  await Promise.all([large, after]);
  assertEquals(taken.length, 4);
  assertEquals(chunks.map(({ length }) => length), [0, 0]);
  void outbox.write("x".repeat(60));
  await settled();
  await assertRejects(() => outbox.writeLarge(["y".repeat(50)]), ExaiError, "does not read");
});

Deno.test("a process that leaves too much unread is sent no more, and a single line is always sent", async () => {
  const { stream, read } = stdin(1000);
  const outbox = new StdinWriter(stream, { server: "slow", maxBytes: 20 });
  await outbox.write("x".repeat(15));
  await outbox.write("x".repeat(5));
  const error = await assertRejects(() => outbox.write("x"), ExaiError);
  assertEquals([error.code, error.retryAfterMs, error.details], ["OVER_CAPACITY", 1000, { server: "slow" }]);
  assertMatch(error.message, /^server "slow" does not read what it is sent: 20 B wait; try again/);
  assertEquals(outbox.bytes, 20);
  read();
  await settled();
  read();
  await settled();
  await outbox.write("x".repeat(50));
  assertEquals(outbox.bytes, 70);
  outbox.end();
  assertEquals(stream.writableEnded, true);
});
