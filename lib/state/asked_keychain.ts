import type { Keychain } from "../auth/keychain.ts";

/** A keychain that is asked once for each item, whatever comes of it: each time a person may be asked for a password. */
export class AskedKeychain {
  readonly #asked = new Map<string, Promise<string | undefined>>();
  readonly #answered = new Set<string>();

  /** What it answered, to whoever asks first; rejects as it did. */
  get(keychain: Keychain, item: string): Promise<string | undefined> {
    let asked = this.#asked.get(item);
    if (!asked) {
      asked = keychain.get(item).finally(() => this.#answered.add(item));
      this.#asked.set(item, asked);
    }
    return asked;
  }

  /** Has it asked once more for items that it has answered, but for those that are `known`; whether there are any. */
  askAgain(known: (item: string) => boolean): boolean {
    const refused = [...this.#answered].filter((item) => !known(item));
    for (const item of refused) this.#asked.delete(item);
    this.#answered.clear();
    return refused.length > 0;
  }
}
