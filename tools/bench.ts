/**
 * Measures speed and memory in one run: EXAI beside a bare WebSocket server, or with `--peers` beside the other ways
 * to share a server. `--help` lists the flags.
 */
import os from "node:os";
import { eraSubjects, mountedSubject, shimSubject } from "./bench/exai.ts";
import { copyingSubject } from "./bench/floor.ts";
import { type Entries, installPackages, PACKAGES } from "./bench/install.ts";
import { HELP, type Options, readOptions } from "./bench/options.ts";
import { benchPage } from "./bench/page.ts";
import { directSubject, everythingServer, mcpRemoteSubject, supergatewaySubject } from "./bench/peers.ts";
import { formatProfiles, profileLoads, writeProfiles } from "./bench/profile.ts";
import { type BenchReport, formatReport } from "./bench/report.ts";
import type { SubjectResult } from "./bench/result.ts";
import type { Shape, Subject } from "./bench/subject.ts";
import { runPart, type SuiteOptions } from "./bench/suite.ts";
import { floorSubject, rawSubject } from "./bench/websocket.ts";
import { sourceStamp } from "./compile/stamp.ts";
import { runTool } from "./lib/run_tool.ts";

const DEADLINE_MS = 20 * 60_000;
/** A profile runs for as many rounds, so that a function of one per cent has some hundred samples. */
const PROFILED_ROUNDS = 3;

const ONE: Shape = { windows: 1, inflight: 1 };
const BUSY: Shape = { windows: 1, inflight: 8 };
const MANY: Shape = { windows: 10, inflight: 1 };
const SMALL = [ONE, BUSY, MANY];
const LARGE = [100_000, 5_000_000].map((payloadBytes): Shape => ({ ...ONE, payloadBytes }));

async function bench(): Promise<void> {
  const options = await readOptions();
  if (!options) return say(HELP);
  if (options.profile) return await profile(options.suite);
  const all = options.peers ? peerSubjects(await installPackages(), options) : ownSubjects(options);
  const { only } = options;
  const subjects = all.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text)));
  say(Object.values(describeMachine()).join(", ") + "\n");
  const report = await measure(subjects, options);
  say(formatReport(report));
  if (options.json) await Deno.writeTextFile(options.json, jsonOf(report));
  if (options.report) await writePage(options.report, report);
  const failed = Object.values(report.parts).flatMap(({ results }) => results).filter(isFailed);
  if (failed.length > 0) {
    throw new Error(`not measured: ${[...new Set(failed.map(({ name }) => name))].join(", ")}`);
  }
}

async function profile({ roundMs, onstep }: SuiteOptions): Promise<void> {
  const profiles = await profileLoads({
    shapes: [...SMALL, ...LARGE],
    warmUpMs: roundMs,
    durationMs: roundMs * PROFILED_ROUNDS,
    onstep,
  });
  const text = formatProfiles(profiles);
  say(text);
  await writeProfiles(text);
}

async function measure(
  subjects: readonly Subject[],
  { parts, peers, suite }: Options,
): Promise<BenchReport> {
  const report: BenchReport = { parts: {} };
  const commit = (await sourceStamp())?.commit ?? "unknown";
  for (const part of parts) {
    report.parts[part] = {
      at: new Date().toISOString(),
      commit,
      machine: describeMachine(),
      packages: peers ? versions() : {},
      rounds: suite.rounds,
      roundMs: suite.roundMs,
      results: await runPart(part, subjects, suite),
    };
  }
  return report;
}

/** Whether something of our own could not be measured; a peer may fail at what it cannot do. */
function isFailed({ role, unavailable, loads = [] }: SubjectResult): boolean {
  if (role === "peer" || unavailable?.startsWith("not available")) return false;
  return unavailable !== undefined || loads.some(({ failure }) => failure !== undefined);
}

function ownSubjects({ builds }: Options): Subject[] {
  return [
    floorSubject(),
    ...builds.map((build) => rawSubject(`version over raw WebSocket, ${build.name}`, build.daemon)),
    ...builds.map((build) => shimSubject(`version through shims, ${build.name}`, build, SMALL)),
    ...builds.flatMap((build) => eraSubjects(build, [ONE, BUSY, LARGE[0]!])),
  ];
}

function peerSubjects(entryOf: Entries, { builds }: Options): Subject[] {
  const shapes = [...SMALL, ...LARGE];
  const server = everythingServer(entryOf);
  const hasBuilt = builds.some(({ isBuilt }) => isBuilt);
  return [
    directSubject(entryOf, shapes),
    copyingSubject(server, shapes),
    ...builds.map((build) => {
      const hasCrowd = build.isBuilt || !hasBuilt;
      return mountedSubject(`EXAI, ${build.name}`, build, { shapes, server, hasCrowd });
    }),
    mcpRemoteSubject(entryOf, shapes),
    supergatewaySubject(entryOf, shapes),
  ];
}

/** Adds what was measured now to what the page shows of other parts. */
async function writePage(path: string, { parts }: BenchReport): Promise<void> {
  const numbers = path.replace(/\.md$/, "") + ".json";
  const read = (path: string) =>
    Deno.readTextFile(path).catch((thrown) => {
      if (thrown instanceof Deno.errors.NotFound) return "";
      throw thrown;
    });
  const before: BenchReport = JSON.parse(await read(numbers) || '{"parts":{}}');
  const report = { parts: { ...before.parts, ...parts } };
  await Deno.writeTextFile(numbers, jsonOf(report));
  await Deno.writeTextFile(path, benchPage(await read(path), report));
}

function jsonOf(report: BenchReport): string {
  return JSON.stringify(report, undefined, 1) + "\n";
}

function versions(): Record<string, string> {
  return Object.fromEntries(Object.entries(PACKAGES).map(([name, { version }]) => [name, version]));
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

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(bench, { name: "bench", deadlineMs: DEADLINE_MS });
