import type { Whereabouts } from "../call/call.ts";
import type {
  Recorded,
  ShowOptions,
  Thread,
  ThreadStore,
  ThreadWithTurns,
  TurnEntry,
} from "../state/thread_store.ts";

/** A {@linkcode ThreadStore} restricted to the threads of one caller. */
export class OwnThreads {
  readonly #store: ThreadStore;
  readonly #caller: Pick<Whereabouts, "identity">;

  constructor(store: ThreadStore, caller: Pick<Whereabouts, "identity">) {
    this.#store = store;
    this.#caller = caller;
  }

  /** See {@linkcode ThreadStore.record}. */
  async record(entry: TurnEntry): Promise<Recorded> {
    return await this.#store.record(await this.#caller.identity(), entry);
  }

  /** See {@linkcode ThreadStore.show}. */
  async show(id: string, options?: ShowOptions): Promise<ThreadWithTurns> {
    return await this.#store.show(await this.#caller.identity(), id, options);
  }

  /** See {@linkcode ThreadStore.list}. */
  async list(options?: { limit?: number }): Promise<Thread[]> {
    return await this.#store.list(await this.#caller.identity(), options);
  }
}
