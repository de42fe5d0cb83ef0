import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { ExaiError } from "../base/errors.ts";

/** Knows the token. Asked on every check, since it can be rotated. */
export interface TokenCheck {
  /** Whether one is needed at all. */
  readonly required: boolean;
  /** Whether `shown` is one in force, in a time that does not depend on how much of it is right. */
  accepts(shown: string): boolean;
}

export interface GuardOptions {
  token: TokenCheck;
  /** The address listened on, by which clients may call it. */
  host: string;
  /** Host names accepted beside that and loopback. */
  allowedHosts: readonly string[];
  /** Origins accepted; a request with another Origin is refused. */
  allowedOrigins: readonly string[];
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Decides who may speak to the daemon at all. Asked before anything else happens to a request. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #hosts: ReadonlySet<string>;

  constructor(options: GuardOptions) {
    this.#options = options;
    const own = options.host.includes(":") ? `[${options.host}]` : options.host;
    this.#hosts = new Set([...LOOPBACK, ...[own, ...options.allowedHosts].map((host) => host.toLowerCase())]);
  }

  /**
   * Refuses a request a browser tab could have made: one whose Host is not ours (DNS rebinding) or that comes from a
   * web page (any Origin that is neither on the list nor the very address the request was sent to).
   *
   * @throws {ExaiError} `FORBIDDEN`
   */
  checkOrigin(request: Request): void {
    const host = hostOf(request);
    if (!this.#hosts.has(hostName(host)) && !this.#hosts.has(host.toLowerCase())) {
      const hint = "add it to EXAI_WS_ALLOWED_HOSTS if it is yours";
      throw new ExaiError("FORBIDDEN", `Host ${JSON.stringify(host)} is not allowed; ${hint}`);
    }
    const origin = request.headers.get("origin");
    if (origin !== null && !this.allowsOrigin(origin) && !isSameOrigin(origin, host)) {
      const hint = "add it to EXAI_WS_ALLOWED_ORIGINS if it is yours";
      throw new ExaiError("FORBIDDEN", `Origin ${JSON.stringify(origin)} is not allowed; ${hint}`);
    }
  }

  /** Whether a token is needed at all. */
  get asksToken(): boolean {
    return this.#options.token.required;
  }

  /** Whether web pages of `origin` may speak to the daemon. */
  allowsOrigin(origin: string): boolean {
    return this.#options.allowedOrigins.includes(origin);
  }

  /**
   * Checks the token a request carries as `Authorization: Bearer` or, for clients that cannot set headers, as `?token=`.
   *
   * @throws {ExaiError} `UNAUTHORIZED`
   */
  checkToken(request: Request): void {
    if (this.authenticate(shownToken(request))) return;
    throw new ExaiError("UNAUTHORIZED", "a token is needed: Authorization: Bearer <EXAI_WS_TOKEN>");
  }

  /** Whether `shown` is a token in force, in a time that does not depend on how much of it is right. */
  authenticate(shown: string | undefined): boolean {
    const { token } = this.#options;
    return !token.required || token.accepts(shown ?? "");
  }
}

/** The token a request carries, if it carries one. */
export function shownToken(request: Request): string | undefined {
  const bearer = request.headers.get("authorization")?.match(/^Bearer +([^ ].*)$/i)?.[1];
  return bearer ?? new URL(request.url).searchParams.get("token") ?? undefined;
}

/** Compares two secrets in constant time, whatever their lengths. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

// The Host has been checked by then: a page of that origin can only have come from the daemon itself.
function isSameOrigin(origin: string, host: string): boolean {
  return ["http", "https"].some((scheme) => origin.toLowerCase() === `${scheme}://${host.toLowerCase()}`);
}

/** HTTP/2, which is spoken with TLS only, says its host in the place of a header. */
function hostOf(request: Request): string {
  const url = new URL(request.url);
  return request.headers.get("host") ?? (url.protocol === "https:" ? url.host : "");
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, "").toLowerCase();
}
