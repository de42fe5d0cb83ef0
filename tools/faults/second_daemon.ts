import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { endTree } from "../lib/end_tree.ts";
import { CommandRun, misbehaviour } from "./command_run.ts";
import type { Scene } from "./fault.ts";

/** What is started beside the daemon that serves, all at once. */
const VARIANTS = [[], ["--if-not-running"], ["--port=0"], ["--if-not-running", "--port=0"]];
/** A daemon takes about this long to start; it is killed anywhere in it. */
const START_MS = 900;
/** By then one daemon serves and all others have ended. */
const SETTLED_MS = 15_000;
const POLL_MS = 50;
/** Often enough to see when something was lost, and rare enough not to be the load itself. */
const CHECK_EVERY = 5;

/** Starts several daemons on one home, kills the one that serves while they start, and sees that one is left. */
export async function startSecondDaemons(scene: Scene, n: number): Promise<void> {
  const { rig, random, load } = scene;
  const runs = VARIANTS.map((args) => new CommandRun(rig, args));
  await delay(random() * START_MS);
  await killServing(scene);
  await load.flows(60_000);
  const left = await settle(scene, runs);
  const serving = await servingPid(rig.home);
  for (const run of runs) {
    const fault = run.result && misbehaviour(run.result);
    if (fault) rig.tally.wrong(`exai-daemon ${run.args.join(" ")} beside a daemon: ${fault}`);
    // The serving daemon stays; all others are ended, so that the next round finds one daemon.
    if (run.pid !== serving) await run[Symbol.asyncDispose]();
  }
  const others = left.filter((pid) => pid !== serving);
  if (others.length > 0) {
    rig.tally.wrong(`${left.length} daemons serve one state directory after strike ${n}`);
    for (const pid of others) await endTree(pid, { graceMs: 0 });
  }
  if (n % CHECK_EVERY === CHECK_EVERY - 1) await scene.checkThreads();
}

async function killServing({ rig }: Scene): Promise<void> {
  const untilMs = performance.now() + SETTLED_MS;
  // The file may be between two daemons: away, or with the name of one that has ended.
  while (performance.now() < untilMs) {
    const pid = await servingPid(rig.home);
    if (pid !== undefined && (await daemonsOf(rig.home)).includes(pid)) {
      return await endTree(pid, { graceMs: 0 });
    }
    await delay(5);
  }
  throw new Error("no daemon says that it serves");
}

/** The daemons that run when at most one is left, or when waiting for that is no use. */
async function settle({ rig }: Scene, runs: readonly CommandRun[]): Promise<number[]> {
  const untilMs = performance.now() + SETTLED_MS;
  for (;;) {
    const left = await daemonsOf(rig.home, runs);
    if (left.length <= 1 || performance.now() > untilMs) return left;
    // Two daemons that have written where they listen both stay.
    const listening = runs.filter(({ pid, hasSpoken }) => hasSpoken && left.includes(pid));
    if (listening.length > 1) return left;
    await delay(POLL_MS);
  }
}

async function servingPid(home: string): Promise<number | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(join(home, "daemon.json"))).pid;
  } catch {
    return undefined;
  }
}

/** The process ids of all daemons with this state directory; where the system does not show them, of `runs` alone. */
async function daemonsOf(home: string, runs: readonly CommandRun[] = []): Promise<number[]> {
  if (Deno.build.os !== "linux") {
    const own = runs.filter(({ result }) => result === undefined).map(({ pid }) => pid);
    const serving = await servingPid(home);
    return [...new Set(serving === undefined ? own : [...own, serving])];
  }
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (/^\d+$/.test(name) && await isDaemonOf(home, `/proc/${name}`)) found.push(Number(name));
  }
  return found;
}

async function isDaemonOf(home: string, dir: string): Promise<boolean> {
  try {
    const args = (await Deno.readTextFile(`${dir}/cmdline`)).split("\0");
    if (!args.some((arg) => /(^|[/\\])(daemon\.ts|exai-daemon)$/.test(arg))) return false;
    return (await Deno.readTextFile(`${dir}/environ`)).split("\0").includes(`EXAI_HOME=${home}`);
  } catch {
    // It has ended, or belongs to another user.
    return false;
  }
}
