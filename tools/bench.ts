/**
 * Measures speed and memory in one run: EXAI beside a bare WebSocket server, or with `--peers` beside the other ways
 * to share a server. `--help` lists the flags.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path";
import os from "node:os";
import { mountedSubject, type Programs, shimSubject } from "./bench/exai.ts";
import { copyingSubject } from "./bench/floor.ts";
import { type Entries, installPackages, PACKAGES } from "./bench/install.ts";
import { directSubject, everythingServer, mcpRemoteSubject, supergatewaySubject } from "./bench/peers.ts";
import { formatReport } from "./bench/report.ts";
import type { SubjectResult } from "./bench/result.ts";
import type { Shape, Subject } from "./bench/subject.ts";
import { runSuite, type SuiteOptions } from "./bench/suite.ts";
import { floorSubject, rawSubject } from "./bench/websocket.ts";
import { SOURCE } from "./lib/programs.ts";
import { runTool, UsageError } from "./lib/run_tool.ts";

const HELP = `deno task bench [--peers] [--daemon PATH --shim PATH] [--only TEXT] [--json FILE]

  --peers          direct stdio, EXAI, mcp-remote + mcp-proxy, a pair of supergateway, all with server-everything
  --daemon, --shim measure these compiled programs too; otherwise what deno task compile has left in dist/
  --only TEXT      only subjects whose name holds the text; may be repeated
  --rounds N       rounds of each work; 3
  --seconds N      seconds of one round; 1
  --json FILE      write all numbers there too`;

const DEADLINE_MS = 15 * 60_000;
const WINDOWS = 10;

const ONE: Shape = { windows: 1, inflight: 1 };
const BUSY: Shape = { windows: 1, inflight: 8 };
const MANY: Shape = { windows: WINDOWS, inflight: 1 };
const SMALL = [ONE, BUSY, MANY];
const LARGE = [100_000, 5_000_000].map((payloadBytes): Shape => ({ ...ONE, payloadBytes }));

interface Options {
  peers: boolean;
  only: string[];
  /** Programs measured beside those from source, by what they are. */
  built: Map<string, Programs>;
  json?: string;
  suite: SuiteOptions;
}

async function bench(): Promise<void> {
  const options = await readOptions();
  if (!options) return say(HELP);
  const all = options.peers ? peerSubjects(await installPackages(), options) : ownSubjects(options);
  const { only } = options;
  const subjects = all.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text)));
  const machine = describeMachine();
  say(Object.values(machine).join(", ") + "\n");
  const results = await runSuite(subjects, options.suite);
  say(formatReport(results, options.suite));
  if (options.json) {
    const report = {
      at: new Date().toISOString(),
      machine,
      packages: options.peers ? PACKAGES : {},
      results,
    };
    await Deno.writeTextFile(options.json, JSON.stringify(report, undefined, 2) + "\n");
  }
  const failed = results.filter(isFailed).map(({ name }) => name);
  if (failed.length > 0) throw new Error(`not measured: ${failed.join(", ")}`);
}

/** Whether something of our own could not be measured; a peer may fail at what it cannot do. */
function isFailed({ role, unavailable, loads }: SubjectResult): boolean {
  if (role === "peer" || unavailable?.startsWith("not available")) return false;
  return unavailable !== undefined || loads.some(({ failure }) => failure !== undefined);
}

function ownSubjects({ built }: Options): Subject[] {
  return [
    floorSubject(),
    rawSubject(SOURCE.daemon),
    shimSubject("version through shims", SOURCE, SMALL),
    ...Array.from(
      built,
      ([kind, programs]) => shimSubject(`version through shims, ${kind}`, programs, SMALL),
    ),
  ];
}

function peerSubjects(entryOf: Entries, { built }: Options): Subject[] {
  const shapes = [...SMALL, ...LARGE];
  const server = everythingServer(entryOf);
  return [
    directSubject(entryOf, shapes),
    copyingSubject(server, shapes),
    mountedSubject("EXAI", SOURCE, { shapes, server }),
    ...Array.from(built, ([kind, programs]) => mountedSubject(`EXAI, ${kind}`, programs, { shapes, server })),
    mcpRemoteSubject(entryOf, shapes),
    supergatewaySubject(entryOf, shapes),
  ];
}

function describeMachine() {
  const [load] = os.loadavg();
  return {
    cpu: `${os.cpus().length} x ${os.cpus()[0]?.model ?? "unknown"}`,
    system: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: `deno ${Deno.version.deno}`,
    load: `load before ${load?.toFixed(2)}`,
  };
}

async function readOptions(): Promise<Options | undefined> {
  const unknown: string[] = [];
  const parsed: Record<string, unknown> = parseArgs(Deno.args, {
    string: ["daemon", "shim", "json", "only", "rounds", "seconds"],
    boolean: ["peers", "help"],
    collect: ["only"],
    unknown: (arg: string) => {
      unknown.push(arg);
      return false;
    },
  });
  if (unknown.length > 0) throw new UsageError(`${unknown[0]} is not known; --help lists what is`);
  if (parsed.help) return undefined;
  return {
    peers: parsed.peers === true,
    only: parsed.only as string[],
    built: await findBuilt(parsed as { daemon?: string; shim?: string }),
    json: parsed.json as string | undefined,
    suite: {
      rounds: positive("rounds", parsed.rounds ?? 3),
      roundMs: positive("seconds", parsed.seconds ?? 1) * 1000,
      idleMs: 3000,
      windows: WINDOWS,
      onstep: (what) => Deno.stderr.writeSync(new TextEncoder().encode(`bench: ${what}\n`)),
    },
  };
}

function positive(name: string, value: unknown): number {
  if (Number(value) > 0) return Number(value);
  throw new UsageError(`--${name} must be a number above 0`);
}

async function findBuilt({ daemon, shim }: { daemon?: string; shim?: string }) {
  const isThere = async (path: string) => (await Deno.stat(path).catch(() => undefined)) !== undefined;
  if ((daemon === undefined) !== (shim === undefined)) throw new UsageError("give both --daemon and --shim");
  if (daemon && shim) {
    for (const path of [daemon, shim]) if (!await isThere(path)) throw new UsageError(`${path} is not there`);
    return new Map([["compiled", { daemon, shim }]]);
  }
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  const dist = (name: string) => fromFileUrl(new URL(`../dist/${name}`, import.meta.url));
  const candidates: [string, Programs][] = [
    ["bundled shim", { daemon: SOURCE.daemon, shim: dist("shim.js") }],
    ["compiled", { daemon: dist(`exai-daemon${suffix}`), shim: dist(`exai-shim${suffix}`) }],
  ];
  const found = new Map<string, Programs>();
  for (const [kind, programs] of candidates) {
    if (await isThere(programs.daemon) && await isThere(programs.shim)) found.set(kind, programs);
  }
  return found;
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(bench, { name: "bench", deadlineMs: DEADLINE_MS });
