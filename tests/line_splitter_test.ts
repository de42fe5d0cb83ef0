import { assert, assertEquals } from "@std/assert";
import { LineSplitter } from "../lib/base/line_splitter.ts";

Deno.test("lines are the same, however their text is cut into parts", () => {
  const text = "one\n\n two\r\nthree\nrest";
  for (let chars = 1; chars <= text.length; chars++) {
    const lines = new LineSplitter();
    const found: string[] = [];
    for (let at = 0; at < text.length; at += chars) found.push(...lines.take(text.slice(at, at + chars)));
    assertEquals(lines.begunChars, 4);
    assertEquals([...found, lines.rest(), lines.rest()], ["one", "", " two\r", "three", "rest", ""]);
  }
});

Deno.test("a line of many parts takes time that grows with its length", () => {
  const lines = new LineSplitter();
  const [part, parts] = ["x".repeat(256), 8192];
  const beganMs = performance.now();
  for (let i = 0; i < parts; i++) lines.take(part);
  assertEquals(lines.take("\n")[0]!.length, parts * part.length);
  // Searched again with each part, 2 MiB would be 8 GiB to look at.
  assert(performance.now() - beganMs < 1000);
});
