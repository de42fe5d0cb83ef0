import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { resolvedWithin } from "../base/abort.ts";
import { SECOND_MS } from "../base/units.ts";
import type { SecretReader } from "../config/secrets.ts";

const log = getLogger(["exai", "auth"]);

interface PunctualOptions {
  /** How long a secret is waited for, in milliseconds. */
  waitMs: number;
  /** Called when a secret has come that was waited for in vain. */
  onLate(): void;
}

/**
 * Secrets for configurations that the first window waits for: one that does not come soon, since a password manager asks its
 * user, is a fault of its entry alone until it comes.
 */
export class PunctualSecrets implements SecretReader {
  readonly #source: SecretReader;
  readonly #options: PunctualOptions;
  /** The secrets that are still to come. */
  readonly #late = new Set<string>();

  constructor(source: SecretReader, options: PunctualOptions) {
    this.#source = source;
    this.#options = options;
  }

  async read(name: string): Promise<string> {
    if (this.#late.has(name)) throw this.#tooLate();
    const reading = this.#source.read(name);
    const found = await resolvedWithin(reading, this.#options.waitMs);
    if (found !== undefined) return found;
    this.#late.add(name);
    void this.#await(name, reading);
    throw this.#tooLate();
  }

  async #await(name: string, reading: Promise<string>): Promise<void> {
    const fault = await reading.then(() => undefined, messageOf);
    this.#late.delete(name);
    if (fault === undefined) return this.#options.onLate();
    // Not read again: each time a keychain would ask its user once more.
    log.warning("there is no secret {name}, {fault}; exai-daemon reload reads it again", { name, fault });
  }

  #tooLate(): Error {
    const waited = this.#options.waitMs / SECOND_MS;
    return new Error(`which did not come within ${waited} s; the entry is read again when it comes`);
  }
}
