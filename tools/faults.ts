/**
 * Does harm to daemon, connections, servers and disks while ten windows call, and holds every answer against the record
 * of what has run. `--help` lists the flags.
 */
import { parseArgs } from "@std/cli/parse-args";
import { FAULTS } from "./faults/faults.ts";
import { formatFaults } from "./faults/report.ts";
import { type FaultResult, isClean, tryFault } from "./faults/suite.ts";
import { runTool, UsageError } from "./lib/run_tool.ts";

const HELP = `deno task faults [--only TEXT] [--times N] [--seed N] [--json FILE]

  --only TEXT  only faults whose name holds the text; may be repeated
  --times N    how often each fault strikes; 100
  --seed N     what decides when and where it strikes; 1
  --json FILE  write all numbers there too

${FAULTS.map(({ name }) => `  ${name}`).join("\n")}`;

const WINDOWS = 10;
const DEADLINE_MS = 120 * 60_000;

async function faults(): Promise<void> {
  const parsed = parseArgs(Deno.args, {
    string: ["only", "times", "seed", "json"],
    boolean: ["help"],
    collect: ["only"],
    default: { times: "100", seed: "1" },
    unknown: (arg: string) => {
      throw new UsageError(`${arg} is not known; --help lists what is`);
    },
  });
  if (parsed.help) return say(HELP);
  const [times, seed] = [wholeNumber("times", parsed.times), wholeNumber("seed", parsed.seed)];
  const only = parsed.only as string[];
  const chosen = FAULTS.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text)));
  if (chosen.length === 0) throw new UsageError("no fault has such a name; --help lists them");
  const results: FaultResult[] = [];
  for (const fault of chosen) results.push(await tryFault(fault, { times, seed, windows: WINDOWS, onstep }));
  say(formatFaults(results));
  if (parsed.json) {
    await Deno.writeTextFile(parsed.json, JSON.stringify({ seed, results }, undefined, 2) + "\n");
  }
  const bad = results.filter((result) => !isClean(result)).map(({ name }) => name);
  if (bad.length > 0) throw new Error(`not as promised: ${bad.join(", ")} (seed ${seed})`);
}

function wholeNumber(name: string, value: unknown): number {
  if (Number.isInteger(Number(value)) && Number(value) > 0) return Number(value);
  throw new UsageError(`--${name} must be a whole number above 0`);
}

function onstep(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`faults: ${what}\n`));
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(faults, { name: "faults", deadlineMs: DEADLINE_MS });
