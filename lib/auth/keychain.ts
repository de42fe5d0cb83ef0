import { SECOND_MS } from "../base/units.ts";

/** How long a keychain may take: as long as a person may need to type the password that unlocks it. */
export const KEYCHAIN_WAIT_MS = 30 * SECOND_MS;

/** Where the system keeps secrets of a user, encrypted by the user's password. */
export interface Keychain {
  /** As it is written where a key is looked for again. */
  readonly id: "secret-service" | "macos-keychain" | "windows-credentials";
  /** As a person would say it: "the Secret Service". */
  readonly title: string;

  /**
   * The value that was set under `name`; undefined where there is none.
   *
   * @throws {KeychainError} when it cannot be asked, or does not let itself be unlocked
   */
  get(name: string): Promise<string | undefined>;

  /**
   * Keeps `value` under `name`, in place of what was there.
   *
   * @throws {KeychainError}
   */
  set(name: string, value: string): Promise<void>;

  /**
   * Whether there was one.
   *
   * @throws {KeychainError}
   */
  remove(name: string): Promise<boolean>;
}

/** A keychain cannot be used now; the message is a clause that says why. */
export class KeychainError extends Error {
  override name = "KeychainError";
}
