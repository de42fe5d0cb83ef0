import { DEFAULT_ACCOUNT } from "../../config/account_choice.ts";
import { BoundedMap } from "../bounded_map.ts";
import type { FoundEra, ListKey, ListStore, StoredView } from "../list_store.ts";

/** Servers, each in one configuration, whose lists are kept. */
const MAX_KEPT = 256;

/**
 * Keeps the last lists of servers as long as the daemon runs, for when nothing is to be kept on disk: a server that is
 * mounted anew with another time-out is not read again.
 */
export class ListsInMemory implements ListStore {
  readonly #eras = new BoundedMap<string, FoundEra | undefined>(MAX_KEPT);
  readonly #latest = new BoundedMap<string, StoredView>(MAX_KEPT);

  latest({ server, config }: ListKey): StoredView | undefined {
    return this.#latest.get(JSON.stringify([server, config]));
  }

  /** Places are told apart by what the mounted server itself remembers. */
  at(): undefined {
    return undefined;
  }

  varies(): boolean {
    return false;
  }

  set({ server, config }: ListKey, _place: string, view: StoredView): void {
    this.#latest.set(JSON.stringify([server, config]), view);
  }

  forget({ server, config }: ListKey, account: string): void {
    const key = JSON.stringify([server, config]);
    const view = this.#latest.get(key);
    if (view && (view.account ?? DEFAULT_ACCOUNT) === account) this.#latest.delete(key);
  }

  era(config: string): FoundEra | undefined {
    return this.#eras.get(config);
  }

  setEra(config: string, found: FoundEra | undefined): void {
    this.#eras.set(config, found);
  }
}
