import { type Keychain, KeychainError } from "../keychain.ts";
import { runKeychainProgram } from "./run_keychain_program.ts";

const PROGRAM = "/usr/bin/security";
const SERVICE = "EXAI";

/** `errSecItemNotFound` as an exit code, which is its lowest byte. */
const NOT_FOUND = 44;

/** What stands in a line of `security -i` without quotes. */
const PLAIN = /^[A-Za-z0-9_.-]+$/;

/** The login keychain of macOS, by the system's own program, which may read again what it has written without a question. */
export class MacosKeychain implements Keychain {
  readonly id = "macos-keychain";
  readonly title = "the macOS Keychain";
  readonly #program: string;

  /** @param options `program`: in place of the system's own, for tests */
  constructor({ program = PROGRAM }: { program?: string } = {}) {
    this.#program = program;
  }

  async get(name: string): Promise<string | undefined> {
    const { code, stdout, stderr } = await runKeychainProgram(
      this.#program,
      ["find-generic-password", "-s", SERVICE, "-a", name, "-w"],
    );
    if (code === NOT_FOUND) return undefined;
    if (code !== 0) throw refused(code, stderr);
    return stdout.replace(/\n$/, "");
  }

  async set(name: string, value: string): Promise<void> {
    if (!PLAIN.test(name) || !PLAIN.test(value)) throw new KeychainError("it takes plain words alone");
    // Read from stdin, since arguments are seen by every user.
    const line = `add-generic-password -U -s ${SERVICE} -a ${name} -l EXAI -w ${value}\n`;
    const { code, stderr } = await runKeychainProgram(this.#program, ["-i"], { input: line });
    // Its exit code is not that of the line.
    if (code !== 0 || stderr.includes("add-generic-password:")) throw refused(code, stderr);
  }

  async remove(name: string): Promise<boolean> {
    const args = ["delete-generic-password", "-s", SERVICE, "-a", name];
    const { code, stderr } = await runKeychainProgram(this.#program, args);
    if (code !== 0 && code !== NOT_FOUND) throw refused(code, stderr);
    return code === 0;
  }
}

function refused(code: number, stderr: string): KeychainError {
  const why = stderr === "" ? `security ended with exit code ${code}` : stderr;
  return new KeychainError(`it cannot be used: ${why}; unlock it: security unlock-keychain`);
}
