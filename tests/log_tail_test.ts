import { assertEquals } from "@std/assert";
import { readTail } from "../lib/state/log_tail.ts";
import { tempDir } from "./helpers/files.ts";

Deno.test("the last lines of a log are read across its rotated files, oldest first", async () => {
  await using dir = await tempDir({ "x.log": "5\n6\n", "x.log.1": "3\n4\n", "x.log.2": "1\n2\n" });
  const path = `${dir.path}/x.log`;
  for (const count of [0, 1, 2, 3, 5, 6, 100]) {
    const all = ["1", "2", "3", "4", "5", "6"];
    assertEquals((await readTail(path, count)).lines, count === 0 ? [] : all.slice(-count), `${count}`);
  }
});

Deno.test("a line that is being written is left for later, and long files and characters of many bytes are no matter", async () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${"🙂é".repeat(20)}`);
  await using dir = await tempDir({ "x.log": lines.join("\n") + "\nhalf a line é" });
  const { lines: found, end } = await readTail(`${dir.path}/x.log`, 2500);
  assertEquals(found, lines.slice(-2500));
  assertEquals(end.bytes, new TextEncoder().encode(lines.join("\n") + "\n").length);
});

Deno.test("a log that does not exist has no lines", async () => {
  await using dir = await tempDir({ "empty.log": "" });
  assertEquals((await readTail(`${dir.path}/none.log`, 5)).lines, []);
  assertEquals((await readTail(`${dir.path}/empty.log`, 5)).lines, []);
});
