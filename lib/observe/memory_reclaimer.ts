import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getLogger } from "@logtape/logtape";
import { formatBytes, MIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { trimMalloc } from "./malloc_trim.ts";

const log = getLogger(["exai", "daemon"]);

/** How often it is looked, and how far apart two collections are at least. */
const CHECK_MS = 2 * SECOND_MS;
const MIN_GAP_MS = 10 * SECOND_MS;
/** How long calls that run may put one off: it stops everything for as long as it takes, a tenth of a second and more. */
const MAX_PUT_OFF_MS = MINUTE_MS;
/** How much more memory than after the last collection is worth one. */
const WORTH_BYTES = 128 * MIB;
/**
 * So much of the heap empty after a collection is worth a second, thorough one. That one throws optimized code away too,
 * which calls pay for until it is made again: it is for floods, not for a busy hour.
 */
const SLACK_BYTES = 128 * MIB;

/** What of the process is in RAM, and of V8's heap taken from the system and in use. */
interface MemoryUse {
  rss: number;
  heapTotal: number;
  heapUsed: number;
}

interface MemoryReclaimerOptions {
  /** Whether calls run now. */
  isBusy(): boolean;
  /** Tests put theirs in the place of the process, its collector and its clock. */
  use?(): MemoryUse;
  collect?: Collect;
  trim?(): Promise<void>;
  nowMs?(): number;
  checkMs?: number;
}

/** Collects garbage. A thorough collection takes some tenths of a second, and gives all that is empty to the system. */
type Collect = (how: { isThorough: boolean }) => void;

/**
 * Gives memory back to the system once it is not needed any more. V8 collects garbage only while more is allocated: what
 * a burst of large answers has left would stay for as long as the daemon has little to do. After a collection that comes
 * right after a burst V8 keeps the room that new objects had, which can be most of what the burst took: a thorough one
 * follows while nobody waits.
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
  #putOffSinceMs: number | undefined;
  #hasSlack = false;

  constructor(options: MemoryReclaimerOptions) {
    this.#isBusy = () => options.isBusy();
    this.#use = options.use ?? Deno.memoryUsage;
    this.#collect = options.collect;
    this.#trim = options.trim ?? trimMalloc;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#baselineBytes = this.#use().rss;
    this.#timer = setInterval(() => this.#look(), options.checkMs ?? CHECK_MS);
    Deno.unrefTimer(this.#timer);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { rss } = this.#use();
    // What it has shrunk by without us counts too.
    this.#baselineBytes = Math.min(this.#baselineBytes, rss);
    const nowMs = this.#nowMs();
    const isWorth = rss - this.#baselineBytes >= WORTH_BYTES;
    if (!(isWorth || this.#hasSlack) || nowMs - this.#lastMs < MIN_GAP_MS) {
      this.#putOffSinceMs = undefined;
      return;
    }
    const isBusy = this.#isBusy();
    this.#putOffSinceMs ??= nowMs;
    if (isBusy && (!isWorth || nowMs - this.#putOffSinceMs < MAX_PUT_OFF_MS)) return;
    this.#putOffSinceMs = undefined;
    this.#giveBack({ isThorough: this.#hasSlack && !isBusy });
  }

  #giveBack(how: { isThorough: boolean }): void {
    const before = this.#use().rss;
    // Making it takes milliseconds, which most daemons never need.
    this.#collect ??= collector();
    this.#collect(how);
    this.#lastMs = this.#nowMs();
    const { rss, heapTotal, heapUsed } = this.#use();
    this.#baselineBytes = rss;
    // What a thorough collection leaves stays.
    this.#hasSlack = !how.isThorough && heapTotal - heapUsed > SLACK_BYTES;
    void this.#trim();
    log.debug("memory went from {before} to {after}", {
      before: formatBytes(before),
      after: formatBytes(rss),
    });
  }
}

/** V8's own collector, which a program is given only when it asks for it by a flag. */
function collector(): Collect {
  try {
    setFlagsFromString("--expose-gc");
    const collect: (options?: object) => void = runInNewContext("gc");
    // "last-resort" is what V8 does before it would give up for want of memory.
    const thorough = { type: "major", execution: "sync", flavor: "last-resort" };
    return ({ isThorough }) => isThorough ? collect(thorough) : collect();
  } catch {
    return () => {};
  }
}
