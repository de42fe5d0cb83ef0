/**
 * Runs a daemon for long under an even load while clients of every kind come and go, and says whether what it holds
 * grows. `--help` lists the flags.
 */
import { parseArgs } from "@std/cli/parse-args";
import { seeded } from "./lib/random.ts";
import { runTool, UsageError } from "./lib/run_tool.ts";
import { formatTable } from "./lib/table.ts";
import { trendOf } from "./lib/trend.ts";
import { Rig } from "./load/rig.ts";
import { readRecord } from "./load/tally.ts";
import { Crowd } from "./soak/crowd.ts";
import { type Sample, takeSample } from "./soak/sampler.ts";

const HELP = `deno task soak [--minutes N] [--rate N] [--seed N] [--json FILE]

  --minutes N  how long; 30
  --rate N     calls a second, all clients together; 500
  --seed N     what decides when clients come and go; 1
  --json FILE  write all samples there too`;

const SAMPLE_MS = 10_000;
/** This part of the time is for warming up and is not judged. */
const WARM_UP = 0.2;

/** By how much an hour each figure may rise, beyond twice the standard error of its slope. */
const BARS = { rssMib: 20, heapMib: 10, fds: 6, threads: 3, sessions: 3, children: 2 } as const;

type Figure = keyof typeof BARS;

async function soak(): Promise<void> {
  const { minutes, rate, seed, json, help } = readFlags();
  if (help) return say(HELP);
  await using rig = await Rig.open();
  await rig.startDaemon();
  const crowd = new Crowd(rig, seeded(seed));
  const begunMs = performance.now();
  const samples: Sample[] = [];
  const pid = await rig.daemonPid();
  const sampling = setInterval(async () => {
    const hours = (performance.now() - begunMs) / 3_600_000;
    // What cannot be sampled is a fault only if calls fail too.
    const sample = await takeSample(pid, `http://127.0.0.1:${rig.port}`, hours).catch(() => undefined);
    if (!sample) return;
    samples.push(sample);
    if (samples.length % 6 === 1) onstep(JSON.stringify({ ...sample, calls: crowd.calls }));
  }, SAMPLE_MS);
  await crowd.run(rate, begunMs + minutes * 60_000);
  clearInterval(sampling);
  const elapsedS = (performance.now() - begunMs) / 1000;
  const executed = (await readRecord(rig.recordPath)).length;
  const judged = samples.slice(Math.floor(samples.length * WARM_UP));
  if (judged.length < 3) throw new Error("too short to judge");
  say(
    `${crowd.calls} calls in ${elapsedS.toFixed(0)} s (${(crowd.calls / elapsedS).toFixed(0)}/s), ` +
      `${crowd.answers} right answers, ${crowd.visits} clients came, ${crowd.skipped} calls left out for want of a free client; ` +
      `the mounted server was called ${crowd.counted.counterCalls} times and ran ${executed}`,
  );
  for (const [what, times] of crowd.errors) say(`error, ${times} times: ${what}`);
  const grown = judge(judged);
  if (json) await Deno.writeTextFile(json, JSON.stringify(samples, undefined, 1) + "\n");
  if (crowd.errors.size > 0) throw new Error("calls failed");
  if (executed !== crowd.counted.counterCalls) throw new Error("what ran is not what was called");
  if (grown.length > 0) throw new Error(`grows: ${grown.join(", ")}`);
}

/** Prints the trend of each figure. Returns those that rise by more than they may. */
function judge(samples: readonly Sample[]): string[] {
  const hours = samples.map((sample) => sample.hours);
  const grown: string[] = [];
  const rows = (Object.keys(BARS) as Figure[]).map((figure) => {
    const values = samples.map((sample) => sample[figure]);
    const { slope, error } = trendOf(hours, values);
    if (slope - 2 * error > BARS[figure]) grown.push(figure);
    const shown = [values[0]!, Math.min(...values), Math.max(...values), values.at(-1)!];
    return [
      figure,
      ...shown.map((value) => value.toFixed(1)),
      slope.toFixed(1),
      error.toFixed(1),
      `${BARS[figure]}`,
    ];
  });
  say(
    formatTable(
      ["figure", "first", "least", "most", "last", "slope per hour", "standard error", "bar"],
      rows,
    ),
  );
  return grown;
}

function readFlags() {
  const parsed = parseArgs(Deno.args, {
    string: ["minutes", "rate", "seed", "json"],
    boolean: ["help"],
    default: { minutes: "30", rate: "500", seed: "1" },
    unknown: (arg: string) => {
      throw new UsageError(`${arg} is not known; --help lists what is`);
    },
  });
  const number = (name: "minutes" | "rate" | "seed") => {
    if (Number(parsed[name]) > 0) return Number(parsed[name]);
    throw new UsageError(`--${name} must be a number above 0`);
  };
  const { json, help } = parsed;
  return { minutes: number("minutes"), rate: number("rate"), seed: number("seed"), json, help };
}

function onstep(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`soak: ${what}\n`));
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(soak, { name: "soak", deadlineMs: 24 * 3_600_000 });
