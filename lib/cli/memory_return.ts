import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getLogger } from "@logtape/logtape";
import { formatBytes, MIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";

const log = getLogger(["exai", "daemon"]);

/** How often it is looked, and how far apart two collections are at least. */
const CHECK_MS = 2 * SECOND_MS;
const MIN_GAP_MS = 10 * SECOND_MS;
/** How long calls that run may put one off: it stops everything for as long as it takes, a tenth of a second and more. */
const MAX_PUT_OFF_MS = MINUTE_MS;
/** How much more memory than after the last collection is worth one. */
const WORTH_BYTES = 128 * MIB;

export interface MemoryReturnOptions {
  /** Whether calls run now. */
  isBusy(): boolean;
  /** Tests put theirs in the place of the process, its collector and its clock. */
  residentBytes?(): number;
  collect?(): void;
  nowMs?(): number;
  checkMs?: number;
}

/**
 * Gives memory back to the system once it is not needed any more. V8 collects garbage only while more is allocated: what
 * a burst of large answers has left would stay for as long as the daemon has little to do.
 */
export class MemoryReturn implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #isBusy: () => boolean;
  readonly #residentBytes: () => number;
  readonly #nowMs: () => number;
  #collect: (() => void) | undefined;
  #baselineBytes: number;
  #lastMs = -Infinity;
  #putOffSinceMs: number | undefined;

  constructor(options: MemoryReturnOptions) {
    this.#isBusy = () => options.isBusy();
    this.#residentBytes = options.residentBytes ?? residentBytes;
    this.#collect = options.collect;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#baselineBytes = this.#residentBytes();
    this.#timer = setInterval(() => this.#look(), options.checkMs ?? CHECK_MS);
    Deno.unrefTimer(this.#timer);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const before = this.#residentBytes();
    // What it has shrunk by without us counts too.
    this.#baselineBytes = Math.min(this.#baselineBytes, before);
    const nowMs = this.#nowMs();
    if (before - this.#baselineBytes < WORTH_BYTES || nowMs - this.#lastMs < MIN_GAP_MS) {
      this.#putOffSinceMs = undefined;
      return;
    }
    this.#putOffSinceMs ??= nowMs;
    if (this.#isBusy() && nowMs - this.#putOffSinceMs < MAX_PUT_OFF_MS) return;
    this.#putOffSinceMs = undefined;
    // Making it takes milliseconds, which most daemons never need.
    this.#collect ??= collector();
    this.#collect();
    this.#lastMs = this.#nowMs();
    this.#baselineBytes = this.#residentBytes();
    log.debug("memory went from {before} to {after}", {
      before: formatBytes(before),
      after: formatBytes(this.#baselineBytes),
    });
  }
}

function residentBytes(): number {
  return Deno.memoryUsage().rss;
}

/** V8's own collector, which a program is given only when it asks for it by a flag. */
function collector(): () => void {
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc");
  } catch {
    return () => {};
  }
}
