import { SECOND_MS } from "../base/units.ts";
import type { DaemonStatus } from "./status_rows.ts";
import type { MemorySample, SavedSample } from "./watch_event.ts";

/** Reading what every process of the machine holds costs more than all else that is watched. */
const MEASURE_INTERVAL_MS = 10 * SECOND_MS;

/** What one process, or one with all it has started, holds. */
interface HeldMemory {
  memoryBytes: number;
  processes: number;
}

/** Measures the processes of servers and shims. */
export interface MemoryMeter {
  /** Each server's process with all it has started, by process id. */
  servers(): Promise<ReadonlyMap<number, HeldMemory>>;
  /** Resident memory of single processes, by process id, in bytes; those that are gone are left out. */
  processes(pids: readonly number[]): Promise<ReadonlyMap<number, number>>;
}

/** One measurement. */
interface Measured {
  servers: ReadonlyMap<number, HeldMemory>;
  shims: ReadonlyMap<number, number>;
}

/** What the processes hold, measured now and then. */
export class WatchedMemory {
  readonly #meter: MemoryMeter;
  #measured: Measured | undefined;
  #measuredAtMs = -Infinity;
  #isMeasuring = false;

  constructor(meter: MemoryMeter) {
    this.#meter = meter;
  }

  /** Of each server's process with all it has started, in bytes, by process id; empty until it was measured. */
  get ofServers(): ReadonlyMap<number, number> {
    const servers = this.#measured?.servers ?? [];
    return new Map(Array.from(servers, ([pid, { memoryBytes }]) => [pid, memoryBytes]));
  }

  /** Begins a measurement unless the last one is recent. */
  async measure({ sessions }: Pick<DaemonStatus, "sessions">): Promise<void> {
    if (this.#isMeasuring || performance.now() - this.#measuredAtMs < MEASURE_INTERVAL_MS) return;
    this.#isMeasuring = true;
    try {
      const shims = this.#meter.processes(sessions.flatMap(({ pid }) => pid ?? []));
      this.#measured = { servers: await this.#meter.servers(), shims: await shims };
    } catch {
      this.#measured = undefined;
    } finally {
      this.#isMeasuring = false;
      this.#measuredAtMs = performance.now();
    }
  }

  /** The figures of a sample. */
  sample(
    { servers, sessions }: Pick<DaemonStatus, "servers" | "sessions">,
    daemonBytes: number,
  ): { memory: MemorySample; saved: SavedSample } {
    const measured = this.#measured;
    if (!measured) {
      return { memory: { daemon: daemonBytes }, saved: { note: "memory is being measured, or cannot be" } };
    }
    const trees = [...measured.servers.values()];
    const shims = sessions.flatMap(({ pid }) => pid === undefined ? [] : measured.shims.get(pid) ?? []);
    const memory = {
      daemon: daemonBytes,
      servers: sum(trees.map(({ memoryBytes }) => memoryBytes)),
      shims: sum(shims),
      processes: sum(trees.map(({ processes }) => processes)),
      shims_measured: shims.length,
    };
    const others = { daemonBytes, shims, windows: sessions.filter(({ connected }) => connected).length };
    return { memory, saved: savedBy(servers, measured.servers, others) };
  }
}

/** What is saved against one copy of each process per window; what EXAI itself takes is taken off. */
function savedBy(
  servers: DaemonStatus["servers"],
  trees: ReadonlyMap<number, HeldMemory>,
  { daemonBytes, shims, windows }: { daemonBytes: number; shims: readonly number[]; windows: number },
): SavedSample {
  let [processes, bytes, unmeasured] = [-1 - shims.length, -daemonBytes - sum(shims), 0];
  for (const { pid, sessions } of servers) {
    const spared = Math.max(0, sessions.length - 1);
    const tree = pid === undefined ? undefined : trees.get(pid);
    if (pid !== undefined && spared > 0 && !tree) unmeasured++;
    processes += spared * (tree?.processes ?? 0);
    bytes += spared * (tree?.memoryBytes ?? 0);
  }
  const unknown = Math.max(0, windows - shims.length);
  const notes = [
    ...(unmeasured > 0 ? [`${unmeasured} shared processes are not measured yet, and not counted`] : []),
    ...(unknown > 0
      ? [`of ${unknown} of ${windows} windows the shim's process is not known, and not taken off`]
      : []),
  ];
  return { processes, bytes, ...(notes.length > 0 ? { note: notes.join("; ") } : {}) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
