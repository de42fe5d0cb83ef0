import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../base/json.ts";

const log = getLogger(["exai", "observe"]);

interface HealthWriterOptions {
  build: () => JsonObject;
  /** Replaces the file as a whole; tells of its own failures and need not reject. */
  write: (text: string) => Promise<void>;
  /** How often the file is written when nothing changes, in milliseconds. */
  intervalMs: number;
  /** Least time between two writes, in milliseconds. */
  minGapMs?: number;
}

/** Keeps a file of the daemon's health: written at once, on change, at an interval, and when it stops. */
export class HealthWriter implements AsyncDisposable {
  readonly #options: HealthWriterOptions;
  readonly #minGapMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;
  #lastWriteMs = -Infinity;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  #stopped = false;

  constructor(options: HealthWriterOptions) {
    this.#options = options;
    this.#minGapMs = options.minGapMs ?? 1000;
    this.#schedule(0);
  }

  /** Says that something worth seeing has changed. Cheap enough to call for every connection. */
  requestWrite(): void {
    this.#schedule(Math.max(0, this.#lastWriteMs + this.#minGapMs - performance.now()));
  }

  #schedule(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (this.#stopped || this.#dueMs <= dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => this.#tick(), delayMs);
  }

  #tick(): void {
    this.#dueMs = Infinity;
    // A disk may be slower than the gap; the next write then waits for it.
    if (this.#busy) return this.#schedule(this.#minGapMs);
    this.#lastWriteMs = performance.now();
    this.#busy = true;
    this.#writing = this.#write().finally(() => {
      this.#busy = false;
      this.#schedule(this.#options.intervalMs);
    });
  }

  // A fault in what is reported must not end the daemon that reports it.
  async #write(status?: string): Promise<void> {
    try {
      const health = this.#options.build();
      await this.#options.write(JSON.stringify(status ? { ...health, status } : health, null, 2) + "\n");
    } catch (thrown) {
      log.error("the health report could not be written: {thrown}", { thrown });
    }
  }

  /** Writes a last time, with the status `stopped`, so that the file does not claim a daemon that is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write("stopped");
  }
}
