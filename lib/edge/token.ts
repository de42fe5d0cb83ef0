import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { registerSecret } from "../base/log.ts";
import { quoteForShell } from "../base/text.ts";
import { monotonicNow } from "../base/time.ts";
import { AUTO_TOKEN, isToken, TOKEN_RULE } from "../config/token_rule.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { othersCanRead, whyUntrusted } from "../config/trust.ts";
import { secretsEqual, type TokenVerifier } from "./guard.ts";
import { writePrivateFile } from "../state/state_files.ts";

const log = getLogger(["exai", "daemon"]);

/** Maximum number of replaced tokens that are still valid. */
const MAX_RETIRED = 8;

interface TokenOptions {
  /** `EXAI_WS_TOKEN`. */
  setting: string;
  /** The private file of a generated token. */
  path: string;
  /** How long a token stays valid after a rotation, in milliseconds. */
  graceMs: number;
}

/** The current token, the replaced ones that are still valid, and the file of a generated one. */
export class TokenStore implements TokenVerifier {
  #current: string;
  /** A token that is being written to the file: clients may read and send it before the write is reported as done. */
  #incoming: string | undefined;
  #retired: { token: string; untilMs: number }[] = [];
  #options: TokenOptions;

  private constructor(current: string, options: TokenOptions) {
    registerSecret(current);
    this.#current = current;
    this.#options = options;
  }

  /**
   * The token of the settings; with `auto` it is read from the file or generated.
   *
   * @throws {ExaiError} `CONFIG` when the file cannot be read or written
   */
  static async open(options: TokenOptions): Promise<TokenStore> {
    const { setting, path } = options;
    return new TokenStore(setting === AUTO_TOKEN ? await keptToken(path) : setting, options);
  }

  /**
   * Takes over another value of the setting, such as `auto` where there was none. The token before stays valid for the
   * grace period, and open connections stay open.
   *
   * @throws {ExaiError} `CONFIG` when the file cannot be read or written
   */
  async configure(setting: string): Promise<void> {
    const next = setting === AUTO_TOKEN ? await keptToken(this.#options.path) : setting;
    registerSecret(next);
    if (this.required && this.#current !== next) this.#retire(this.#current);
    this.#options = { ...this.#options, setting };
    this.#current = next;
  }

  get current(): string {
    return this.#current;
  }

  /** How long a token stays valid after a rotation, in milliseconds. */
  get graceMs(): number {
    return this.#options.graceMs;
  }

  /** The tokens that open new connections, the current one first; empty when none is required. */
  get validTokens(): string[] {
    if (!this.required) return [];
    this.#forgetExpired();
    return [this.#current, ...this.#others];
  }

  get required(): boolean {
    return this.#current !== "";
  }

  /** Whether `presented` opens a new connection: it is the current token or one in its grace period. */
  accepts(presented: string): boolean {
    this.#forgetExpired();
    // All are compared: the time must not depend on which one matches.
    return [this.#current, ...this.#others].filter((token) => secretsEqual(presented, token)).length > 0;
  }

  /** Whether `presented` is the current token. One in its grace period only opens connections. */
  isCurrent(presented: string): boolean {
    return this.required && secretsEqual(presented, this.#current);
  }

  /**
   * Replaces the current token by `next`; false when `presented` is not the current token. `presented` stays valid for the grace
   * period, and open connections stay open.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when `next` is not a valid token, or the daemon runs without a token
   */
  async rotate(presented: string, next: string): Promise<boolean> {
    if (!this.required) {
      throw new ExaiError(
        "INVALID_PARAMS",
        'this daemon runs without a token; write "token": "auto" into exai.json to use one',
      );
    }
    // During another rotation the current token counts as replaced.
    if (!this.isCurrent(presented) || this.#incoming !== undefined) return false;
    if (!isToken(next)) {
      const why = next === AUTO_TOKEN ? "; auto is for the setting EXAI_WS_TOKEN only" : "";
      throw new ExaiError("INVALID_PARAMS", `new must be ${TOKEN_RULE}${why}; the token stays as it was`);
    }
    registerSecret(next);
    this.#incoming = next;
    try {
      if (this.#options.setting === AUTO_TOKEN) await writePrivateFile(this.#options.path, next + "\n");
    } finally {
      this.#incoming = undefined;
    }
    this.#retire(this.#current);
    this.#current = next;
    return true;
  }

  /**
   * {@linkcode rotate} to a generated token, which clients read from the file.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when the token is not kept in a file
   */
  rotateGenerated(presented: string): Promise<boolean> {
    if (this.#options.setting !== AUTO_TOKEN) throw noTokenFileError(this.#options.setting);
    return this.rotate(presented, generateToken());
  }

  get #others(): string[] {
    return [
      ...this.#incoming === undefined ? [] : [this.#incoming],
      ...this.#retired.map(({ token }) => token),
    ];
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

/**
 * The token in the file at `path`, which is made if there is none.
 *
 * @throws {ExaiError} `CONFIG` when the file cannot be read or written
 */
async function keptToken(path: string): Promise<string> {
  try {
    return await readTokenFile(path) ?? await writeNewToken(path);
  } catch (thrown) {
    throw new ExaiError("CONFIG", `the token file ${path} cannot be used: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/** The error for a token that is not kept in a file. */
export function noTokenFileError(setting: string): ExaiError {
  const why = setting === ""
    ? 'no token is used; write "token": "auto" into exai.json, or set EXAI_WS_TOKEN=auto'
    : "the token is the one EXAI_WS_TOKEN, or token in exai.json, holds: change it there, in the clients too, and " +
      "start the daemon again; with EXAI_WS_TOKEN=auto it can be rotated while the daemon runs";
  return new ExaiError("INVALID_PARAMS", why);
}

/**
 * The token in the file at `path`; undefined when the file is missing or empty.
 *
 * @throws {ExaiError} `CONFIG` when other users can write the file, or it holds no valid token
 * @throws any other error of the file system
 */
export async function readTokenFile(path: string): Promise<string | undefined> {
  const distrust = whyUntrusted(path);
  if (distrust !== undefined) {
    throw new ExaiError("CONFIG", `the token in ${path} is not used, since others may know it: ${distrust}`);
  }
  if (othersCanRead(path)) {
    log.warning("other users can read the token in {path}; close it and make a new one: {remedy}", {
      path,
      remedy: `chmod 600 ${quoteForShell(path)} && exai-daemon token rotate`,
    });
  }
  let text: string;
  try {
    text = (await readRegularFile(path)).trim();
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
  if (text === "" || isToken(text)) return text || undefined;
  throw new ExaiError(
    "CONFIG",
    `it holds no token, which is ${TOKEN_RULE}; delete it, and the daemon makes a new one`,
  );
}

/** Writes a new token to the file at `path` and returns it. */
export async function writeNewToken(path: string): Promise<string> {
  const token = generateToken();
  await writePrivateFile(path, token + "\n");
  return token;
}

/** A text that nobody can guess: 32 random bytes in base64url. */
export function generateToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}
