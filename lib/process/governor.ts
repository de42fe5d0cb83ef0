import { getLogger } from "@logtape/logtape";
import { formatBytes, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { TreeUsage } from "./process_table.ts";

const log = getLogger(["exai", "upstream"]);

export interface GovernorOptions {
  /** Memory of all mounted servers together, in bytes; 0: no limit. */
  memoryBytes: number;
  /** Their processes together; 0: no limit. */
  processes: number;
  /** Memory of one process tree if its server sets no limit, in bytes; 0: no limit. */
  memoryLimitBytes: number;
  /** The usage of each process tree, by its root. */
  usage(): Promise<ReadonlyMap<number, TreeUsage>>;
  servers(): Iterable<GovernedServer>;
  /** Interval of checks, in milliseconds; 10 s by default. */
  intervalMs?: number;
  /** A monotonic clock, in milliseconds. */
  now?: () => number;
  /** Called when {@linkcode Governor.fault} is set or cleared. */
  onChange?(): void;
}

/** One running instance, as the governor sees it. */
export interface GovernedSlot {
  readonly scope: "machine" | "project" | "window" | "session";
  readonly started: { readonly pid?: number; readonly callCount: number } | undefined;
  /** Whether it could be stopped now without an effect. */
  readonly isIdle: boolean;
}

/** A mounted server, as the governor sees it. */
interface GovernedServer {
  readonly name: string;
  readonly memoryLimitBytes: number | undefined;
  readonly slots: Iterable<GovernedSlot>;
  /**
   * Stops an instance when its calls have ended, after `graceMs` at the latest. Its sessions stay, and their next
   * call starts another.
   */
  retireSlot(slot: GovernedSlot, graceMs: number): void;
}

const INTERVAL_MS = 10 * SECOND_MS;

/** How long calls may continue on an instance that is over its limit. */
const LIMIT_GRACE_MS = 2 * MINUTE_MS;

/** A parked instance is idle; a call that arrives at that moment gets this time. */
const PARK_GRACE_MS = MINUTE_MS;

interface MeasuredSlot extends TreeUsage {
  server: GovernedServer;
  slot: GovernedSlot;
  pid: number;
  idleSinceMs: number;
}

/**
 * Keeps mounted servers within a budget of memory and processes: stops idle instances, the least recently used first,
 * and replaces an instance that is over its own limit.
 */
export class Governor implements Disposable {
  readonly #options: GovernorOptions;
  readonly #now: () => number;
  /** When a slot was first seen idle, and how many calls it had had. */
  readonly #idle = new WeakMap<GovernedSlot, { callCount: number; sinceMs: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #fault: string | undefined;
  #isDisposed = false;

  constructor(options: GovernorOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Starts the periodic checks, which do not keep the process running. */
  start(): void {
    if (this.#isDisposed) return;
    this.#timer = setTimeout(async () => {
      await this.check().catch((thrown) => log.warning("checking servers failed: {thrown}", { thrown }));
      this.start();
    }, this.#options.intervalMs ?? INTERVAL_MS);
    Deno.unrefTimer(this.#timer);
  }

  /** What is wrong, in a sentence; undefined within the budget. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Checks once, and stops what is over a limit. */
  async check(): Promise<void> {
    const slots = await this.#measure();
    const kept = slots.filter((slot) => !this.#replaceIfTooLarge(slot));
    this.#setFault(this.#park(kept));
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  async #measure(): Promise<MeasuredSlot[]> {
    const slots = [...this.#options.servers()].flatMap((server) =>
      [...server.slots].filter(({ started }) => started?.pid !== undefined).map((slot) => ({ server, slot }))
    );
    // Without servers or limits, the process table is not read.
    if (slots.length === 0 || !this.#hasWork(slots)) return [];
    const usage = await this.#options.usage();
    return slots.flatMap(({ server, slot }) => {
      const idleSinceMs = this.#idleSince(slot);
      const pid = slot.started?.pid;
      const held = pid === undefined ? undefined : usage.get(pid);
      return held ? [{ ...held, server, slot, pid: pid!, idleSinceMs }] : [];
    });
  }

  #hasWork(slots: readonly { server: GovernedServer }[]): boolean {
    const { memoryBytes, processes, memoryLimitBytes } = this.#options;
    return memoryBytes + processes + memoryLimitBytes > 0 ||
      slots.some(({ server }) => server.memoryLimitBytes !== undefined);
  }

  #idleSince(slot: GovernedSlot): number {
    const { callCount } = slot.started!;
    const known = this.#idle.get(slot);
    if (known?.callCount === callCount && slot.isIdle) return known.sinceMs;
    const sinceMs = this.#now();
    if (slot.isIdle) this.#idle.set(slot, { callCount, sinceMs });
    else this.#idle.delete(slot);
    return sinceMs;
  }

  #replaceIfTooLarge({ server, slot, pid, memoryBytes }: MeasuredSlot): boolean {
    const limit = server.memoryLimitBytes ?? this.#options.memoryLimitBytes;
    if (limit === 0 || memoryBytes <= limit) return false;
    log.warning(
      "{server} (process {pid}) holds {memory}, more than its limit of {limit}: it is stopped {when}, and its next " +
        "call starts a fresh one",
      {
        server: server.name,
        pid,
        memory: formatBytes(memoryBytes),
        limit: formatBytes(limit),
        when: slot.isIdle
          ? "now"
          : `when its calls are done, in ${LIMIT_GRACE_MS / SECOND_MS} s at the latest`,
      },
    );
    server.retireSlot(slot, LIMIT_GRACE_MS);
    return true;
  }

  /**
   * Stops idle instances until the rest is within the budget.
   *
   * @returns what is wrong when that is not enough
   */
  #park(slots: readonly MeasuredSlot[]): string | undefined {
    let memory = slots.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    let processes = slots.reduce((sum, slot) => sum + slot.processes, 0);
    for (const measured of this.#byPriority(slots)) {
      const over = this.#over(memory, processes);
      if (over === undefined) return undefined;
      memory -= measured.memoryBytes;
      processes -= measured.processes;
      log.info("{server} (process {pid}, {memory}) is stopped: {over}; its next call starts it again", {
        server: measured.server.name,
        pid: measured.pid,
        memory: formatBytes(measured.memoryBytes),
        over,
      });
      measured.server.retireSlot(measured.slot, PARK_GRACE_MS);
    }
    const over = this.#over(memory, processes);
    return over && `${over}, and none of them can be spared`;
  }

  /**
   * The instances that may be stopped: shared ones before those of one session, which may hold its state; the longest
   * idle first.
   */
  #byPriority(slots: readonly MeasuredSlot[]): MeasuredSlot[] {
    const rank = ({ slot }: MeasuredSlot) => slot.scope === "session" ? 1 : 0;
    const nowMs = this.#now();
    // One that was just used is likely to be used again.
    return slots.filter(({ slot, idleSinceMs }) => slot.isIdle && idleSinceMs < nowMs)
      .sort((a, b) => rank(a) - rank(b) || a.idleSinceMs - b.idleSinceMs);
  }

  #over(memory: number, processes: number): string | undefined {
    const { memoryBytes, processes: maxProcesses } = this.#options;
    if (memoryBytes > 0 && memory > memoryBytes) {
      return `mounted servers hold ${formatBytes(memory)}, more than the ${
        formatBytes(memoryBytes)
      } of EXAI_UPSTREAM_MEMORY`;
    }
    if (maxProcesses > 0 && processes > maxProcesses) {
      return `mounted servers are ${processes} processes, more than the ${maxProcesses} of EXAI_UPSTREAM_PROCESSES`;
    }
    return undefined;
  }

  #setFault(fault: string | undefined): void {
    const isChanged = (fault === undefined) !== (this.#fault === undefined);
    this.#fault = fault;
    if (!isChanged) return;
    if (fault) log.warning("{fault}", { fault });
    this.#options.onChange?.();
  }
}
