import { ExaiError, messageOf } from "../base/errors.ts";
import { sameSecret } from "../edge/guard.ts";
import { writePrivateFile } from "./state_files.ts";

/** The value of `EXAI_WS_TOKEN` that asks for a token kept in the state directory. */
const AUTO = "auto";
const MIN_TOKEN_CHARS = 8;

export interface TokenOptions {
  /** `EXAI_WS_TOKEN`. */
  setting: string;
  /** The private file an automatic token is kept in. */
  path: string;
}

/** The token in force, and the file it is kept in when the daemon made it. */
export class TokenKeeper {
  #current: string;
  readonly #path: string | undefined;

  private constructor(current: string, path: string | undefined) {
    this.#current = current;
    this.#path = path;
  }

  /**
   * The token the settings ask for; an automatic one is read from its file or made.
   *
   * @throws {ExaiError} `CONFIG` when the file cannot be read or written
   */
  static async open({ setting, path }: TokenOptions): Promise<TokenKeeper> {
    if (setting !== AUTO) return new TokenKeeper(setting, undefined);
    try {
      const kept = await readIfThere(path);
      if (kept !== undefined && kept.length >= MIN_TOKEN_CHARS) return new TokenKeeper(kept, path);
      const made = makeToken();
      await writePrivateFile(path, made + "\n");
      return new TokenKeeper(made, path);
    } catch (thrown) {
      throw new ExaiError("CONFIG", `the token file ${path} cannot be used: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  get current(): string {
    return this.#current;
  }

  /**
   * Puts `next` in force if `shown` is the token in force now; false if it is not.
   *
   * @throws {ExaiError} `INVALID_PARAMS` for a token that is too short, or when the daemon runs without one
   */
  async rotate(shown: string, next: string): Promise<boolean> {
    if (this.#current === "") {
      throw new ExaiError("INVALID_PARAMS", "this daemon runs without a token; set EXAI_WS_TOKEN to use one");
    }
    if (!sameSecret(shown, this.#current)) return false;
    if (next.length < MIN_TOKEN_CHARS) {
      throw new ExaiError("INVALID_PARAMS", `new must hold at least ${MIN_TOKEN_CHARS} characters`);
    }
    if (this.#path) await writePrivateFile(this.#path, next + "\n");
    this.#current = next;
    return true;
  }
}

function makeToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
}
