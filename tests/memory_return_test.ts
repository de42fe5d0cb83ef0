import { assertEquals } from "@std/assert";
import { MemoryReturn } from "../lib/cli/memory_return.ts";
import { MIB, MINUTE_MS } from "../lib/base/units.ts";

async function until(isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!isSo()) {
    if (performance.now() > deadlineMs) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("garbage is not collected while calls run, but for at most a minute", async () => {
  let [nowMs, rss, isBusy, looks, collections] = [0, 100 * MIB, true, 0, 0];
  using _ = new MemoryReturn({
    isBusy: () => isBusy,
    residentBytes: () => (looks++, rss),
    collect: () => {
      collections++;
      rss = 100 * MIB;
    },
    nowMs: () => nowMs,
    checkMs: 1,
  });
  const lookedAgain = async () => {
    const before = looks;
    await until(() => looks > before + 2);
  };
  rss = 300 * MIB;
  await lookedAgain();
  nowMs = MINUTE_MS - 1;
  await lookedAgain();
  assertEquals(collections, 0);
  nowMs = MINUTE_MS;
  await until(() => collections === 1);
  rss = 300 * MIB;
  nowMs += 11_000;
  await lookedAgain();
  assertEquals(collections, 1);
  isBusy = false;
  await until(() => collections === 2);
});
