import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getLogger } from "@logtape/logtape";
import { formatBytes, MIB, SECOND_MS } from "../base/units.ts";

const log = getLogger(["exai", "daemon"]);

/** How often it is looked, and how far apart two collections are at least. */
const CHECK_MS = 2 * SECOND_MS;
const MIN_GAP_MS = 10 * SECOND_MS;
/** How much more memory than after the last collection is worth one. */
const WORTH_BYTES = 128 * MIB;

/**
 * Gives memory back to the system once it is not needed any more. V8 collects garbage only while more is allocated: what
 * a burst of large answers has left would stay for as long as the daemon has little to do.
 */
export class MemoryReturn implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;
  #collect: (() => void) | undefined;
  #baselineBytes = residentBytes();
  #lastMs = -Infinity;

  constructor() {
    this.#timer = setInterval(() => this.#look(), CHECK_MS);
    Deno.unrefTimer(this.#timer);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const before = residentBytes();
    // What it has shrunk by without us counts too.
    this.#baselineBytes = Math.min(this.#baselineBytes, before);
    if (before - this.#baselineBytes < WORTH_BYTES || performance.now() - this.#lastMs < MIN_GAP_MS) return;
    // Making it takes milliseconds, which most daemons never need.
    this.#collect ??= collector();
    this.#collect();
    this.#lastMs = performance.now();
    this.#baselineBytes = residentBytes();
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
