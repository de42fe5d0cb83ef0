import { assertEquals, assertRejects } from "@std/assert";
import { checkBars } from "../tools/bench/bars.ts";
import { drive } from "../tools/bench/drive.ts";
import type { LoadResult, SubjectResult } from "../tools/bench/result.ts";
import { median, percentile } from "../tools/bench/stats.ts";
import { openStdioWindow } from "../tools/bench/stdio_window.ts";
import { formatTable } from "../tools/lib/table.ts";

Deno.test("a percentile is a value that was measured", () => {
  const sorted = Float64Array.from({ length: 200 }, (_, i) => i + 1);
  assertEquals([percentile(sorted, 50), percentile(sorted, 99), percentile(sorted, 100)], [100, 198, 200]);
  assertEquals(median([3, 1, 2]), 2);
});

Deno.test("every caller has one call in flight at a time, and the calls asked for are made", async () => {
  let running = 0;
  let most = 0;
  const exchange = async () => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
  };
  const { latenciesMs } = await drive([exchange, exchange], { inflight: 4, durationMs: 0, minCalls: 20 });
  assertEquals(most, 8);
  assertEquals(latenciesMs.length >= 20, true);
});

Deno.test("a call that fails fails its round", async () => {
  await assertRejects(() =>
    drive([() => Promise.reject(new Error("refused"))], { inflight: 1, durationMs: 1000 })
  );
});

Deno.test("a window whose program ends at once says what it said", async () => {
  const command = {
    command: Deno.execPath(),
    args: ["eval", "console.error('no licence'); Deno.exit(3)"],
  };
  await assertRejects(() => openStdioWindow(command, { pick: () => undefined }), Error, "no licence");
});

Deno.test("EXAI is held against the best peer, figure by figure", () => {
  const load = (inflight: number, p50Ms: number, callsPerSecond: number): LoadResult => ({
    shape: { windows: 1, inflight },
    calls: 1,
    p50Ms,
    p99Ms: p50Ms,
    callsPerSecond,
    rounds: [],
  });
  const results: SubjectResult[] = [
    { name: "EXAI", role: "mounted", loads: [load(1, 0.5, 1000), load(8, 1, 6000)] },
    { name: "slow", role: "peer", loads: [load(1, 3, 300), load(8, 9, 400)] },
    { name: "quick", role: "peer", loads: [load(1, 2.4, 400), load(8, 8, 700)] },
  ];
  const bars = checkBars(results).map(({ figure, bar, holds }) => ({ figure, bar, holds }));
  assertEquals(bars, [
    { figure: "p50, 1 x 1, ms", bar: "<= 0.800", holds: true },
    { figure: "calls/s, 1 x 8", bar: ">= 7000", holds: false },
  ]);
});

Deno.test("columns of numbers stand to the right", () => {
  assertEquals(
    formatTable(["name", "ms"], [["a", "1"], ["b", "12"]]),
    "name  ms\n----  --\na      1\nb     12",
  );
});
