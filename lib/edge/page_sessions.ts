import { resolvedWithin } from "../base/abort.ts";
import { monotonicNow } from "../base/time.ts";
import { DAY_MS, MINUTE_MS } from "../base/units.ts";
import { secretsEqual } from "./guard.ts";
import { generateToken } from "./token.ts";

/**
 * The header with the key of a page's session. Not a cookie: cookies are of a host and not of a port, so a browser would
 * send it to whatever else listens at this host, as a server of another user. A page keeps the key for its origin, whose
 * part the port is, and no other page can have a browser send this header.
 */
export const PAGE_HEADER = "x-exai-page";

/** How long a code may be used: a browser has to start. */
const CODE_MS = 2 * MINUTE_MS;

/** A page that has asked for nothing for this long signs in again. */
const IDLE_MS = DAY_MS;

/** Also one that is never closed signs in again now and then. */
const LIFE_MS = 7 * DAY_MS;

const MAX_SESSIONS = 64;
const MAX_CODES = 16;

/** The token whose rotation ends sessions. */
interface CurrentToken {
  readonly current: string;
}

/** What was given out under a token, and for how long it is good. */
interface Grant {
  token: string;
  untilMs: number;
}

/**
 * The pages that are signed in, each by a random key, in memory only. A key opens what the page shows, and no MCP
 * session.
 */
export class PageSessions {
  readonly #token: CurrentToken;
  /** By key, the one that was used last at the end. */
  readonly #sessions = new Map<string, Grant & { idleAtMs: number }>();
  readonly #codes = new Map<string, Grant & { used: PromiseWithResolvers<void> }>();

  constructor(token: CurrentToken) {
    this.#token = token;
  }

  /** Whether `key` is that of a session under the current token; it has then been used. */
  accepts(key: string): boolean {
    const session = this.#sessions.get(key);
    if (!session) return false;
    this.#sessions.delete(key);
    if (!this.#isGood(session) || session.idleAtMs <= monotonicNow()) return false;
    this.#sessions.set(key, { ...session, idleAtMs: monotonicNow() + IDLE_MS });
    return true;
  }

  /** Begins a session; its key. */
  begin(): string {
    const key = generateToken();
    const session = { ...this.#grantFor(LIFE_MS), idleAtMs: monotonicNow() + IDLE_MS };
    add(this.#sessions, key, session, MAX_SESSIONS);
    return key;
  }

  /** A code that a session can be begun with once, within two minutes. */
  createCode(): string {
    const code = generateToken();
    add(this.#codes, code, { ...this.#grantFor(CODE_MS), used: Promise.withResolvers<void>() }, MAX_CODES);
    return code;
  }

  /** Uses up `code`; whether it was good. */
  redeem(code: string): boolean {
    const known = this.#codes.get(code);
    this.#codes.delete(code);
    if (!known || !this.#isGood(known)) return false;
    known.used.resolve();
    return true;
  }

  /** Waits until `code` was used, or can be no longer; whether it was. */
  async whenUsed(code: string): Promise<boolean> {
    const known = this.#codes.get(code);
    if (!known) return true;
    const leftMs = Math.max(0, known.untilMs - monotonicNow());
    return await resolvedWithin(known.used.promise.then(() => true), leftMs) ?? false;
  }

  #grantFor(ms: number): Grant {
    return { token: this.#token.current, untilMs: monotonicNow() + ms };
  }

  #isGood({ token, untilMs }: Grant): boolean {
    return secretsEqual(token, this.#token.current) && untilMs > monotonicNow();
  }
}

/** Adds an entry; the oldest makes room. */
function add<T>(map: Map<string, T>, key: string, value: T, maxSize: number): void {
  const oldest = map.size >= maxSize ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
  map.set(key, value);
}
