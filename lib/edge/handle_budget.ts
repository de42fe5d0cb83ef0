import { getLogger } from "@logtape/logtape";
import { SECOND_MS } from "../base/units.ts";

const log = getLogger(["exai", "edge"]);

interface HandleBudgetOptions {
  /** Maximum number of open handles; undefined where the system does not report it. */
  max: number | undefined;
  /** The number of open handles; throws when no handle is left to count with. */
  count(): number;
  /** Called when handles are exhausted, and when they are free again. */
  onChange?(): void;
}

/** Handles reserved for the daemon itself: databases, logs, the three pipes of a child process. */
const RESERVED = 8;
/** The share of handles in use above which new connections are refused. */
const LOW_SHARE = 7 / 8;
/** How long a count is cached. */
const COUNT_MAX_AGE_MS = 100;
const POLL_MS = SECOND_MS / 10;
/** How long handles may be exhausted, or low while clients are refused, before idle connections are closed. */
const DROP_IDLE_AFTER_MS = 3 * SECOND_MS;
/** How long an exhaustion stays a fault in the health report. */
const REPORT_MS = 60 * SECOND_MS;

/**
 * The file handles of this process: files, sockets and pipes, up to the limit of the system. When they run low, new
 * connections are refused; a few are reserved so that the daemon itself keeps working.
 */
export class HandleBudget implements Disposable {
  readonly #options: HandleBudgetOptions;
  #reserve: Disposable[] = [];
  #counted = { atMs: -Infinity, open: 0 };
  #freeing: Promise<void> | undefined;
  /** What closes the connections of a listener. */
  readonly #closers = new Set<() => void>();
  #isWatched = false;
  /** Separate from `#freeing`, which is set and cleared only after `onChange` is called. */
  #isExhausted = false;
  #lastExhaustedMs = -Infinity;
  #exhaustions = 0;
  #isDisposed = false;

  constructor(options: HandleBudgetOptions) {
    this.#options = options;
    this.#takeReserve();
  }

  /** The handles of this process, as far as the system reports them. The limit is the soft limit. */
  static forProcess(onChange?: () => void): HandleBudget {
    return new HandleBudget({ max: softLimit(), count: countOpenHandles, onChange });
  }

  /** Open handles and their limit; undefined where the system does not report it. */
  get state(): { open: number; max: number } | undefined {
    const { max } = this.#options;
    return max === undefined ? undefined : { open: this.#open(max), max };
  }

  /** Whether new connections must be refused. */
  get isLow(): boolean {
    const { max } = this.#options;
    if (this.#isExhausted) return true;
    if (max === undefined) return false;
    return this.#open(max) - this.#reserve.length > (max - RESERVED) * LOW_SHARE;
  }

  /** A sentence for the health report; undefined when handles were not exhausted in the last minute. */
  get fault(): string | undefined {
    if (performance.now() - this.#lastExhaustedMs > REPORT_MS) return undefined;
    const now = this.#isExhausted ? "are used up" : "were used up a moment ago, and are free again";
    return `the ${
      this.#options.max ?? ""
    } file handles this process may have ${now} (${this.#exhaustions} times since the ` +
      "start); connections were refused: close some, or raise the limit (ulimit -n) and restart the daemon";
  }

  /**
   * Called when the system has refused a handle. Releases the reserved ones, and resolves when enough are free. After
   * 3 s it calls `dropIdle`, which closes idle connections.
   */
  waitUntilFree(dropIdle: () => void): Promise<void> {
    const waited = this.#freeing ??= this.#untilFree().finally(() => this.#freeing = undefined);
    const timer = setTimeout(dropIdle, DROP_IDLE_AFTER_MS);
    return waited.finally(() => clearTimeout(timer));
  }

  /** Has `close` called where idle connections must make room for clients, until the result is disposed. */
  onCrowded(close: () => void): Disposable {
    this.#closers.add(close);
    return { [Symbol.dispose]: () => void this.#closers.delete(close) };
  }

  /**
   * Called when a client was refused because handles are low. Connections that are silent are never used up by
   * themselves: where handles stay low for 3 s, the listeners close what they have, once until handles are free again.
   */
  refused(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    void this.#watchLow().finally(() => this.#isWatched = false);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#releaseReserve();
  }

  async #watchLow(): Promise<void> {
    const sinceMs = performance.now();
    let haveClosed = false;
    while (!this.#isDisposed && this.isLow) {
      // While there are none, the listener that is without closes what it has.
      if (!haveClosed && !this.#isExhausted && performance.now() - sinceMs >= DROP_IDLE_AFTER_MS) {
        haveClosed = true;
        log.warning("file handles are low (the limit is {max}): connections to the address are closed", {
          max: this.#options.max,
        });
        for (const close of [...this.#closers]) close();
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #untilFree(): Promise<void> {
    this.#releaseReserve();
    this.#isExhausted = true;
    this.#exhaustions++;
    this.#lastExhaustedMs = performance.now();
    this.#options.onChange?.();
    log.error("no file handles are left (the limit is {max}): connections are refused until some are free", {
      max: this.#options.max,
    });
    do await new Promise((resolve) => setTimeout(resolve, POLL_MS)); while (
      !this.#isDisposed && !this.#isEnough()
    );
    this.#lastExhaustedMs = performance.now();
    this.#isExhausted = false;
    this.#takeReserve();
    log.info("file handles are free again: connections are accepted");
    this.#options.onChange?.();
  }

  #isEnough(): boolean {
    const { max } = this.#options;
    if (max === undefined) return true;
    this.#counted.atMs = -Infinity;
    return this.#open(max) <= max - 2 * RESERVED;
  }

  #open(max: number): number {
    const nowMs = performance.now();
    if (nowMs - this.#counted.atMs < COUNT_MAX_AGE_MS) return this.#counted.open;
    try {
      this.#counted = { atMs: nowMs, open: this.#options.count() };
    } catch {
      // No handle is left to count with.
      this.#counted = { atMs: nowMs, open: max };
    }
    return this.#counted.open;
  }

  #takeReserve(): void {
    if (this.#options.max === undefined || this.#isDisposed) return;
    try {
      while (this.#reserve.length < RESERVED) this.#reserve.push(Deno.openSync("/dev/null"));
    } catch {
      // Reserves what is left.
    }
  }

  #releaseReserve(): void {
    for (const handle of this.#reserve.splice(0)) handle[Symbol.dispose]();
  }
}

const FD_DIR = Deno.build.os === "linux" ? "/proc/self/fd" : "/dev/fd";

/** The number of open handles, without the one that reads the directory. */
function countOpenHandles(): number {
  let open = -1;
  for (const _ of Deno.readDirSync(FD_DIR)) open++;
  return open;
}

/** The soft limit on open files (`ulimit -n`); only Linux has a file for it. */
export function softLimit(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    // Without the permission to read /proc, handles cannot be counted.
    countOpenHandles();
    const [, soft] = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
