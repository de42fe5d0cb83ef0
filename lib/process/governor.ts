import { getLogger } from "@logtape/logtape";
import { formatBytes, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { TreeUsage } from "./process_table.ts";

const log = getLogger(["exai", "upstream"]);

export interface GovernorOptions {
  /** Memory all mounted servers may hold together, in bytes; 0: any. */
  memoryBytes: number;
  /** Processes they may be together; 0: any number. */
  processes: number;
  /** Memory one process tree may hold where its server says nothing else, in bytes; 0: any. */
  memoryLimitBytes: number;
  /** What the process trees that begin with these processes hold now. */
  usage(): Promise<ReadonlyMap<number, TreeUsage>>;
  servers(): Iterable<GovernedServer>;
  /** How often it looks, in milliseconds; 10 s unless said otherwise. */
  intervalMs?: number;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
  /** Called when there has come, or gone, something wrong. */
  onchange?(): void;
}

/** One running instance, as the governor sees it. */
export interface GovernedSlot {
  readonly scope: "machine" | "project" | "session";
  readonly started: { readonly pid?: number; readonly callCount: number } | undefined;
  /** Whether it could be stopped now and nobody would miss anything. */
  readonly isIdle: boolean;
}

/** A mounted server, as the governor sees it. */
interface GovernedServer {
  readonly name: string;
  readonly memoryLimitBytes: number | undefined;
  readonly slots: Iterable<GovernedSlot>;
  /**
   * Stops an instance once what runs on it has finished, after `graceMs` at the latest; its sessions stay, and their
   * next call starts another.
   */
  retireSlot(slot: GovernedSlot, graceMs: number): void;
}

const INTERVAL_MS = 10 * SECOND_MS;

/** How long calls may go on on an instance that holds too much, before it is ended under them. */
const LIMIT_GRACE_MS = 2 * MINUTE_MS;

/** One that is parked is idle; a call that comes at that very moment gets this much. */
const PARK_GRACE_MS = MINUTE_MS;

interface MeasuredSlot extends TreeUsage {
  server: GovernedServer;
  slot: GovernedSlot;
  pid: number;
  idleSinceMs: number;
}

/**
 * Keeps mounted servers within a budget of memory and processes: the one not used for longest is stopped first, and none
 * that has something to do. One that has outgrown its own limit is replaced.
 */
export class Governor implements Disposable {
  readonly #options: GovernorOptions;
  readonly #now: () => number;
  /** Since when a slot has been seen idle, and how many calls it had had by then. */
  readonly #idle = new WeakMap<GovernedSlot, { callCount: number; sinceMs: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #fault: string | undefined;
  #isOver = false;

  constructor(options: GovernorOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Begins to look. The caller's process is not kept alive by it. */
  start(): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(async () => {
      await this.look().catch((thrown) => log.warning("looking after servers: {thrown}", { thrown }));
      this.start();
    }, this.#options.intervalMs ?? INTERVAL_MS);
    Deno.unrefTimer(this.#timer);
  }

  /** What is wrong now, in a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Looks once, and does what there is to do. */
  async look(): Promise<void> {
    const tenants = await this.#tenants();
    const kept = tenants.filter((tenant) => !this.#replaceIfTooLarge(tenant));
    this.#setFault(this.#park(kept));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #tenants(): Promise<MeasuredSlot[]> {
    const slots = [...this.#options.servers()].flatMap((server) =>
      [...server.slots].filter(({ started }) => started?.pid !== undefined).map((slot) => ({ server, slot }))
    );
    // With nothing to look after, looking costs nothing.
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

  /** Stops idle ones until the rest is within the budget. Returns what is wrong when that is not enough. */
  #park(tenants: readonly MeasuredSlot[]): string | undefined {
    let memory = tenants.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    let processes = tenants.reduce((sum, tenant) => sum + tenant.processes, 0);
    for (const tenant of this.#byPriority(tenants)) {
      const over = this.#over(memory, processes);
      if (over === undefined) return undefined;
      memory -= tenant.memoryBytes;
      processes -= tenant.processes;
      log.info("{server} (process {pid}, {memory}) is parked: {over}; its next call starts it again", {
        server: tenant.server.name,
        pid: tenant.pid,
        memory: formatBytes(tenant.memoryBytes),
        over,
      });
      tenant.server.retireSlot(tenant.slot, PARK_GRACE_MS);
    }
    const over = this.#over(memory, processes);
    return over && `${over}, and none of them can be spared`;
  }

  /** Those that may be stopped: the shared ones before those of one session, which may hold its state; oldest first. */
  #byPriority(tenants: readonly MeasuredSlot[]): MeasuredSlot[] {
    const rank = ({ slot }: MeasuredSlot) => slot.scope === "session" ? 1 : 0;
    const nowMs = this.#now();
    // One that was used a moment ago will be used again: stopping it would only cost its start.
    return tenants.filter(({ slot, idleSinceMs }) => slot.isIdle && idleSinceMs < nowMs)
      .sort((a, b) => rank(a) - rank(b) || a.idleSinceMs - b.idleSinceMs);
  }

  #over(memory: number, processes: number): string | undefined {
    const { memoryBytes, processes: most } = this.#options;
    if (memoryBytes > 0 && memory > memoryBytes) {
      return `mounted servers hold ${formatBytes(memory)}, more than the ${
        formatBytes(memoryBytes)
      } of EXAI_UPSTREAM_MEMORY`;
    }
    if (most > 0 && processes > most) {
      return `mounted servers are ${processes} processes, more than the ${most} of EXAI_UPSTREAM_PROCESSES`;
    }
    return undefined;
  }

  #setFault(fault: string | undefined): void {
    const changed = (fault === undefined) !== (this.#fault === undefined);
    this.#fault = fault;
    if (!changed) return;
    if (fault) log.warning("{fault}", { fault });
    this.#options.onchange?.();
  }
}
