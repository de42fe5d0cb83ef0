import type { AccountId, CredentialStore, KeptCredentials } from "../../lib/auth/credential_store.ts";

/** Credentials in memory, as JSON: what is changed by whoever has read it does not change what is kept. */
export class MemoryCredentials implements CredentialStore {
  readonly #kept = new Map<string, string>();
  readonly #turns = new Map<string, Promise<unknown>>();
  /** How often the accounts were changed. */
  writes = 0;

  read(id: AccountId): Promise<KeptCredentials | undefined> {
    const text = this.#kept.get(keyOf(id));
    return Promise.resolve(text === undefined ? undefined : JSON.parse(text));
  }

  change(
    id: AccountId,
    change: (before: KeptCredentials | undefined) => Promise<KeptCredentials | undefined>,
  ): Promise<KeptCredentials | undefined> {
    const key = keyOf(id);
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(async () => {
      const after = await change(await this.read(id));
      this.writes++;
      if (after === undefined) this.#kept.delete(key);
      else this.#kept.set(key, JSON.stringify(after));
      return await this.read(id);
    });
    this.#turns.set(key, turn.catch(() => {}));
    return turn;
  }

  list(): Promise<readonly AccountId[]> {
    return Promise.resolve(Array.from(this.#kept.keys(), (key) => JSON.parse(key)));
  }
}

function keyOf({ resource, name }: AccountId): string {
  return JSON.stringify({ resource, name });
}
