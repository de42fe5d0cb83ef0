import { assertEquals, assertRejects } from "@std/assert";
import { OutputClosed } from "../lib/base/errors.ts";
import { followLines } from "../lib/commands/follow.ts";

/** Lines, and then none for ever, as of a daemon with nothing to tell. */
async function* quiet(...lines: string[]): AsyncGenerator<string> {
  yield* lines;
  await new Promise(() => {});
}

Deno.test("a command that follows ends when nobody reads its output, also while there is nothing to print", async () => {
  const shown: string[] = [];
  let looks = 0;
  await assertRejects(
    () =>
      followLines(quiet("one"), (line) => void shown.push(line), { isRead: () => ++looks < 3, lookMs: 1 }),
    OutputClosed,
  );
  assertEquals([shown, looks], [["one"], 3]);
});

Deno.test("a command that follows ends with its lines, and with what goes wrong as they are shown", async () => {
  const shown: string[] = [];
  const lines = async function* () {
    yield* ["one", "two"];
    await Promise.resolve();
  };
  await followLines(lines(), (line) => void shown.push(line), { isRead: () => true });
  assertEquals(shown, ["one", "two"]);
  const closed = () => {
    throw new OutputClosed();
  };
  await assertRejects(() => followLines(quiet("one"), closed, { isRead: () => true }), OutputClosed);
});
