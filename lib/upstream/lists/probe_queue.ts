import { resolvedWithin } from "../../base/abort.ts";
import { SECOND_MS } from "../../base/units.ts";
import { Semaphore } from "../../base/semaphore.ts";

/** Servers started at once because it is not known what they offer. Most of a start is waiting: for a registry, a disk. */
const MAX_UNKNOWN = 4;

/** Servers started at once to see whether they still offer the same, which nobody waits for. */
const MAX_CHECKS = 1;

/** How long a start counts: one that takes longer most likely hangs, and must not hold up the others. */
const MAX_HELD_MS = 5 * SECOND_MS;

/** Starts servers that are read and let go, few at a time. */
export class ProbeQueue {
  readonly #unknown = new Semaphore(MAX_UNKNOWN);
  readonly #checks = new Semaphore(MAX_CHECKS);

  /** Settles as `work` does, which begins when it is its turn. */
  run<T>(work: () => Promise<T>, { isKnown }: { isKnown: boolean }): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    const semaphore = isKnown ? this.#checks : this.#unknown;
    void semaphore.run(async () => {
      const done = work();
      resolve(done);
      await resolvedWithin(done.catch(() => {}), MAX_HELD_MS);
    });
    return promise;
  }
}
