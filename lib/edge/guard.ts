import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { ExaiError } from "../base/errors.ts";
import { isCrossSiteRequest, isOpenedPage } from "./fetch_metadata.ts";

/** Checks tokens. Called for every request, since the token can be rotated. */
export interface TokenVerifier {
  /** Whether a token is required. */
  readonly required: boolean;
  /** Whether `token` is valid; compares in constant time. */
  accepts(token: string): boolean;
}

interface GuardOptions {
  token: TokenVerifier;
  /** The address the daemon listens on; clients may use it as Host. */
  host: string;
  /** Host names accepted in addition to that and loopback. */
  allowedHosts: readonly string[];
  /** Accepted origins; a request with any other Origin is refused. */
  allowedOrigins: readonly string[];
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Protects the daemon from web pages and clients without the token. Checks a request before anything else does. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #hosts: ReadonlySet<string>;

  constructor(options: GuardOptions) {
    this.#options = options;
    const own = options.host.includes(":") ? `[${options.host}]` : options.host;
    this.#hosts = new Set([...LOOPBACK, ...[own, ...options.allowedHosts].map((host) => host.toLowerCase())]);
  }

  /**
   * Rejects a request that a web page may have made: its Host is not one of the daemon's (DNS rebinding), its Origin is
   * neither on the allow list nor the address of the daemon, or its Fetch Metadata name another site.
   *
   * @param options `takesLinks`: whether a link of another site may lead there, as to a page that shows nothing by itself
   * @throws {ExaiError} `FORBIDDEN`
   */
  checkOrigin(request: Request, { takesLinks = false } = {}): void {
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
    if (takesLinks && isOpenedPage(request)) return;
    if (isCrossSiteRequest(request, origin !== null && this.allowsOrigin(origin))) {
      throw new ExaiError(
        "FORBIDDEN",
        "a page of another site has asked a browser for this (Sec-Fetch-Site); open the address itself, or add the " +
          "page's Origin to EXAI_WS_ALLOWED_ORIGINS if it is yours",
      );
    }
  }

  /** Whether a token is required. */
  get requiresToken(): boolean {
    return this.#options.token.required;
  }

  /** Whether web pages of `origin` may send requests. */
  allowsOrigin(origin: string): boolean {
    return this.#options.allowedOrigins.includes(origin);
  }

  /** Whether `token` is valid, or none is required; compares in constant time. */
  authenticate(token: string | undefined): boolean {
    const verifier = this.#options.token;
    return !verifier.required || verifier.accepts(token ?? "");
  }
}

/** The token of a request: `Authorization: Bearer` or, for clients that cannot set headers, `?token=`. */
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

// The Host has been checked before: a page of that origin was served by the daemon itself.
function isSameOrigin(origin: string, host: string): boolean {
  return ["http", "https"].some((scheme) => origin.toLowerCase() === `${scheme}://${host.toLowerCase()}`);
}

/**
 * The URL of a request.
 *
 * @throws {ExaiError} `INVALID_REQUEST` when its Host and path make no valid URL
 */
export function parseUrl(request: Request): URL {
  try {
    return new URL(request.url);
  } catch (cause) {
    throw new ExaiError("INVALID_REQUEST", "the Host and path of this request make no URL", { cause });
  }
}

/** The Host of a request. HTTP/2, which is only used with TLS, has `:authority` instead. */
function hostOf(request: Request): string {
  const host = request.headers.get("host");
  if (host !== null) return host;
  const url = parseUrl(request);
  return url.protocol === "https:" ? url.host : "";
}

/** A Host without its port; an invalid port is not removed. */
function hostName(host: string): string {
  return host.replace(/:(\d{1,5})$/, (all, port) => Number(port) <= 65_535 ? "" : all).toLowerCase();
}
