import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { ExaiError } from "../base/errors.ts";
import { isCrossSiteRequest } from "./fetch_metadata.ts";

/** Knows the token. Asked on every check, since it can be rotated. */
export interface TokenVerifier {
  /** Whether one is needed at all. */
  readonly required: boolean;
  /** Whether `shown` is one in force, in a time that does not depend on how much of it is right. */
  accepts(shown: string): boolean;
}

interface GuardOptions {
  token: TokenVerifier;
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
   * Refuses a request a browser tab could have made: one whose Host is not ours (DNS rebinding), that comes from a
   * web page (any Origin that is neither on the list nor the very address the request was sent to), or that a page of
   * another site has the browser load.
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
    if (isCrossSiteRequest(request, origin !== null && this.allowsOrigin(origin))) {
      throw new ExaiError(
        "FORBIDDEN",
        "a page of another site has asked a browser for this (Sec-Fetch-Site); open the address itself, or add the " +
          "page's Origin to EXAI_WS_ALLOWED_ORIGINS if it is yours",
      );
    }
  }

  /** Whether a token is needed at all. */
  get requiresToken(): boolean {
    return this.#options.token.required;
  }

  /** Whether web pages of `origin` may speak to the daemon. */
  allowsOrigin(origin: string): boolean {
    return this.#options.allowedOrigins.includes(origin);
  }

  /** Whether `shown` is a token in force, in a time that does not depend on how much of it is right. */
  authenticate(shown: string | undefined): boolean {
    const { token } = this.#options;
    return !token.required || token.accepts(shown ?? "");
  }
}

/** The token a request carries as `Authorization: Bearer` or, for clients that cannot set headers, as `?token=`. */
export function requestToken(request: Request): string | undefined {
  const bearer = request.headers.get("authorization")?.match(/^Bearer +([^ ].*)$/i)?.[1];
  return bearer ?? parseUrl(request).searchParams.get("token") ?? undefined;
}

/** Compares two secrets in constant time, whatever their lengths. */
export function secretsEqual(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

// The Host has been checked by then: a page of that origin can only have come from the daemon itself.
function isSameOrigin(origin: string, host: string): boolean {
  return ["http", "https"].some((scheme) => origin.toLowerCase() === `${scheme}://${host.toLowerCase()}`);
}

/**
 * The address of a request; a Host or a path can be such that there is none.
 *
 * @throws {ExaiError} `INVALID_REQUEST`
 */
export function parseUrl(request: Request): URL {
  try {
    return new URL(request.url);
  } catch (cause) {
    throw new ExaiError("INVALID_REQUEST", "the Host and path of this request make no URL", { cause });
  }
}

/** HTTP/2, which is spoken with TLS only, says its host in the place of a header. */
function hostOf(request: Request): string {
  const host = request.headers.get("host");
  if (host !== null) return host;
  const url = parseUrl(request);
  return url.protocol === "https:" ? url.host : "";
}

/** A Host without its port, if it has one that can be. */
function hostName(host: string): string {
  return host.replace(/:(\d{1,5})$/, (all, port) => Number(port) <= 65_535 ? "" : all).toLowerCase();
}
