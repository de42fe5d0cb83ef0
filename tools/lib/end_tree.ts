import { delay } from "@std/async/delay";
import process from "node:process";
import { running, treeOf } from "./process_table.ts";

const POLL_MS = 20;
const KILLED_MS = 3000;

export interface EndOptions {
  /** How long the process may take to end by itself after it was asked to; 0: it is not asked. */
  graceMs?: number;
  /** Whether it leads a process group of its own, which is ended with it. */
  leadsGroup?: boolean;
}

/**
 * Ends `pid` and everything below it: asks first, then kills. Resolves when none of them runs.
 *
 * @throws when one still runs
 */
export async function endTree(pid: number, options: EndOptions = {}): Promise<void> {
  const { graceMs = 1000 } = options;
  if (Deno.build.os === "windows") return await endWindowsTree(pid);
  // A process that is not asked is stopped first: it must not start another after its tree was looked up.
  if (graceMs === 0) signal(pid, "SIGSTOP");
  const tree = await treeOf([pid]);
  if (graceMs > 0) {
    signal(pid, "SIGTERM");
    await gone([pid], graceMs);
  }
  if (options.leadsGroup) signal(-pid, "SIGKILL");
  // What has left the group is found by descent; what has lost its parent, by the group.
  for (const each of await running(tree)) signal(each, "SIGKILL");
  const left = await gone(tree, KILLED_MS);
  if (left.length > 0) throw new Error(`still running after SIGKILL: ${left.join(", ")}`);
}

/** Waits until none of `pids` runs, for at most `timeoutMs`. Returns those that do. */
export async function gone(pids: readonly number[], timeoutMs: number): Promise<number[]> {
  const until = performance.now() + timeoutMs;
  let left = await running(pids);
  while (left.length > 0 && performance.now() < until) {
    await delay(POLL_MS);
    left = await running(left);
  }
  return left;
}

async function endWindowsTree(pid: number): Promise<void> {
  await new Deno.Command("taskkill", {
    args: ["/T", "/F", "/PID", String(pid)],
    stdout: "null",
    stderr: "null",
  })
    .output();
  const left = await gone([pid], KILLED_MS);
  if (left.length > 0) throw new Error(`still running after taskkill: ${pid}`);
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
