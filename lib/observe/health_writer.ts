import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../base/json.ts";

const log = getLogger(["exai", "observe"]);

interface HealthWriterOptions {
  build: () => JsonObject;
  /** Replaces the whole file; may report its failures itself instead of rejecting. */
  write: (text: string) => Promise<void>;
  /** Time between two writes without a change, in milliseconds. */
  intervalMs: number;
  /** Minimum time between two writes, in milliseconds. */
  minGapMs?: number;
}

/** Writes the health report to a file: at once, after a change, at an interval, and when the daemon stops. */
export class HealthWriter implements AsyncDisposable {
  readonly #options: HealthWriterOptions;
  readonly #minGapMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;
  #lastWriteMs = -Infinity;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #stopped = false;

  constructor(options: HealthWriterOptions) {
    this.#options = options;
    this.#minGapMs = options.minGapMs ?? 1000;
    this.#schedule(0);
  }

  /** Schedules a write after a change. Cheap enough to call for every connection. */
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
    // The previous write takes longer than the gap.
    if (this.#isWriting) return this.#schedule(this.#minGapMs);
    this.#lastWriteMs = performance.now();
    this.#isWriting = true;
    this.#writing = this.#write().finally(() => {
      this.#isWriting = false;
      this.#schedule(this.#options.intervalMs);
    });
  }

  // A fault in the report must not end the daemon.
  async #write(status?: string): Promise<void> {
    try {
      const health = this.#options.build();
      await this.#options.write(JSON.stringify(status ? { ...health, status } : health, null, 2) + "\n");
    } catch (thrown) {
      log.error("the health report could not be written: {thrown}", { thrown });
    }
  }

  /** Writes a last report with the status `stopped`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#write("stopped");
  }
}
