import type { Whereabouts } from "../call/call.ts";
import type { Condensation, ShowOptions, ThreadStore, TurnEntry } from "../state/thread_store.ts";
import { ThreadQueue } from "./thread_queue.ts";

/** A {@linkcode ThreadStore} restricted to the threads of one caller. */
export class OwnThreads {
  readonly #store: ThreadStore;
  readonly #caller: Pick<Whereabouts, "identity">;
  readonly #queue: ThreadQueue;

  constructor(store: ThreadStore, caller: Pick<Whereabouts, "identity">, queue = new ThreadQueue()) {
    this.#store = store;
    this.#caller = caller;
    this.#queue = queue;
  }

  /**
   * Waits until no answer is outstanding in the thread `id`, and has others wait until the result is disposed.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND`; the reason of `signal`
   */
  async enter(
    id: string,
    { signal, onWait }: { signal: AbortSignal; onWait(message: string): void },
  ): Promise<Disposable> {
    await this.show(id);
    if (this.#queue.isBusy(id)) onWait("waiting for the answer to an earlier question in this thread");
    return await this.#queue.enter(id, signal);
  }

  /** See {@linkcode ThreadStore.record}. */
  async record(entry: TurnEntry) {
    return await this.#store.record(await this.#caller.identity(), entry);
  }

  /** See {@linkcode ThreadStore.show}. */
  async show(id: string, options?: ShowOptions) {
    return await this.#store.show(await this.#caller.identity(), id, options);
  }

  /** See {@linkcode ThreadStore.condense}. */
  async condense(id: string, condensation: Condensation) {
    return await this.#store.condense(await this.#caller.identity(), id, condensation);
  }

  /** See {@linkcode ThreadStore.list}. */
  async list(options?: { limit?: number }) {
    return await this.#store.list(await this.#caller.identity(), options);
  }
}
