import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getLogger } from "@logtape/logtape";
import { formatBytes, MIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";

const log = getLogger(["exai", "daemon"]);

/** Time between two checks. */
const CHECK_MS = 2 * SECOND_MS;
/** Minimum time between two collections. */
const MIN_GAP_MS = 10 * SECOND_MS;
/** How long running calls may delay a collection, which blocks the event loop for 100 ms and more. */
const MAX_DELAY_MS = MINUTE_MS;
/** Growth since the last collection that triggers one. */
const MIN_GROWTH_BYTES = 128 * MIB;
/**
 * Free heap after a collection that triggers a second, thorough one. That one also discards optimized code, which later
 * calls pay for: it is meant for bursts, not for steady load.
 */
const MIN_SLACK_BYTES = 128 * MIB;
/** How long nobody must have called anything before much less garbage is collected, and how much. */
const QUIET_MS = 10 * SECOND_MS;
const MIN_QUIET_GROWTH_BYTES = 8 * MIB;
/** What the daemon's own timers leave between two checks, at most. */
const QUIET_GARBAGE_BYTES = MIB;

/** Resident memory of the process; V8's heap as allocated and as used. */
type MemoryUse = Pick<Deno.MemoryUsage, "rss" | "heapTotal" | "heapUsed">;

interface MemoryReclaimerOptions {
  /** Whether calls are running. */
  isBusy(): boolean;
  /** Replaces the process, its collector and its clock in tests. */
  use?(): MemoryUse;
  collect?: Collect;
  trim?(): Promise<void>;
  nowMs?(): number;
  checkMs?: number;
}

/** Collects garbage. A thorough collection takes some tenths of a second and returns all free pages to the system. */
type Collect = (how: { isThorough: boolean }) => void;

/**
 * Returns memory to the system after a burst. V8 collects garbage only while the program allocates: what a burst of large
 * results leaves behind would stay for as long as the daemon is idle. A collection right after a burst keeps the young
 * generation at its size, which can be most of the burst, so a thorough one follows while the daemon is idle. What the
 * start and windows that were opened leave is less, and is collected when nothing has happened for a while.
 */
export class MemoryReclaimer implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #isBusy: () => boolean;
  readonly #use: () => MemoryUse;
  readonly #trim: () => Promise<void>;
  readonly #nowMs: () => number;
  #collect: Collect | undefined;
  #baselineBytes: number;
  #lastMs = -Infinity;
  #delayedSinceMs: number | undefined;
  #hasSlack = false;
  #lastHeapBytes = 0;
  #quietSinceMs: number | undefined;

  constructor(options: MemoryReclaimerOptions) {
    this.#isBusy = () => options.isBusy();
    this.#use = options.use ?? Deno.memoryUsage;
    this.#collect = options.collect;
    this.#trim = options.trim ?? trimMalloc;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#baselineBytes = this.#use().rss;
    this.#timer = setInterval(() => this.#check(), options.checkMs ?? CHECK_MS);
    Deno.unrefTimer(this.#timer);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const { rss, heapUsed } = this.#use();
    // Memory that V8 has returned by itself lowers the baseline too.
    this.#baselineBytes = Math.min(this.#baselineBytes, rss);
    const nowMs = this.#nowMs();
    const isBusy = this.#isBusy();
    const isQuiet = this.#isQuiet({ heapUsed, isBusy, nowMs });
    const hasGrown = rss - this.#baselineBytes >= (isQuiet ? MIN_QUIET_GROWTH_BYTES : MIN_GROWTH_BYTES);
    if (!(hasGrown || this.#hasSlack) || nowMs - this.#lastMs < MIN_GAP_MS) {
      this.#delayedSinceMs = undefined;
      return;
    }
    this.#delayedSinceMs ??= nowMs;
    if (isBusy && (!hasGrown || nowMs - this.#delayedSinceMs < MAX_DELAY_MS)) return;
    this.#delayedSinceMs = undefined;
    this.#reclaim({ isThorough: this.#hasSlack && !isBusy });
  }

  /** Whether no call has run, nor anything else that leaves garbage, for a while. */
  #isQuiet({ heapUsed, isBusy, nowMs }: { heapUsed: number; isBusy: boolean; nowMs: number }): boolean {
    const allocated = heapUsed - this.#lastHeapBytes;
    this.#lastHeapBytes = heapUsed;
    if (isBusy || allocated > QUIET_GARBAGE_BYTES) this.#quietSinceMs = undefined;
    else this.#quietSinceMs ??= nowMs;
    return this.#quietSinceMs !== undefined && nowMs - this.#quietSinceMs >= QUIET_MS;
  }

  #reclaim(how: { isThorough: boolean }): void {
    const before = this.#use().rss;
    // Created on first use: it takes milliseconds, and most daemons never need it.
    this.#collect ??= createCollector();
    this.#collect(how);
    this.#lastMs = this.#nowMs();
    const { rss, heapTotal, heapUsed } = this.#use();
    this.#baselineBytes = rss;
    // What a thorough collection leaves is in use.
    this.#hasSlack = !how.isThorough && heapTotal - heapUsed > MIN_SLACK_BYTES;
    void this.#trim();
    log.debug("memory went from {before} to {after}", {
      before: formatBytes(before),
      after: formatBytes(rss),
    });
  }
}

/** V8's `gc` function, which is only exposed by a flag. */
function createCollector(): Collect {
  try {
    setFlagsFromString("--expose-gc");
    const collect: (options?: object) => void = runInNewContext("gc");
    // "last-resort" is the collection V8 does before it reports that it is out of memory.
    const thorough = { type: "major", execution: "sync", flavor: "last-resort" };
    return ({ isThorough }) => isThorough ? collect(thorough) : collect();
  } catch {
    return () => {};
  }
}

const GLIBC = { malloc_trim: { parameters: ["usize"], result: "i32", nonblocking: true } } as const;

let library: Deno.DynamicLibrary<typeof GLIBC> | undefined;

/**
 * Returns free memory outside of V8's heap (buffers of sockets, TLS, decompression) to the system, which glibc keeps for
 * reuse. Takes a few milliseconds on another thread. Does nothing without glibc.
 */
async function trimMalloc(): Promise<void> {
  if (Deno.build.os !== "linux") return;
  try {
    library ??= Deno.dlopen("libc.so.6", GLIBC);
    await library.symbols.malloc_trim(0n);
  } catch (thrown) {
    log.debug("free memory cannot be returned: {thrown}", { thrown });
  }
}
