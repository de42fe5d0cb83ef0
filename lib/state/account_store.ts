import { createHash } from "node:crypto";
import { join } from "@std/path";
import {
  type AccountId,
  accountKey,
  type CredentialStore,
  type KeptCredentials,
} from "../auth/credential_store.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { registerPassingSecret, registerSecret } from "../base/secrets.ts";
import { MINUTE_MS } from "../base/units.ts";
import { exclusively } from "./exclusive.ts";
import type { Vault, VaultContent } from "./vault.ts";
import { checkAccountSize, SPARE_BYTES } from "./vault_size.ts";

/** How long another process may change one account: the two minutes that a request for tokens may take, and as many more. */
const ACCOUNT_WAIT_MS = 4 * MINUTE_MS;

const SECTION = "accounts";

/** Fields of tokens and registrations that nobody else may see (RFC 6749, RFC 7591, OpenID Connect). */
const PASSING_FIELDS = ["access_token", "refresh_token", "id_token"];
const LASTING_FIELDS = ["client_secret", "registration_access_token"];

/** Keeps accounts in the vault. What it reads or writes of them is kept out of the logs. */
export class VaultCredentialStore implements CredentialStore {
  readonly #vault: Vault;
  readonly #locks: string;

  /** @param locks the directory of the locks of accounts; made where there is none */
  constructor(vault: Vault, locks: string) {
    this.#vault = vault;
    this.#locks = locks;
  }

  get keys(): readonly string[] {
    return this.#vault.keys.texts;
  }

  async useKeys(keys: readonly string[]): Promise<void> {
    await this.#vault.keys.use(keys);
  }

  async read(id: AccountId): Promise<KeptCredentials | undefined> {
    return credentialsIn(await this.#vault.read(), id);
  }

  async change(
    id: AccountId,
    change: (before: KeptCredentials | undefined) => Promise<KeptCredentials | undefined>,
  ): Promise<KeptCredentials | undefined> {
    await Deno.mkdir(this.#locks, { recursive: true, mode: 0o700 });
    await this.#vault.getKey();
    const path = join(this.#locks, `${digestOf(id)}.lock`);
    const what = `the account ${id.name} of ${id.resource}`;
    return await exclusively(path, { waitMs: ACCOUNT_WAIT_MS, what }, async () => {
      const before = await this.read(id);
      const room = { spareBytes: before ? 0 : SPARE_BYTES };
      // A token that is renewed and cannot be written is lost, and with it the account.
      await this.#vault.check(room);
      const after = await change(before);
      if (after !== before) {
        const written = after && asWritten(after);
        if (written) checkAccountSize(what, written, before && asWritten(before));
        await this.#vault.change((content) => withAccount(content, id, written), room);
      }
      return after;
    });
  }

  async list(): Promise<readonly AccountId[]> {
    const accounts = (await this.#vault.read())[SECTION] ?? {};
    return Object.keys(accounts).map(idIn).filter((id) => id !== undefined);
  }
}

function credentialsIn(content: VaultContent, id: AccountId): KeptCredentials | undefined {
  const found = content[SECTION]?.[accountKey(id)];
  if (!isObject(found)) return undefined;
  hide(found);
  // A copy: the content is that of every later reading too.
  return structuredClone(found) as unknown as KeptCredentials;
}

/** As it will be read: without fields that are undefined. */
function asWritten(kept: KeptCredentials): JsonObject {
  return JSON.parse(JSON.stringify(kept));
}

function withAccount(content: VaultContent, id: AccountId, kept: JsonObject | undefined): VaultContent {
  const accounts = { ...content[SECTION] };
  if (kept === undefined) delete accounts[accountKey(id)];
  else {
    hide(kept);
    accounts[accountKey(id)] = kept;
  }
  return { ...content, [SECTION]: accounts };
}

/** Keeps the secrets of an account out of the logs. */
function hide(kept: JsonObject): void {
  for (const [name, value] of Object.entries(kept)) {
    if (isObject(value)) hide(value);
    if (typeof value !== "string") continue;
    if (PASSING_FIELDS.includes(name)) registerPassingSecret(value);
    if (LASTING_FIELDS.includes(name)) registerSecret(value);
  }
}

function idIn(key: string): AccountId | undefined {
  try {
    const [resource, name] = JSON.parse(key);
    return typeof resource === "string" && typeof name === "string" ? { resource, name } : undefined;
  } catch {
    return undefined;
  }
}

function digestOf(id: AccountId): string {
  return createHash("sha256").update(accountKey(id)).digest("hex").slice(0, 32);
}
