import { MIB } from "../base/units.ts";

/** Bytes sent but not acknowledged above which the client is not read; reading resumes at half of them. */
const MAX_UNACKNOWLEDGED_BYTES = 32 * MIB;

/** Pauses reading the client while the daemon has not acknowledged what was sent to it. */
export class Backpressure {
  /** Set while paused. */
  #resumed: PromiseWithResolvers<void> | undefined;

  get isPaused(): boolean {
    return this.#resumed !== undefined;
  }

  /** Resolves when the client may be read; undefined when it may be read now, with `bytes` unacknowledged. */
  waitForCapacity(bytes: number): Promise<void> | undefined {
    if (bytes <= MAX_UNACKNOWLEDGED_BYTES) return undefined;
    this.#resumed ??= Promise.withResolvers();
    return this.#resumed.promise;
  }

  /** The daemon has acknowledged messages; `bytes` are left. */
  drainedTo(bytes: number): void {
    if (bytes <= MAX_UNACKNOWLEDGED_BYTES / 2) this.resume();
  }

  resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }
}
