import { isDeepStrictEqual } from "node:util";
import { messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { ConfiguredSecrets } from "../config/program_settings.ts";
import type { SecretCommand } from "../config/secrets.ts";
import type { HelperPrograms } from "./helper_programs.ts";
import type { SecretStore } from "./secret_store.ts";

/** How long what a program has printed is used: it may ask a person, or take a second. */
const KEPT_MS = 10 * MINUTE_MS;

/** How long a program that has failed is not run again: several entries may name its secret. */
const PAUSE_MS = 5 * SECOND_MS;

interface StoredSecretsParts {
  store: SecretStore;
  programs: HelperPrograms;
  commands: ReadonlyMap<string, SecretCommand>;
  /** Called when other programs are to be used than before. */
  onChange?: () => void;
}

/** The secrets that a configuration may name: what programs of the user's print, before what is kept in the vault. */
export class StoredSecrets implements ConfiguredSecrets {
  readonly #parts: StoredSecretsParts;
  readonly #printed = new Map<string, { value: Promise<string>; untilMs: number }>();
  #commands: ReadonlyMap<string, SecretCommand>;

  constructor(parts: StoredSecretsParts) {
    this.#parts = parts;
    this.#commands = parts.commands;
  }

  get commands(): ReadonlyMap<string, SecretCommand> {
    return this.#commands;
  }

  set commands(commands: ReadonlyMap<string, SecretCommand>) {
    if (isDeepStrictEqual(commands, this.#commands)) return;
    this.#commands = commands;
    this.forget();
    this.#parts.onChange?.();
  }

  /** Has each program run again when its secret is needed next. */
  forget(): void {
    this.#printed.clear();
  }

  async read(name: string): Promise<string> {
    const command = this.#commands.get(name);
    if (command) return await this.#print(name, command);
    const kept = await this.#parts.store.get(name).catch((thrown) => {
      throw new Error(`which cannot be read: ${messageOf(thrown)}`);
    });
    if (kept !== undefined) return kept;
    throw new Error(`which is not set; set it: exai-daemon secret set ${name}`);
  }

  async #print(name: string, command: SecretCommand): Promise<string> {
    const known = this.#printed.get(name);
    if (known && monotonicNow() < known.untilMs) return await known.value;
    const value = this.#parts.programs.run(command).then((text) => {
      registerSecret(text);
      return text;
    }, (thrown) => {
      entry.untilMs = monotonicNow() + PAUSE_MS;
      throw new Error(`whose program in exai.json gives none: ${messageOf(thrown)}`);
    });
    const entry = { value, untilMs: monotonicNow() + KEPT_MS };
    this.#printed.set(name, entry);
    return await value;
  }
}
