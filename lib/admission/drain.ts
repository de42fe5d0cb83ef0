import { ExaiError } from "../base/errors.ts";
import type { Target } from "../call/call.ts";

/** Counts what is running, so that a daemon that stops can let it finish and take nothing new. */
export class Drain {
  #running = 0;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  /** Requests running now. */
  get running(): number {
    return this.#running;
  }

  /** `target`, refusing with `SHUTTING_DOWN` once {@linkcode close} was called. */
  guard(target: Target): Target {
    return async (call) => {
      if (this.#closed) {
        throw new ExaiError(
          "SHUTTING_DOWN",
          "the daemon is stopping and takes no new calls; try again shortly",
        );
      }
      this.#running++;
      try {
        return await target(call);
      } finally {
        this.#running--;
        if (this.#running === 0) this.#idle?.resolve();
      }
    };
  }

  /** Takes nothing new from now on; resolves when what runs has ended. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#running === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }
}
