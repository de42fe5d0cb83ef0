import { SECOND_MS } from "../base/units.ts";
import type { DaemonStatus } from "./status_rows.ts";
import type { MemorySample, SavedSample } from "./watch_event.ts";

/** Reading what every process of the machine holds costs more than all else that is watched. */
const MEASURE_INTERVAL_MS = 10 * SECOND_MS;

/** What one process holds, in bytes. */
interface HeldMemory {
  memoryBytes: number;
  /** What another copy of it would hold again; undefined where the system does not tell. */
  privateBytes?: number;
}

/** What a process holds with all it has started. */
interface HeldByTree extends HeldMemory {
  processes: number;
}

/** Measures processes. */
export interface MemoryMeter {
  /** Each server's process with all it has started, by process id. */
  servers(): Promise<ReadonlyMap<number, HeldByTree>>;
  /** Single processes, by process id; those that are gone are left out. */
  processes(pids: readonly number[]): Promise<ReadonlyMap<number, HeldMemory>>;
  /** The daemon's own processes. */
  own(): readonly number[];
}

/** One measurement, by process id. */
interface Measured {
  servers: ReadonlyMap<number, HeldByTree>;
  own: ReadonlyMap<number, HeldMemory>;
  shims: ReadonlyMap<number, HeldMemory>;
}

type ShownRows = Pick<DaemonStatus, "servers" | "sessions">;

/** What the processes hold, measured now and then. */
export class WatchedMemory {
  readonly #meter: MemoryMeter;
  #measured: Measured | undefined;
  #measuredAtMs = -Infinity;
  #measuring: Promise<void> | undefined;

  constructor(meter: MemoryMeter) {
    this.#meter = meter;
  }

  /** Of each server's process with all it has started, in bytes, by process id; empty until it was measured. */
  get ofServers(): ReadonlyMap<number, number> {
    return residentByPid(this.#measured?.servers ?? new Map());
  }

  /** Measures, unless the last measurement is recent; resolves when there is one, or none can be had. */
  measure({ sessions }: Pick<ShownRows, "sessions">): Promise<void> {
    if (performance.now() - this.#measuredAtMs < MEASURE_INTERVAL_MS) return Promise.resolve();
    return this.#measuring ??= this.#measure(sessions.flatMap(({ pid }) => pid ?? [])).finally(() => {
      this.#measuring = undefined;
      this.#measuredAtMs = performance.now();
    });
  }

  async #measure(shimPids: readonly number[]): Promise<void> {
    try {
      const [servers, shims, own] = await Promise.all([
        this.#meter.servers(),
        this.#meter.processes(shimPids),
        this.#meter.processes(this.#meter.own()),
      ]);
      this.#measured = { servers, shims, own };
    } catch {
      this.#measured = undefined;
    }
  }

  /** The figures of a sample. */
  sample(
    { servers, sessions }: ShownRows,
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
      servers: sum(trees, residentBytes),
      shims: sum(shims, residentBytes),
      processes: sum(trees, ({ processes }) => processes),
      shims_measured: shims.length,
    };
    return { memory, saved: savedBy({ servers, sessions }, { ...measured, shims }) };
  }
}

/**
 * What is saved against one copy of each process for each session that uses it now; what EXAI itself takes is taken off.
 * Memory that processes share by themselves, as programs and libraries in files, is no saving where the system tells it
 * apart.
 */
function savedBy(
  { servers, sessions }: ShownRows,
  { servers: trees, own, shims }: Omit<Measured, "shims"> & { shims: readonly HeldMemory[] },
): SavedSample {
  const connected = new Set(sessions.filter(({ connected }) => connected).map(({ session }) => session));
  const shared = servers.flatMap(({ pid, sessions }) => {
    const spared = sessions.filter((session) => connected.has(session)).length - 1;
    return pid === undefined || spared < 1 ? [] : { spared, tree: trees.get(pid) };
  });
  const measured = shared.flatMap(({ spared, tree }) => tree === undefined ? [] : { spared, tree });
  const taken = [...own.values(), ...shims];
  const isPrivate = [...taken, ...measured.map(({ tree }) => tree)]
    .every(({ privateBytes }) => privateBytes !== undefined);
  const bytesOf = (held: HeldMemory) => isPrivate ? held.privateBytes! : held.memoryBytes;
  const note = noteOn({
    unmeasured: shared.length - measured.length,
    unknown: Math.max(0, connected.size - shims.length),
    sessions: connected.size,
  });
  return {
    processes: sum(measured, ({ spared, tree }) => spared * tree.processes) - taken.length,
    bytes: sum(measured, ({ spared, tree }) => spared * bytesOf(tree)) - sum(taken, bytesOf),
    counted: isPrivate ? "private" : "resident",
    ...(note === "" ? {} : { note }),
  };
}

/** What could not be measured, in a sentence; empty: nothing. */
function noteOn(
  { unmeasured, unknown, sessions }: { unmeasured: number; unknown: number; sessions: number },
): string {
  return [
    ...(unmeasured > 0 ? [`shared processes that are not measured yet, and not counted: ${unmeasured}`] : []),
    ...(unknown > 0
      ? [`of ${unknown} of ${sessions} sessions the shim's process is not known, and not taken off`]
      : []),
  ].join("; ");
}

/** The resident memory of each, in bytes. */
export function residentByPid(held: ReadonlyMap<number, HeldMemory>): ReadonlyMap<number, number> {
  return new Map(Array.from(held, ([pid, { memoryBytes }]) => [pid, memoryBytes]));
}

function residentBytes({ memoryBytes }: HeldMemory): number {
  return memoryBytes;
}

function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0);
}
