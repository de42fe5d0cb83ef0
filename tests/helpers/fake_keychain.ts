import { type Keychain, KeychainError } from "../../lib/auth/keychain.ts";

/** A keychain in memory, which can be locked. */
export class FakeKeychain implements Keychain {
  readonly id = "secret-service";
  readonly title = "the Secret Service";
  readonly items = new Map<string, string>();
  isLocked = false;
  /** How often it was asked for an item. */
  asked = 0;
  /** Until this is done, nothing is answered. */
  answering: Promise<unknown> = Promise.resolve();

  async get(name: string): Promise<string | undefined> {
    this.asked++;
    await this.answering;
    return await this.isLocked ? this.#refuse() : Promise.resolve(this.items.get(name));
  }

  set(name: string, value: string): Promise<void> {
    if (this.isLocked) return this.#refuse();
    this.items.set(name, value);
    return Promise.resolve();
  }

  remove(name: string): Promise<boolean> {
    return this.isLocked ? this.#refuse() : Promise.resolve(this.items.delete(name));
  }

  #refuse(): Promise<never> {
    return Promise.reject(new KeychainError("it is locked; unlock it"));
  }
}
