import { parseArgs } from "@std/cli/parse-args";
import { progress, UsageError } from "../lib/run_tool.ts";
import { type Build, buildsBeside, givenBuild, ownBuilds } from "./builds.ts";
import { type Part, PARTS, type SuiteOptions } from "./suite.ts";

export const HELP =
  `deno task bench [--peers | --profile] [--part NAME] [--beside DIR] [--only TEXT] [--report FILE]

  --peers          direct stdio, EXAI, mcp-remote + mcp-proxy, a pair of supergateway, all with server-everything
  --profile        the ten hottest functions of each load, written to docs/performance.md
  --daemon, --shim measure these compiled programs; otherwise what deno task compile has left in dist/
  --beside DIR     measure the programs of this checkout too, as those of another commit; may be repeated
  --part NAME      only ${PARTS.join(", ")}; may be repeated
  --only TEXT      only subjects whose name holds the text; may be repeated
  --rounds N       rounds of each work, of which medians are taken; 5
  --seconds N      seconds of one round; 1
  --crowd N        windows opened to see what many cost at rest; 100
  --json FILE      write all numbers there
  --report FILE    write the tables into this page, as docs/reports/bench.md, and the numbers into the .json beside it;
                   parts that were not measured now stay, and so does what people wrote`;

export interface Options {
  profile: boolean;
  peers: boolean;
  only: string[];
  parts: readonly Part[];
  /** The programs measured. */
  builds: readonly Build[];
  json?: string;
  report?: string;
  suite: SuiteOptions;
}

const WINDOWS = 10;
const IDLE_MS = 3000;

interface Flags {
  profile: boolean;
  peers: boolean;
  help: boolean;
  only: string[];
  part: string[];
  beside: string[];
  daemon?: string;
  shim?: string;
  json?: string;
  report?: string;
  rounds?: string;
  seconds?: string;
  crowd?: string;
}

/** What the command line says; undefined when it asks for help. */
export async function readOptions(): Promise<Options | undefined> {
  const flags = readFlags();
  if (flags.help) return undefined;
  return {
    profile: flags.profile,
    peers: flags.peers,
    only: flags.only,
    parts: PARTS.filter((part) => flags.part.length === 0 || flags.part.includes(part)),
    builds: await findBuilds(flags),
    json: flags.json,
    report: flags.report,
    suite: {
      rounds: positive("rounds", flags.rounds ?? 5),
      roundMs: positive("seconds", flags.seconds ?? 1) * 1000,
      idleMs: IDLE_MS,
      windows: WINDOWS,
      crowd: positive("crowd", flags.crowd ?? 100),
      onstep: (what) => progress(`bench: ${what}`),
    },
  };
}

function readFlags(): Flags {
  const unknown: string[] = [];
  const parsed = parseArgs(Deno.args, {
    string: ["daemon", "shim", "json", "report", "only", "part", "beside", "rounds", "seconds", "crowd"],
    boolean: ["peers", "profile", "help"],
    collect: ["only", "part", "beside"],
    unknown: (arg: string) => {
      unknown.push(arg);
      return false;
    },
  }) as unknown as Flags;
  const noPart = parsed.part.find((name) => !(PARTS as readonly string[]).includes(name));
  if (noPart !== undefined) throw new UsageError(`--part ${noPart} is none of ${PARTS.join(", ")}`);
  if (unknown.length > 0) throw new UsageError(`${unknown[0]} is not known; --help lists what is`);
  return parsed;
}

async function findBuilds({ daemon, shim, beside }: Flags): Promise<Build[]> {
  if ((daemon === undefined) !== (shim === undefined)) throw new UsageError("give both --daemon and --shim");
  const own = await ownBuilds();
  const given = daemon && shim
    ? [
      ...own.filter(({ isBuilt }) => !isBuilt),
      givenBuild({ daemon: await file(daemon), shim: await file(shim) }),
    ]
    : own;
  return [...given, ...(await Promise.all(beside.map(buildsBeside))).flat()];
}

async function file(path: string): Promise<string> {
  const isThere = await Deno.stat(path).then(() => true, () => false);
  if (!isThere) throw new UsageError(`${path} is not there`);
  return path;
}

function positive(name: string, value: unknown): number {
  if (Number(value) > 0) return Number(value);
  throw new UsageError(`--${name} must be a number above 0`);
}
