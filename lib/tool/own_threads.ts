import type { Whereabouts } from "../call/call.ts";
import type {
  Recorded,
  ShowOptions,
  Thread,
  ThreadStore,
  ThreadWithTurns,
  TurnEntry,
} from "../state/thread_store.ts";

/** The threads of one caller, the only ones its calls come near. */
export class OwnThreads {
  readonly #store: ThreadStore;
  readonly #caller: Pick<Whereabouts, "identity">;

  constructor(store: ThreadStore, caller: Pick<Whereabouts, "identity">) {
    this.#store = store;
    this.#caller = caller;
  }

  /** As {@linkcode ThreadStore.record}. */
  async record(entry: TurnEntry): Promise<Recorded> {
    return await this.#store.record(await this.#caller.identity(), entry);
  }

  /** As {@linkcode ThreadStore.show}. */
  async show(id: string, options?: ShowOptions): Promise<ThreadWithTurns> {
    return await this.#store.show(await this.#caller.identity(), id, options);
  }

  /** As {@linkcode ThreadStore.list}. */
  async list(options?: { limit?: number }): Promise<Thread[]> {
    return await this.#store.list(await this.#caller.identity(), options);
  }
}
