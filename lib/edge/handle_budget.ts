import { getLogger } from "@logtape/logtape";
import { SECOND_MS } from "../base/units.ts";

const log = getLogger(["exai", "edge"]);

interface HandleBudgetOptions {
  /** Most handles this process may have open; undefined where the system does not say. */
  max: number | undefined;
  /** How many it has open now; throws when none is left to look with. */
  count(): number;
  /** Called when handles have run out, or are free again. */
  onchange?(): void;
}

/** Handles kept back for the daemon's own work: its databases, its logs, a child's three pipes. */
const RESERVED = 8;
/** From this part of all on, whoever comes is turned away. */
const TIGHT_SHARE = 7 / 8;
/** How long a count is good for. */
const MAX_AGE_MS = 100;
const POLL_MS = SECOND_MS / 10;
/** How long handles may be gone before those who hold them, and say nothing, have to go. */
const PATIENCE_MS = 3 * SECOND_MS;
/** For how long it is told that they were gone. */
const TOLD_MS = 60 * SECOND_MS;

/**
 * The handles of this process: files, sockets and pipes, of which the system gives each process so many. Connections are
 * what is turned away when they run short, and a few are kept back, so that the daemon itself goes on.
 */
export class HandleBudget implements Disposable {
  readonly #options: HandleBudgetOptions;
  #reserve: Disposable[] = [];
  #counted = { atMs: -Infinity, open: 0 };
  #freeing: Promise<void> | undefined;
  /** Whether there are none now. Not told by the promise: that is set after, and cleared after, `onchange` is called. */
  #isExhausted = false;
  #lastExhaustedMs = -Infinity;
  #exhaustions = 0;
  #isDisposed = false;

  constructor(options: HandleBudgetOptions) {
    this.#options = options;
    this.#takeReserve();
  }

  /** The handles of this process, as far as the system says. The limit is the soft one: a program cannot raise it here. */
  static forProcess(onchange?: () => void): HandleBudget {
    return new HandleBudget({ max: softLimit(), count: countOpenHandles, onchange });
  }

  /** How many are open, and how many may be; undefined where the system does not say. */
  get state(): { open: number; max: number } | undefined {
    const { max } = this.#options;
    return max === undefined ? undefined : { open: this.#open(max), max };
  }

  /** Whether they run so short that whoever comes is turned away. */
  get isLow(): boolean {
    const { max } = this.#options;
    if (this.#isExhausted) return true;
    if (max === undefined) return false;
    return this.#open(max) - this.#reserve.length > (max - RESERVED) * TIGHT_SHARE;
  }

  /** What is wrong, in a sentence; undefined when they have not run out lately. */
  get fault(): string | undefined {
    if (performance.now() - this.#lastExhaustedMs > TOLD_MS) return undefined;
    const now = this.#isExhausted ? "are used up" : "were used up a moment ago, and are free again";
    return `the ${
      this.#options.max ?? ""
    } file handles this process may have ${now} (${this.#exhaustions} times since the ` +
      "start); clients were turned away: close some, or raise the limit (ulimit -n) and start the daemon anew";
  }

  /**
   * The system has refused a handle. Gives back those kept back, and resolves when there are enough again. When that
   * takes long, `dropIdle` is called, which is to close what holds them.
   */
  waitUntilFree(dropIdle: () => void): Promise<void> {
    const waited = this.#freeing ??= this.#untilFree().finally(() => this.#freeing = undefined);
    const timer = setTimeout(dropIdle, PATIENCE_MS);
    return waited.finally(() => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#releaseReserve();
  }

  async #untilFree(): Promise<void> {
    this.#releaseReserve();
    this.#isExhausted = true;
    this.#exhaustions++;
    this.#lastExhaustedMs = performance.now();
    this.#options.onchange?.();
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
    this.#options.onchange?.();
  }

  #isEnough(): boolean {
    const { max } = this.#options;
    if (max === undefined) return true;
    this.#counted.atMs = -Infinity;
    return this.#open(max) <= max - 2 * RESERVED;
  }

  #open(max: number): number {
    const nowMs = performance.now();
    if (nowMs - this.#counted.atMs < MAX_AGE_MS) return this.#counted.open;
    try {
      this.#counted = { atMs: nowMs, open: this.#options.count() };
    } catch {
      // There is none left to look with.
      this.#counted = { atMs: nowMs, open: max };
    }
    return this.#counted.open;
  }

  #takeReserve(): void {
    if (this.#options.max === undefined || this.#isDisposed) return;
    try {
      while (this.#reserve.length < RESERVED) this.#reserve.push(Deno.openSync("/dev/null"));
    } catch {
      // As many as there are.
    }
  }

  #releaseReserve(): void {
    for (const handle of this.#reserve.splice(0)) handle[Symbol.dispose]();
  }
}

const FD_DIR = Deno.build.os === "linux" ? "/proc/self/fd" : "/dev/fd";

/** Those open now, but the one this is found out with. */
function countOpenHandles(): number {
  let open = -1;
  for (const _ of Deno.readDirSync(FD_DIR)) open++;
  return open;
}

/** The soft limit on open files; Linux alone shows it to a program that cannot ask the system itself. */
function softLimit(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    // Where it may not count, it knows nothing: a program without every permission may not look into /proc.
    countOpenHandles();
    const [, soft] = /^Max open files\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
