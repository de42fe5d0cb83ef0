import { resolvedWithin } from "../base/abort.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS } from "../base/units.ts";
import { parseUrl, secretsEqual } from "./guard.ts";

/** How long a code may be used: a browser has to start. */
const CODE_MS = 2 * MINUTE_MS;

/** A browser that has used nothing for this long signs in again. */
const IDLE_MS = 24 * 60 * MINUTE_MS;

const MAX_SESSIONS = 64;
const MAX_CODES = 16;

/** The token whose rotation ends sessions. */
interface CurrentToken {
  readonly current: string;
}

/**
 * The browsers that are signed in to the page, each by a random cookie, in memory only. A cookie opens what the page
 * shows, and no MCP session.
 */
export class PageSessions {
  readonly #token: CurrentToken;
  /** By id, the one that was used last at the end. */
  readonly #sessions = new Map<string, { token: string; untilMs: number }>();
  readonly #codes = new Map<string, { token: string; untilMs: number; used: PromiseWithResolvers<void> }>();

  constructor(token: CurrentToken) {
    this.#token = token;
  }

  /** Whether the cookie of `request` is that of a session under the current token. */
  accepts(request: Request): boolean {
    const id = cookieOf(request, nameFor(request));
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (id === undefined || !session) return false;
    this.#sessions.delete(id);
    if (!this.#isValid(session)) return false;
    this.#sessions.set(id, { ...session, untilMs: monotonicNow() + IDLE_MS });
    return true;
  }

  /** Begins a session; the value of the `Set-Cookie` that gives it to the browser of `request`. */
  begin(request: Request): string {
    const id = randomText();
    add(this.#sessions, id, { token: this.#token.current, untilMs: monotonicNow() + IDLE_MS }, MAX_SESSIONS);
    const secure = parseUrl(request).protocol === "https:" ? "; Secure" : "";
    return `${nameFor(request)}=${id}; Path=/; HttpOnly; SameSite=Strict${secure}`;
  }

  /** A code that a session can be begun with once, within two minutes. */
  createCode(): string {
    const code = randomText();
    const used = Promise.withResolvers<void>();
    add(
      this.#codes,
      code,
      { token: this.#token.current, untilMs: monotonicNow() + CODE_MS, used },
      MAX_CODES,
    );
    return code;
  }

  /** Uses up `code`; whether it was good. */
  redeem(code: string): boolean {
    const known = this.#codes.get(code);
    this.#codes.delete(code);
    known?.used.resolve();
    return known !== undefined && this.#isValid(known);
  }

  /** Waits until `code` was used, or can be no longer; whether it was. */
  async whenUsed(code: string): Promise<boolean> {
    const known = this.#codes.get(code);
    if (!known) return true;
    const leftMs = Math.max(0, known.untilMs - monotonicNow());
    return await resolvedWithin(known.used.promise.then(() => true), leftMs) ?? false;
  }

  #isValid({ token, untilMs }: { token: string; untilMs: number }): boolean {
    return secretsEqual(token, this.#token.current) && untilMs > monotonicNow();
  }
}

/** Cookies are of a host and not of a port: daemons on two ports would take each other's. */
function nameFor(request: Request): string {
  return `exai-page-${parseUrl(request).port || "default"}`;
}

function cookieOf(request: Request, name: string): string | undefined {
  const cookies = (request.headers.get("cookie") ?? "").split(";").map((cookie) => cookie.trim());
  return cookies.find((cookie) => cookie.startsWith(`${name}=`))?.slice(name.length + 1);
}

function randomText(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Adds an entry; the oldest makes room. */
function add<T>(map: Map<string, T>, key: string, value: T, maxSize: number): void {
  const oldest = map.size >= maxSize ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
