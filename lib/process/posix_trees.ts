import { delay } from "@std/async/delay";
import { monotonicNow } from "../base/time.ts";
import { type ProcessRow, processTable, treeOf } from "./process_table.ts";
import { type ProcessTrees, signalGroup } from "./process_trees.ts";
import { ProcessGuard } from "./process_guard.ts";

const POLL_MS = 20;

/** How long a killed group may take to end; a zombie whose parent does not wait for it takes longer. */
const KILL_WAIT_MS = 500;

/** Process trees as process groups: each adopted process leads a group. */
export class PosixTrees implements ProcessTrees {
  readonly #guard = new ProcessGuard();
  /** Processes of each tree in separate groups, found when it was asked to end. */
  readonly #strays = new Map<number, ProcessRow[]>();

  get guardPid(): number | undefined {
    return this.#guard.pid;
  }

  adopt(pid: number): void {
    this.#guard.add(pid);
  }

  async terminate(pid: number): Promise<void> {
    const tree = treeOf([pid], await processTable());
    this.#strays.set(pid, tree.filter(({ pgid }) => pgid !== pid));
    signalGroup(pid, "SIGTERM");
  }

  kill(pid: number): Promise<void> {
    signalGroup(pid, "SIGKILL");
    return Promise.resolve();
  }

  async sweep(pid: number, graceMs: number): Promise<void> {
    const strays = await this.#groupsOfStrays(pid);
    const groups = [pid, ...strays].filter((pgid) => signalGroup(pgid, "SIGTERM"));
    if (groups.length > 0 && !await areGone(groups, graceMs)) {
      for (const pgid of groups) signalGroup(pgid, "SIGKILL");
      await areGone(groups, KILL_WAIT_MS);
    }
    this.#strays.delete(pid);
    this.#guard.remove(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guard[Symbol.asyncDispose]();
  }

  /** The groups of the strays that are still the same processes. */
  async #groupsOfStrays(pid: number): Promise<Set<number>> {
    const strays = this.#strays.get(pid) ?? [];
    if (strays.length === 0) return new Set();
    const table = await processTable();
    const isSame = (a: ProcessRow) => table.some((b) => a.pid === b.pid && a.startedAt === b.startedAt);
    return new Set(strays.filter(isSame).map(({ pgid }) => pgid));
  }
}

// Polled: there is no event for the end of a process that is not a child.
async function areGone(groups: readonly number[], timeoutMs: number): Promise<boolean> {
  const deadline = monotonicNow() + timeoutMs;
  for (;;) {
    if (!groups.some((pgid) => signalGroup(pgid, 0))) return true;
    if (monotonicNow() >= deadline) return false;
    await delay(POLL_MS);
  }
}
