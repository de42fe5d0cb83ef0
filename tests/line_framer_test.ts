import { assertEquals } from "@std/assert";
import { LineFramer, type OverlongLine, withoutLineEnd } from "../lib/transport/line_framer.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** The lines of `text`, which comes in chunks of `size` bytes, and those that are too long. */
async function linesOf(text: string, { size, maxLineBytes }: { size: number; maxLineBytes: number }) {
  const lines: string[] = [];
  const overlong: OverlongLine[] = [];
  const framer = new LineFramer({
    maxLineBytes,
    onLine: (line) => {
      lines.push(new TextDecoder().decode(withoutLineEnd(line)));
      framer.release();
    },
    onOverlong: (line) => void overlong.push(line),
  });
  const all = bytes(text);
  // The chunk is used again, as that of a pipe may be.
  const chunk = new Uint8Array(size);
  for (let at = 0; at < all.length; at += size) {
    const part = all.subarray(at, at + size);
    chunk.set(part);
    await framer.take(chunk.subarray(0, part.length));
  }
  framer.end();
  return { lines, overlong };
}

Deno.test("lines come whole, however they are cut, and without their ends", async () => {
  const expected = ["a", "", "é".repeat(700), "x".repeat(5000), "", "last"];
  const text = expected.join("\n").replace("a\n", "a\r\n");
  for (const size of [1, 2, 7, 64, 4096, 100_000]) {
    assertEquals((await linesOf(text, { size, maxLineBytes: 10_000 })).lines, expected, `chunks of ${size}`);
  }
});

Deno.test("of a line that is too long its two ends are known, however it is cut, and those around it come whole", async () => {
  const long = `begin${"x".repeat(20_000)}end`;
  for (const size of [1, 500, 5000, 30_000]) {
    const { lines, overlong } = await linesOf(`one\n${long}\ntwo\n`, { size, maxLineBytes: 6000 });
    assertEquals(lines, ["one", "two"]);
    const [{ bytes, head, tail }] = overlong as [OverlongLine];
    assertEquals([overlong.length, bytes, head.startsWith("beginx"), tail.endsWith("xend\n")], [
      1,
      long.length + 1,
      true,
      true,
    ], `chunks of ${size}`);
  }
});
