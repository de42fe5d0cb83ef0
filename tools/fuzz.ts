/** Sends changed and broken frames to every door and checks that each holds. `--help` lists the flags. */
import { parseArgs } from "@std/cli/parse-args";
import { messageOf } from "../lib/base/errors.ts";
import { type Door } from "./fuzz/door.ts";
import { SESSION_DOOR } from "./fuzz/session_door.ts";
import { HTTP_DOOR, SOCKET_DOOR } from "./fuzz/network_doors.ts";
import { READING_DOOR } from "./fuzz/reading_door.ts";
import { fuzz, type FuzzResult } from "./fuzz/run.ts";
import { STDIN_DOOR, STDOUT_DOOR } from "./fuzz/stdio_doors.ts";
import { UPSTREAM_HTTP_DOOR, UPSTREAM_SSE_DOOR, UPSTREAM_STDIO_DOOR } from "./fuzz/upstream_doors.ts";
import { commitHere, whereHere } from "./lib/here.ts";
import { progress, runTool, UsageError } from "./lib/run_tool.ts";
import { formatTable } from "./lib/table.ts";

const DOORS: readonly Door[] = [
  READING_DOOR,
  SESSION_DOOR,
  STDIN_DOOR,
  STDOUT_DOOR,
  SOCKET_DOOR,
  HTTP_DOOR,
  UPSTREAM_HTTP_DOOR,
  UPSTREAM_SSE_DOOR,
  UPSTREAM_STDIO_DOOR,
];

const HELP = `deno task fuzz [--frames N] [--seed N] [--only DOOR] [--from N] [--json FILE]

  --frames N   how many, over all doors; 1000000
  --seed N     what they are made from; 1
  --only DOOR  ${DOORS.map(({ name }) => name).join(", ")}; may be repeated
  --from N     begin with this batch of each door, to see a failure again; 0
  --json FILE  write all numbers there too, after each door`;

/** Memory that may be held more at the end than at the beginning, for each million frames, beyond the error of the slope. */
const MAX_SLOPE_MIB = 1;
/**
 * Less than this over a whole run is no growth. V8 notes a script for the message of each JSON text that it cannot parse,
 * in a list that it clears of dead ones only when it is full: with these frames it goes up and down by 0.6 MiB.
 */
const MIN_GROWTH_MIB = 1;

async function main(): Promise<void> {
  const parsed = parseArgs(Deno.args, {
    string: ["frames", "seed", "only", "from", "json"],
    boolean: ["help"],
    collect: ["only"],
    default: { frames: "1000000", seed: "1", from: "0" },
    unknown: (arg: string) => {
      throw new UsageError(`${arg} is not known; --help lists what is`);
    },
  });
  if (parsed.help) return say(HELP);
  const [frames, seed, from] = [Number(parsed.frames), Number(parsed.seed), Number(parsed.from)];
  const only = parsed.only as string[];
  const doors = DOORS.filter(({ name }) => only.length === 0 || only.includes(name));
  if (doors.length === 0 || !(frames > 0) || !(seed >= 0)) throw new UsageError("see --help");
  const facts = { commit: await commitHere(), where: whereHere(), seed };
  say(`commit ${facts.commit}, ${facts.where}, seed ${seed}`);
  const total = doors.reduce((sum, { share }) => sum + share, 0);
  const [results, faults]: [FuzzResult[], string[]] = [[], []];
  for (const door of doors) {
    try {
      const result = await fuzz(door, { frames: frames * door.share / total, seed, fromBatch: from, onstep });
      results.push(result);
      faults.push(...result.findings.map((finding) => `${door.name}: ${finding}`));
      if (hasGrown(result)) faults.push(`${door.name}: memory grows`);
    } catch (thrown) {
      // The other doors are tried all the same.
      faults.push(messageOf(thrown));
    }
    onstep(`${door.name}: done`);
    const text = JSON.stringify({ ...facts, results, faults }, undefined, 2);
    if (parsed.json) await Deno.writeTextFile(parsed.json, text + "\n");
  }
  say(tableOf(results));
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

function tableOf(results: readonly FuzzResult[]): string {
  return formatTable(
    ["door", "frames", "frames/s", "heap slope, MiB per million", "standard error"],
    results.map((result) => [
      result.door,
      String(result.frames),
      (result.frames / result.elapsedMs * 1000).toFixed(0),
      result.trend?.slope.toFixed(2) ?? "-",
      result.trend?.error.toFixed(2) ?? "-",
    ]),
  );
}

function hasGrown({ trend, frames }: FuzzResult): boolean {
  if (trend === undefined) return false;
  const sureSlope = trend.slope - 2 * trend.error;
  return sureSlope > MAX_SLOPE_MIB && sureSlope * frames / 1e6 > MIN_GROWTH_MIB;
}

function onstep(what: string): void {
  progress(`fuzz: ${what}`);
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(main, { name: "fuzz", deadlineMs: 6 * 3_600_000 });
