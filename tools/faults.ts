/**
 * Injects faults into the daemon, connections, servers and disks while ten windows call, and compares every answer with
 * the record of executions. `--help` lists the flags.
 */
import { parseArgs } from "@std/cli/parse-args";
import { FAULTS } from "./faults/faults.ts";
import { faultsPage } from "./faults/page.ts";
import { formatFaults } from "./faults/report.ts";
import { type FaultResult, isClean, tryFault } from "./faults/suite.ts";
import { commitHere, whereHere } from "./lib/here.ts";
import { progress, runTool, UsageError } from "./lib/run_tool.ts";

const HELP = `deno task faults [--only TEXT] [--times N] [--seed N] [--jobs N] [--json FILE] [--report FILE]

  --only TEXT    only faults whose name holds the text; may be repeated
  --times N      how often each fault strikes; 100
  --seed N       what decides when and where it strikes; 1
  --jobs N       faults tried at the same time, each with a daemon and windows of its own; 1
  --json FILE    write all numbers there too, after each fault
  --report FILE  write the results into this page, as docs/reports/faults.md; what people wrote there stays

${FAULTS.map(({ name }) => `  ${name}`).join("\n")}`;

const WINDOWS = 10;
const DEADLINE_MS = 120 * 60_000;
const step = (what: string) => progress(`faults: ${what}`);

async function faults(): Promise<void> {
  const parsed = parseArgs(Deno.args, {
    string: ["only", "times", "seed", "jobs", "json", "report"],
    boolean: ["help"],
    collect: ["only"],
    default: { times: "100", seed: "1", jobs: "1" },
    unknown: (arg: string) => {
      throw new UsageError(`${arg} is not known; --help lists what is`);
    },
  });
  if (parsed.help) return say(HELP);
  const [times, seed] = [wholeNumber("times", parsed.times), wholeNumber("seed", parsed.seed)];
  const jobs = wholeNumber("jobs", parsed.jobs);
  const only = parsed.only as string[];
  const chosen = FAULTS.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text)));
  if (chosen.length === 0) throw new UsageError("no fault has such a name; --help lists them");
  const keep = await keeperOf({ seed, json: parsed.json, report: parsed.report });
  const results: (FaultResult | undefined)[] = chosen.map(() => undefined);
  const queue = chosen.entries();
  // The jobs share one iterator, so each fault is taken once.
  await Promise.all(Array.from({ length: jobs }, async () => {
    for (const [i, fault] of queue) {
      const result = results[i] = await tryFault(fault, { times, seed, windows: WINDOWS, onstep: step });
      step(
        `${fault.name}: ${isClean(result) ? "clean" : "NOT CLEAN"} after ${
          (result.elapsedMs / 1000).toFixed(0)
        } s`,
      );
      await keep(results.filter((done) => done !== undefined));
    }
  }));
  const all = results.filter((done) => done !== undefined);
  say(formatFaults(all));
  const bad = all.filter((result) => !isClean(result)).map(({ name }) => name);
  if (bad.length > 0) throw new Error(`not as promised: ${bad.join(", ")} (seed ${seed})`);
}

/** What writes the results that there are so far, so that a run that is cut off leaves what it has found. */
async function keeperOf({ seed, json, report }: { seed: number; json?: string; report?: string }) {
  const begunMs = performance.now();
  // Looked up at the beginning: the code that runs is that of now.
  const facts = {
    date: new Date().toISOString().slice(0, 10),
    commit: await commitHere(),
    where: whereHere(),
    seed,
    windows: WINDOWS,
  };
  return async (results: readonly FaultResult[]) => {
    const all = { ...facts, elapsedMs: performance.now() - begunMs };
    if (json) await Deno.writeTextFile(json, JSON.stringify({ ...all, results }, undefined, 2) + "\n");
    if (!report) return;
    const before = await Deno.readTextFile(report).catch(() => "");
    await Deno.writeTextFile(report, faultsPage(before, results, all));
  };
}

function wholeNumber(name: string, value: unknown): number {
  if (Number.isInteger(Number(value)) && Number(value) > 0) return Number(value);
  throw new UsageError(`--${name} must be a whole number above 0`);
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(faults, { name: "faults", deadlineMs: DEADLINE_MS });
