import { untilAborted } from "../base/abort.ts";

/**
 * Has the questions asked in one thread follow each other: what is asked while an answer is outstanding, by a client that
 * gave up waiting for it perhaps, is asked once that answer is in the thread.
 */
export class ThreadQueue {
  /** Settled when the last question of a thread is answered. */
  readonly #last = new Map<string, Promise<void>>();

  /** Whether an answer is outstanding in the thread `id`. */
  isBusy(id: string): boolean {
    return this.#last.has(id);
  }

  /**
   * Waits for the questions asked before. Disposing the result lets the next one be asked.
   *
   * @throws {ExaiError} the reason of `signal`
   */
  async enter(id: string, signal: AbortSignal): Promise<Disposable> {
    const before = this.#last.get(id);
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    const own = (before ?? Promise.resolve()).then(() => answered);
    this.#last.set(id, own);
    const leave = () => {
      resolve();
      if (this.#last.get(id) === own) this.#last.delete(id);
    };
    if (before) {
      try {
        await untilAborted(before, signal);
      } catch (thrown) {
        // Those behind it still wait for those before it.
        void before.then(leave);
        throw thrown;
      }
    }
    return { [Symbol.dispose]: leave };
  }
}
