import { isDeepStrictEqual } from "node:util";
import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { DEFAULT_ACCOUNT } from "../config/account_choice.ts";
import type { UrlServerConfig } from "../config/server_config.ts";
import type { AuthorizationRefusal, ServerAuthorization } from "../remote/authorization.ts";
import { type HelperHeaders, readHelperHeaders } from "./helper_headers.ts";
import type { HelperPrograms } from "./helper_programs.ts";

const log = getLogger(["exai", "auth"]);

/** How long after a failure, or after headers that a server has refused, the program is not run again. */
const PAUSE_MS = 5 * SECOND_MS;

/** The part of a configuration that a helper depends on. */
type HelpedConfig = Pick<UrlServerConfig, "name" | "title" | "url" | "account" | "headersHelper">;

interface HelperParts {
  programs: HelperPrograms;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
}

/**
 * Headers for the requests to one server, of one account, that a program of the user's prints. It is run when they are
 * needed and expire, and once more when the server refuses them; one run serves all who wait.
 */
class HeadersHelper implements ServerAuthorization {
  readonly #config: HelpedConfig;
  readonly #programs: HelperPrograms;
  readonly #now: () => number;
  #last: HelperHeaders | undefined;
  #running: Promise<HelperHeaders> | undefined;
  /** Why the program has failed, and until when it is not run again. */
  #failure: { error: ExaiError; untilMs: number } | undefined;
  #refusedMs = -Infinity;

  constructor(config: HelpedConfig, { programs, now = Date.now }: HelperParts) {
    this.#config = config;
    this.#programs = programs;
    this.#now = now;
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the program fails, with what it said on stderr */
  async headersFor(): Promise<Readonly<Record<string, string>>> {
    if (this.#last && this.#now() < this.#last.untilMs) return this.#last.headers;
    try {
      return (await this.#run()).headers;
    } catch (thrown) {
      // Without an end of their own they may well be good for longer.
      if (!this.#last || this.#last.isOwnExpiry) throw thrown;
      log.warning("{reason}; its last headers are still sent", { reason: messageOf(thrown) });
      return this.#last.headers;
    }
  }

  async refused({ status, sent }: AuthorizationRefusal, signal: AbortSignal): Promise<boolean> {
    if (status !== 401) return false;
    const isSent = (headers: Readonly<Record<string, string>>) =>
      Object.entries(headers).every(([name, value]) => sent[name] === value);
    // Renewed for another request meanwhile.
    if (this.#last && !isSent(this.#last.headers)) return true;
    if (!this.#running) {
      // A server that refuses whatever it is sent would have the program run for each request.
      if (this.#now() - this.#refusedMs < PAUSE_MS) return false;
      this.#refusedMs = this.#now();
    }
    const { headers } = await untilAborted(this.#run(), signal);
    return !isSent(headers);
  }

  #run(): Promise<HelperHeaders> {
    if (this.#failure && this.#now() < this.#failure.untilMs) return Promise.reject(this.#failure.error);
    this.#running ??= this.#runOnce().finally(() => this.#running = undefined);
    return this.#running;
  }

  async #runOnce(): Promise<HelperHeaders> {
    const { headersHelper: command = [], title, url, account = DEFAULT_ACCOUNT } = this.#config;
    // The first two as Claude Code has them, for which many helpers are written.
    const env = {
      CLAUDE_CODE_MCP_SERVER_NAME: title,
      CLAUDE_CODE_MCP_SERVER_URL: url,
      EXAI_ACCOUNT: account,
    };
    try {
      const output = await this.#programs.run({ command, env });
      const headers = readHelperHeaders(output, this.#now());
      this.#failure = undefined;
      return this.#last = headers;
    } catch (thrown) {
      const error = new ExaiError(
        "UPSTREAM_UNAVAILABLE",
        `the headersHelper of server "${title}" gave no headers: ${messageOf(thrown)}; ` +
          "put right that program, or headersHelper in mcp.json; the next calls try it again",
        // With the account it is said as it is: url and headers of the entry are not at fault.
        { cause: thrown, details: { server: title, account, outcome: "not_run" } },
      );
      this.#failure = { error, untilMs: this.#now() + PAUSE_MS };
      throw error;
    }
  }
}

/** The headers helpers of a daemon: one for each server, account and program, whoever asks. */
export class HeadersHelpers {
  readonly #parts: HelperParts;
  #helpers: { config: HelpedConfig; helper: HeadersHelper }[] = [];

  constructor(parts: HelperParts) {
    this.#parts = parts;
  }

  /** The helper of `config`; undefined where it names none. */
  of(config: HelpedConfig): HeadersHelper | undefined {
    if (config.headersHelper === undefined) return undefined;
    const { name, title, url, account, headersHelper } = config;
    const wanted = { name, title, url, account, headersHelper };
    const known = this.#helpers.find(({ config }) => isDeepStrictEqual(config, wanted));
    if (known) return known.helper;
    const helper = new HeadersHelper(wanted, this.#parts);
    this.#helpers.push({ config: wanted, helper });
    return helper;
  }

  /** Forgets the helpers of servers that are no longer configured. */
  keep(servers: ReadonlySet<string>): void {
    this.#helpers = this.#helpers.filter(({ config }) => servers.has(config.name));
  }
}
