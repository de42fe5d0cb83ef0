import { deadline } from "@std/async/deadline";
import { messageOf } from "../../lib/base/errors.ts";
import { Load } from "../load/load.ts";
import { Rig } from "../load/rig.ts";
import type { Verdict } from "../load/tally.ts";
import type { CallOptions, LoadWindow } from "../load/window.ts";
import { seeded } from "../lib/random.ts";
import { type Fault, type Scene, Unavailable } from "./fault.ts";
import { Gate } from "./gate.ts";
import { ThreadKeeper } from "./threads.ts";

const INFLIGHT = 2;
/** How long a window may take until a call goes through again. */
const RECOVERY_MS = 60_000;
/** A call without an answer this long after the last one is lost. */
const LOST_MS = 75_000;
/** Longest random pause before a fault, so that it meets calls in every state. */
const LULL_MS = 40;
/** Limit of one injection, so that a program that hangs does not block the others. */
const HARM_MS = 180_000;
const PROGRESS_EVERY = 10;

export interface SuiteOptions {
  times: number;
  seed: number;
  /** Windows that call. */
  windows: number;
  onstep?(what: string): void;
}

/** What one fault came to. */
export interface FaultResult {
  name: string;
  /** Why it was not tried. */
  skipped?: string;
  times: number;
  elapsedMs: number;
  /** The longest time until every window had an answer again. */
  worstRecoveryMs: number;
  verdict?: Verdict;
  /** What was kept in threads meanwhile, in words. */
  threads?: string;
  /** What went wrong with the windows or the daemon themselves. */
  failure?: string;
}

/** Injects `fault` the given number of times under load. */
export async function tryFault(fault: Fault, options: SuiteOptions): Promise<FaultResult> {
  const begunMs = performance.now();
  const result: FaultResult = { name: fault.name, times: 0, elapsedMs: 0, worstRecoveryMs: 0 };
  try {
    await run(fault, options, result);
  } catch (thrown) {
    if (thrown instanceof Unavailable) result.skipped = thrown.message;
    else result.failure = messageOf(thrown);
  }
  result.elapsedMs = performance.now() - begunMs;
  return result;
}

async function run(fault: Fault, options: SuiteOptions, result: FaultResult): Promise<void> {
  const random = seeded(options.seed);
  await using rig = await Rig.open({
    env: fault.env,
    home: await fault.makeHome?.(),
    prefix: await fault.prefix?.(),
  });
  if (!fault.autostart) await rig.startDaemon();
  await using gate = new Gate(rig.port);
  const windows = await openWindows(fault, { rig, gate, count: options.windows });
  // A window of its own, whose answers are no part of the load.
  const [ofThreads] = fault.threads ? await openWindows(fault, { rig, gate, count: 1 }) : [];
  const threads = ofThreads && new ThreadKeeper(rig, ofThreads, seeded(options.seed + 1));
  const nextCall = () => (fault.nextCall ?? smallCall)(random);
  const load = new Load(windows, { inflight: INFLIGHT, nextCall });
  const told = new Set<string>();
  const checkThreads = async () => {
    // A lost call is found by each check and reported once.
    for (const what of await threads?.check() ?? []) {
      if (!told.has(what)) rig.tally.wrong(what), told.add(what);
    }
  };
  try {
    await strike(fault, { rig, gate, windows, load, random, threads, checkThreads }, { ...options, result });
  } finally {
    await load.stop(LOST_MS);
    await threads?.[Symbol.asyncDispose]();
    await checkThreads();
    result.threads = threads?.summary;
    result.verdict = await rig.judge();
  }
}

async function strike(
  fault: Fault,
  scene: Scene,
  { times, onstep, result }: SuiteOptions & { result: FaultResult },
): Promise<void> {
  const { load, random } = scene;
  await load.flows(RECOVERY_MS);
  const begunMs = performance.now();
  for (let n = 0; n < times; n++) {
    if (n % PROGRESS_EVERY === 0) {
      onstep?.(`${fault.name}: ${n} of ${times}, ${((performance.now() - begunMs) / 1000).toFixed(0)} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, random() * LULL_MS));
    const atMs = performance.now();
    await deadline(fault.harm(scene, n), HARM_MS).catch((thrown: Error) => {
      const why = thrown.name === "TimeoutError" ? `not done after ${HARM_MS / 1000} s` : messageOf(thrown);
      throw new Error(`strike ${n}: ${why}`, { cause: thrown });
    });
    await load.flows(RECOVERY_MS);
    result.worstRecoveryMs = Math.max(result.worstRecoveryMs, performance.now() - atMs);
    result.times++;
  }
}

async function openWindows(
  fault: Fault,
  { rig, gate, count }: { rig: Rig; gate: Gate; count: number },
): Promise<LoadWindow[]> {
  return await rig.openWindows(count, {
    ...(fault.gate ? { port: gate.port } : {}),
    env: {
      EXAI_WS_AUTOSTART: String(fault.autostart ?? false),
      ...(fault.gate ? { EXAI_SOCKET: "off" } : {}),
    },
  });
}

function smallCall(random: () => number): CallOptions {
  return {
    tool: random() < 0.7 ? "count" : "look",
    delayMs: random() * 40,
    bytes: Math.floor(random() ** 4 * 4000),
  };
}

/** Whether the fault broke nothing. */
export function isClean({ verdict, failure, skipped }: FaultResult): boolean {
  if (skipped !== undefined) return true;
  if (!verdict || failure !== undefined) return false;
  const { lost, wrong, doubled, denied } = verdict;
  return lost.length + wrong.length + doubled.length + denied.length === 0;
}
