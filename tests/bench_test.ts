import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { checkBars } from "../tools/bench/bars.ts";
import { drive } from "../tools/bench/drive.ts";
import { eraRows } from "../tools/bench/era_rows.ts";
import { checkNumbers, NUMBERS_SERVER } from "../tools/bench/numbers.ts";
import { benchPage } from "../tools/bench/page.ts";
import type { PartReport } from "../tools/bench/report.ts";
import type { LoadResult, SubjectResult } from "../tools/bench/result.ts";
import { median, percentile } from "../tools/bench/stats.ts";
import { openStdioWindow } from "../tools/bench/stdio_window.ts";
import type { Role } from "../tools/bench/subject.ts";
import { targetRows } from "../tools/bench/targets.ts";
import { hotFunctions } from "../tools/bench/hot_functions.ts";
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

Deno.test("a figure that is set against direct stdio is reached by what is no slower than that many times", () => {
  const of = (name: string, role: Role, p50Ms: number): SubjectResult => {
    const shape = { windows: 1, inflight: 1 };
    const load = { shape, calls: 1, p50Ms, p99Ms: p50Ms, callsPerSecond: 1000 / p50Ms, rounds: [] };
    return { name, role, isBuilt: true, loads: [load] };
  };
  const results = [
    of("direct", "direct", 0.1),
    of("a", "mounted", 0.35),
    of("b", "mounted", 0.36),
    of("c", "peer", 2),
  ];
  assertEquals(targetRows(results), [
    [
      "p50, 1 x 1",
      "<= 3.5 x direct",
      "a",
      "0.350 ms (3.50 x)",
      "0.100 ms",
      "-",
      "2.000 ms (20.00 x)",
      "reached",
    ],
    [
      "p50, 1 x 1",
      "<= 3.5 x direct",
      "b",
      "0.360 ms (3.60 x)",
      "0.100 ms",
      "-",
      "2.000 ms (20.00 x)",
      "NOT REACHED",
    ],
  ]);
});

Deno.test("a part that is measured again replaces its tables on the page, and other parts and words stay", () => {
  const part = (results: SubjectResult[]): PartReport => ({
    at: "2026-11-28T00:00:00.000Z",
    commit: "abc",
    machine: { load: "load before 1" },
    packages: {},
    rounds: 5,
    roundMs: 1000,
    results,
  });
  const crowd = part([{ name: "a", role: "mounted", crowd: { windows: 100, windowsPercent: 2.9 } }]);
  const numbers = (how: string) =>
    part([{
      name: "a",
      role: "mounted",
      numbers: { arguments: how, result: how, error: how, list: how, progress: how, ids: how },
    }]);
  const first = benchPage("", { parts: { crowd, numbers: numbers("1.0 became 1") } });
  assertStringIncludes(first, "1.0 became 1");
  const second = benchPage(`${first}\nWhat we saw.\n`, { parts: { crowd, numbers: numbers("exact") } });
  assertEquals(second.includes("1.0 became 1"), false);
  for (const kept of ["| 2.90 |", "What we saw.", "| 6 of 6 |"]) assertStringIncludes(second, kept);
});

Deno.test("numbers, ids and tokens that come back as they were sent are exact", async () => {
  const checks = await checkNumbers(NUMBERS_SERVER);
  assertEquals(new Set(Object.values(checks)), new Set(["exact"]));
});

Deno.test("what is parsed and written again on the way is found, each kind by itself", async () => {
  // Between the client and the server, what JSON.parse and JSON.stringify make of each line.
  const relay = `
    import { createInterface } from "node:readline";
    import { spawn } from "node:child_process";
    import process from "node:process";
    const [command, ...args] = ${JSON.stringify([NUMBERS_SERVER.command, ...NUMBERS_SERVER.args])};
    const server = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    const again = (from, to) =>
      createInterface({ input: from }).on("line", (line) => to.write(JSON.stringify(JSON.parse(line)) + "\\n"));
    again(process.stdin, server.stdin).on("close", () => server.stdin.end());
    again(server.stdout, process.stdout);`;
  const checks = await checkNumbers({ command: Deno.execPath(), args: ["eval", relay] });
  for (const [what, found] of Object.entries(checks)) assertMatch(found, / became /, what);
});

Deno.test("columns of numbers stand to the right", () => {
  assertEquals(
    formatTable(["name", "ms"], [["a", "1"], ["b", "12"]]),
    "name  ms\n----  --\na      1\nb     12",
  );
});

Deno.test("a profile names the functions that a busy program spent its time in, and not that it waited", () => {
  const frame = (functionName: string, url = "") => ({ functionName, url });
  const nodes = [
    frame("(idle)"),
    frame("encode", "file:///exai/lib/session/encode.ts"),
    frame("", "file:///cache/npm/registry/zod/4.6.7/index.js"),
    frame("(garbage collector)"),
    frame("post", "ext:deno_node/inspector.js"),
    // The same function, called from elsewhere.
    frame("encode", "file:///exai/lib/session/encode.ts"),
  ].map((callFrame, index) => ({ id: index + 1, callFrame }));
  const profile = {
    nodes,
    samples: [1, 2, 3, 4, 5, 6],
    // Each is the time before its sample.
    timeDeltas: [0, 900, 100, 50, 200, 500, 150],
  };
  const hot = hotFunctions(profile, { count: 2, root: "file:///exai/" });
  assertEquals(hot, [
    { name: "encode (lib/session/encode.ts)", percent: 50 },
    { name: "garbage collection", percent: 40 },
  ]);
  assertEquals(
    hotFunctions(profile, { count: 9, root: "file:///exai/" })[2]?.name,
    "(anonymous) (npm:zod/4.6.7/index.js)",
  );
});

Deno.test("what a call of the newer era costs is told as a multiple of the older one's", () => {
  const shape = { windows: 1, inflight: 1 };
  const load = { shape, calls: 1, p99Ms: 1, callsPerSecond: 1, rounds: [] };
  const names = ["2025 client, 2025 server", "2025 client, 2026 server", "2026 client, 2025 server"];
  const results = names.map((name, i): SubjectResult => ({
    name,
    role: "eras",
    loads: [{ ...load, p50Ms: 0.5 + i * 0.05 }],
  }));
  assertEquals(eraRows(results).map(([, ...cells]) => cells), [
    ["0.500", "1.00", ""],
    ["0.550", "1.10", ""],
    ["0.600", "1.20", ""],
  ]);
});
