import { assertEquals } from "@std/assert";
import { LineWriter } from "../lib/transport/line_writer.ts";

/** A sink that takes each write when it is told to, and a few bytes at a time. */
class SlowSink {
  readonly writes: string[] = [];
  #gate = Promise.withResolvers<void>();

  async write(data: Uint8Array): Promise<number> {
    await this.#gate.promise;
    const taken = data.subarray(0, 7);
    this.writes.push(new TextDecoder().decode(taken));
    return taken.length;
  }

  open(): void {
    this.#gate.resolve();
  }
}

Deno.test("text is written in order and whole, however little the sink takes", async () => {
  const sink = new SlowSink();
  const writer = new LineWriter(sink);
  const lines = Array.from({ length: 50 }, (_, n) => `line ${n} of ASCII\n`);
  for (const line of lines) writer.write(line);
  sink.open();
  await writer.flushed();
  assertEquals(sink.writes.join(""), lines.join(""));
  assertEquals(writer.queuedChars, 0);
});

Deno.test("what comes in one turn goes out in one write", async () => {
  const writes: string[] = [];
  const writer = new LineWriter({
    write: (data) => {
      writes.push(new TextDecoder().decode(data));
      return Promise.resolve(data.length);
    },
  });
  for (const line of ["a\n", "b\n", "c\n"]) writer.write(line);
  await writer.flushed();
  assertEquals(writes, ["a\nb\nc\n"]);
});

Deno.test("what comes while a write is under way goes out together", async () => {
  const sizes: number[] = [];
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const writer = new LineWriter({
    write: async (data) => {
      sizes.push(data.length);
      begun.resolve();
      await gate.promise;
      return data.length;
    },
  });
  writer.write("0123456789");
  await begun.promise;
  for (let n = 0; n < 99; n++) writer.write("0123456789");
  gate.resolve();
  await writer.flushed();
  assertEquals(sizes, [10, 990]);
});

Deno.test("a sink that fails is told of once, and later text is dropped", async () => {
  const errors: string[] = [];
  const sink = { write: () => Promise.reject(new Error("broken pipe")) };
  const writer = new LineWriter(sink, { onError: ({ message }) => errors.push(message) });
  writer.write("a");
  writer.write("b");
  await writer.flushed();
  writer.write("c");
  await writer.flushed();
  assertEquals([errors, writer.queuedChars], [["broken pipe"], 0]);
});
