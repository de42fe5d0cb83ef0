import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { monotonicNow } from "../base/time.ts";
import { AUTO_TOKEN, isToken, TOKEN_RULE } from "../config/token_rule.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { othersCanRead, whyUntrusted } from "../config/trust.ts";
import { sameSecret, type TokenCheck } from "./guard.ts";
import { writePrivateFile } from "../state/state_files.ts";

const log = getLogger(["exai", "daemon"]);

/** Tokens that were replaced and still work; of more of them the oldest goes. */
const MAX_RETIRED = 8;

interface TokenOptions {
  /** `EXAI_WS_TOKEN`. */
  setting: string;
  /** The private file an automatic token is kept in. */
  path: string;
  /** How long a token still works after it was replaced, in milliseconds. */
  graceMs: number;
}

/** The token in force, those that were in force a moment ago, and the file it is kept in when the daemon made it. */
export class TokenKeeper implements TokenCheck {
  #current: string;
  /** What is being written to the file: whoever has read it there may show it before the writing is known to be done. */
  #next: string | undefined;
  #retired: { token: string; untilMs: number }[] = [];
  readonly #options: TokenOptions;

  private constructor(current: string, options: TokenOptions) {
    registerSecret(current);
    this.#current = current;
    this.#options = options;
  }

  /**
   * The token the settings ask for; an automatic one is read from its file or made.
   *
   * @throws {ExaiError} `CONFIG` when the file cannot be read or written
   */
  static async open(options: TokenOptions): Promise<TokenKeeper> {
    const { setting, path } = options;
    if (setting !== AUTO_TOKEN) return new TokenKeeper(setting, options);
    try {
      return new TokenKeeper(await readTokenFile(path) ?? await writeNewToken(path), options);
    } catch (thrown) {
      throw new ExaiError("CONFIG", `the token file ${path} cannot be used: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  get current(): string {
    return this.#current;
  }

  /** How long a token still works after it was replaced, in milliseconds. */
  get graceMs(): number {
    return this.#options.graceMs;
  }

  /** Every token that opens a new connection now, the newest first; none when none is needed. */
  get inForce(): string[] {
    if (!this.required) return [];
    this.#forgetExpired();
    return [this.#current, ...this.#others];
  }

  get required(): boolean {
    return this.#current !== "";
  }

  /** Whether `shown` opens a new connection: it is the token in force, or was until a moment ago. */
  accepts(shown: string): boolean {
    this.#forgetExpired();
    // Every one is compared, so that the time says nothing of which it was.
    return [this.#current, ...this.#others].filter((token) => sameSecret(shown, token)).length > 0;
  }

  /**
   * Puts `next` in force if `shown` is the token in force now; false if it is not. `shown` still opens connections for
   * the grace, and no connection that is open ends.
   *
   * @throws {ExaiError} `INVALID_PARAMS` for what could not be shown again, or when the daemon runs without one
   */
  async rotate(shown: string, next: string): Promise<boolean> {
    if (!this.required) {
      throw new ExaiError("INVALID_PARAMS", "this daemon runs without a token; set EXAI_WS_TOKEN to use one");
    }
    // While another is being put in force, the one shown is as good as replaced.
    if (!sameSecret(shown, this.#current) || this.#next !== undefined) return false;
    if (!isToken(next)) {
      const why = next === AUTO_TOKEN ? "; auto is for the setting EXAI_WS_TOKEN only" : "";
      throw new ExaiError("INVALID_PARAMS", `new must be ${TOKEN_RULE}${why}; the token stays as it was`);
    }
    registerSecret(next);
    this.#next = next;
    try {
      if (this.#options.setting === AUTO_TOKEN) await writePrivateFile(this.#options.path, next + "\n");
    } finally {
      this.#next = undefined;
    }
    this.#retire(this.#current);
    this.#current = next;
    return true;
  }

  /**
   * As `rotate`, to a token made here, which whoever may reads in the file.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when there is no such file
   */
  rotateFile(shown: string): Promise<boolean> {
    if (this.#options.setting !== AUTO_TOKEN) throw noTokenFile(this.#options.setting);
    return this.rotate(shown, makeToken());
  }

  get #others(): string[] {
    return [...this.#next === undefined ? [] : [this.#next], ...this.#retired.map(({ token }) => token)];
  }

  #forgetExpired(): void {
    const now = monotonicNow();
    this.#retired = this.#retired.filter(({ untilMs }) => untilMs > now);
  }

  #retire(token: string): void {
    if (this.#options.graceMs === 0) return;
    this.#retired.push({ token, untilMs: monotonicNow() + this.#options.graceMs });
    this.#retired.splice(0, this.#retired.length - MAX_RETIRED);
  }
}

/** Why there is nothing to rotate or show in a file. */
export function noTokenFile(setting: string): ExaiError {
  const why = setting === ""
    ? "no token is used: EXAI_WS_TOKEN is empty; set it to auto"
    : "the token is the one EXAI_WS_TOKEN holds: change it there, in the clients too, and start the daemon " +
      "again; with EXAI_WS_TOKEN=auto it can be rotated while the daemon runs";
  return new ExaiError("INVALID_PARAMS", why);
}

/**
 * The token in the file at `path`; undefined where there is none.
 *
 * @throws {ExaiError} `CONFIG` when others can write the file
 * @throws what the file system says; for a token that could not be shown: with it nobody would get in
 */
export async function readTokenFile(path: string): Promise<string | undefined> {
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) {
    throw new ExaiError("CONFIG", `the token in ${path} is not used, since others may know it: ${distrust}`);
  }
  if (othersCanRead(path)) {
    log.warning("other users can read the token in {path}; close it and make a new one: {remedy}", {
      path,
      remedy: `chmod 600 '${path}' && exai-daemon token rotate`,
    });
  }
  let kept: string;
  try {
    kept = (await readRegularFile(path)).trim();
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
  if (kept === "" || isToken(kept)) return kept || undefined;
  throw new ExaiError(
    "CONFIG",
    `it holds no token, which is ${TOKEN_RULE}; delete it, and the daemon makes a new one`,
  );
}

/** Puts a new token into the file at `path`. */
export async function writeNewToken(path: string): Promise<string> {
  const made = makeToken();
  await writePrivateFile(path, made + "\n");
  return made;
}

function makeToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}
