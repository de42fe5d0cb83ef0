import type { SecretStore } from "../auth/secret_store.ts";
import { UsageError } from "../base/errors.ts";
import { MIN_SECRET_LENGTH, registerSecret } from "../base/secrets.ts";
import { KIB } from "../base/units.ts";
import { checkNameOfSecret } from "../config/secrets.ts";
import type { Vault } from "./vault.ts";
import { SPARE_BYTES } from "./vault_size.ts";

const SECTION = "secrets";
const MAX_VALUE_CHARS = 64 * KIB;

/** Keeps the user's secrets in the vault. What it reads or writes is kept out of the logs. */
export class VaultSecretStore implements SecretStore {
  readonly place: string;
  readonly #vault: Vault;

  /** @param place as {@linkcode SecretStore.place} */
  constructor(vault: Vault, place: string) {
    this.#vault = vault;
    this.place = place;
  }

  async get(name: string): Promise<string | undefined> {
    const secrets = (await this.#vault.read())[SECTION] ?? {};
    const found = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
    if (typeof found !== "string") return undefined;
    registerSecret(found);
    return found;
  }

  async set(name: string, value: string): Promise<void> {
    checkNameOfSecret(name);
    checkValue(value);
    registerSecret(value);
    await this.#vault.change((content) => ({
      ...content,
      [SECTION]: { ...content[SECTION], [name]: value },
    }), { spareBytes: SPARE_BYTES });
  }

  async remove(name: string): Promise<boolean> {
    let isFound = false;
    await this.#vault.change((content) => {
      isFound = Object.hasOwn(content[SECTION] ?? {}, name);
      if (!isFound) return content;
      const { [name]: _, ...others } = content[SECTION]!;
      return { ...content, [SECTION]: others };
    });
    return isFound;
  }

  async names(): Promise<readonly string[]> {
    return Object.keys((await this.#vault.read())[SECTION] ?? {}).sort();
  }
}

/** @throws {UsageError} for a value that could not be kept out of the logs, or is no secret but a file */
function checkValue(value: string): void {
  if (value.length < MIN_SECRET_LENGTH) {
    throw new UsageError(
      `a secret has ${MIN_SECRET_LENGTH} characters or more; shorter ones stand in any text`,
    );
  }
  if (value.length > MAX_VALUE_CHARS) throw new UsageError("a secret has at most 64 KiB");
  if (value.includes("\0")) throw new UsageError("a secret is text, without null characters");
}
