import { assertEquals } from "@std/assert";
import { MemoryReclaimer } from "../lib/observe/memory_reclaimer.ts";
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
  using _ = new MemoryReclaimer({
    isBusy: () => isBusy,
    use: () => (looks++, { rss, heapTotal: 0, heapUsed: 0 }),
    trim: () => Promise.resolve(),
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

Deno.test("room that a collection after a burst leaves empty is given back once nobody waits, and what was freed with it", async () => {
  let [nowMs, rss, heapTotal, isBusy, looks, trims] = [0, 100 * MIB, 30 * MIB, false, 0, 0];
  const collections: boolean[] = [];
  using _ = new MemoryReclaimer({
    isBusy: () => isBusy,
    use: () => (looks++, { rss, heapTotal, heapUsed: 20 * MIB }),
    collect: ({ isThorough }) => {
      collections.push(isThorough);
      if (isThorough) [rss, heapTotal] = [110 * MIB, 30 * MIB];
    },
    trim: () => {
      trims++;
      return Promise.resolve();
    },
    nowMs: () => nowMs,
    checkMs: 1,
  });
  const lookedAgain = async () => {
    const before = looks;
    await until(() => looks > before + 3);
  };
  [rss, heapTotal] = [600 * MIB, 500 * MIB];
  await until(() => collections.length === 1);
  isBusy = true;
  nowMs += 2 * MINUTE_MS;
  await lookedAgain();
  assertEquals(collections, [false], "nobody who waits is held up for it");
  isBusy = false;
  await until(() => collections.length === 2);
  nowMs += 2 * MINUTE_MS;
  await lookedAgain();
  assertEquals(collections, [false, true], "once is enough");
  assertEquals(trims, 2);
});

Deno.test("what windows leave when they are opened is given back once nobody has called anything for a while", async () => {
  let [nowMs, rss, heapUsed, isBusy, looks, collections] = [0, 60 * MIB, 20 * MIB, false, 0, 0];
  using _ = new MemoryReclaimer({
    isBusy: () => isBusy,
    use: () => (looks++, { rss, heapTotal: 40 * MIB, heapUsed }),
    trim: () => Promise.resolve(),
    collect: () => {
      collections++;
      rss = 60 * MIB;
    },
    nowMs: () => nowMs,
    checkMs: 1,
  });
  const lookedAgain = async () => {
    const before = looks;
    await until(() => looks > before + 3);
  };
  rss = 70 * MIB;
  await lookedAgain();
  nowMs += 9000;
  await lookedAgain();
  assertEquals(collections, 0, "it has not been quiet for long");
  isBusy = true;
  await lookedAgain();
  isBusy = false;
  nowMs += 9000;
  await lookedAgain();
  heapUsed += 2 * MIB;
  nowMs += 9000;
  await lookedAgain();
  assertEquals(collections, 0, "calls that end between two looks leave garbage");
  nowMs += 11_000;
  await until(() => collections === 1);
  nowMs += 2 * MINUTE_MS;
  await lookedAgain();
  assertEquals(collections, 1, "nothing is to be had any more");
});
