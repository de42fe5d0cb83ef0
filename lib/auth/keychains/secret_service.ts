import { type Keychain, KeychainError } from "../keychain.ts";
import { runKeychainProgram } from "./run_keychain_program.ts";

const PROGRAM = "secret-tool";

/** By which EXAI's items are found (freedesktop.org Secret Service, Lookup Attributes). */
const APPLICATION = ["application", "exai"];

/**
 * The Secret Service of a Linux desktop (GNOME Keyring, KWallet, KeePassXC), by the program of libsecret: the service
 * itself speaks D-Bus with a key exchange of its own.
 */
export class SecretService implements Keychain {
  readonly id = "secret-service";
  readonly title = "the Secret Service";
  readonly #timeoutMs: number | undefined;

  constructor({ timeoutMs }: { timeoutMs?: number } = {}) {
    this.#timeoutMs = timeoutMs;
  }

  async get(name: string): Promise<string | undefined> {
    const { code, stdout } = await this.#run(["lookup"], name);
    if (code === 0) return stdout;
    // Of one that is locked, and whose user does not unlock it, it says no more than of one that is not there.
    const found = await this.#run(["search"], name);
    if (found.stdout.trim() === "") return undefined;
    throw new KeychainError(
      "it is locked; unlock it: it is with your session, and a login by SSH does not unlock it",
    );
  }

  async set(name: string, value: string): Promise<void> {
    const { code } = await this.#run(["store", `--label=EXAI ${name}`], name, value);
    if (code !== 0) throw new KeychainError(`${PROGRAM} ended with exit code ${code}`);
  }

  async remove(name: string): Promise<boolean> {
    const isThere = await this.get(name) !== undefined;
    await this.#run(["clear"], name);
    return isThere;
  }

  /** @throws {KeychainError} with what it said: an item that is not there is an exit code without a word */
  async #run(action: readonly string[], name: string, input?: string) {
    const args = [...action, ...APPLICATION, "name", name];
    const run = await runKeychainProgram(PROGRAM, args, { input, timeoutMs: this.#timeoutMs });
    if (run.code !== 0 && run.stderr !== "") {
      throw new KeychainError(`it cannot be used: ${run.stderr.replace(/^secret-tool: /, "")}`);
    }
    return run;
  }
}
