import { monotonicNow } from "../../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import { type AuthFetch, AuthServerError } from "./auth_fetch.ts";
import { readChallenge, type TokenChallenge } from "./challenge.ts";
import { discover, type Discovered } from "./discovery.ts";

/** Many requests are refused at once; what was found for one holds for all. */
const FRESH_MS = 10 * SECOND_MS;
/** A server that publishes nothing is not asked again for each request that it refuses. */
const NOTHING_MS = 5 * MINUTE_MS;

interface FoundMetadata {
  about: string;
  server: Discovered | undefined;
  atMs: number;
  untilMs: number;
}

/** Finds the authorization server of one MCP server, for many who ask at once. */
export class ServerMetadata {
  readonly #url: URL;
  readonly #fetch: AuthFetch;
  readonly #finding = new Map<string, Promise<Discovered | undefined>>();
  #found: FoundMetadata | undefined;

  constructor(url: URL, fetch: AuthFetch) {
    this.#url = url;
    this.#fetch = fetch;
  }

  /**
   * What a server that has refused a request with `challenge` publishes; undefined: nothing.
   *
   * @param issuer the one that the configuration names
   * @param sinceMs what was found before that monotonic time does not count
   * @throws {AuthServerError} it cannot be used, as {@linkcode discover}
   */
  async find(
    challenge: TokenChallenge,
    issuer: string | undefined,
    sinceMs = 0,
  ): Promise<Discovered | undefined> {
    const about = JSON.stringify([challenge.resourceMetadataUrl, issuer]);
    const found = this.#found;
    if (found?.about === about && found.atMs > sinceMs && monotonicNow() < found.untilMs) return found.server;
    const known = this.#finding.get(about);
    if (known) return await known;
    const finding = discover({ url: this.#url, challenge, issuer, fetch: this.#fetch })
      .finally(() => this.#finding.delete(about));
    this.#finding.set(about, finding);
    const server = await finding;
    const atMs = monotonicNow();
    this.#found = { about, server, atMs, untilMs: atMs + (server ? FRESH_MS : NOTHING_MS) };
    return server;
  }

  /** Asks anew from now on. */
  forget(): void {
    this.#found = undefined;
  }

  /** What the server says when it is asked without a right to. */
  async challenge(): Promise<TokenChallenge> {
    try {
      const { status, headers } = await this.#ping();
      return status === 401 ? await readChallenge(headers.get("www-authenticate")) : {};
    } catch (thrown) {
      // What it publishes may be found all the same.
      if (thrown instanceof AuthServerError) return {};
      throw thrown;
    }
  }

  /**
   * Whether the server takes `token`, whatever else it says of a request that has no session. It shows only where the same
   * request without a token is refused: many answer a ping to all, or look for the session first.
   */
  async takes(token: string): Promise<boolean> {
    const status = async (authorization?: Record<string, string>) =>
      (await this.#ping(authorization).catch(() => undefined))?.status ?? 503;
    const answer = await status({ authorization: `Bearer ${token}` });
    if (answer >= 500 || [401, 403, 429].includes(answer)) return false;
    return await status() === 401;
  }

  /** A ping changes nothing, also where no right is needed. */
  async #ping(authorization: Record<string, string> = {}): Promise<Response> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: "exai-login", method: "ping" });
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...authorization,
    };
    const response = await this.#fetch(this.#url, { method: "POST", headers, body });
    await response.body?.cancel();
    return response;
  }
}
