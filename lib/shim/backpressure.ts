import { MIB } from "../base/units.ts";

/** With so much under way to a daemon that is there, no more is read of the client until it has taken half of it. */
const MAX_UNDER_WAY_BYTES = 32 * MIB;

/** Holds the client up while the daemon has not taken what is under way to it. */
export class Backpressure {
  /** Present while the client is not read on. */
  #room: PromiseWithResolvers<void> | undefined;

  get isPaused(): boolean {
    return this.#room !== undefined;
  }

  /** Resolves when the client may be read on; undefined when it may now, with `bytes` under way. */
  waitForCapacity(bytes: number): Promise<void> | undefined {
    if (bytes <= MAX_UNDER_WAY_BYTES) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** The daemon has taken something, and `bytes` are left. */
  drainedTo(bytes: number): void {
    if (bytes <= MAX_UNDER_WAY_BYTES / 2) this.resume();
  }

  /** The client is read on. */
  resume(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}
