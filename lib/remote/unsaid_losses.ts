import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { monotonicNow } from "../base/time.ts";
import type { RpcMessage } from "../wire/rpc.ts";
import { kindOf } from "./own_refusals.ts";

const FIRST_PAUSE_MS = 5 * SECOND_MS;
const MAX_PAUSE_MS = 2 * MINUTE_MS;
/** Servers that are remembered; beyond that the oldest is forgotten. */
const MAX_KEPT = 256;

interface Loss {
  /** The connection that was given up last. */
  connection: WeakKey;
  /** What was refused on it. */
  kind: string;
  /** How long no session is given up after the new one was refused like the old one. */
  pauseMs: number;
  /** Until when; 0: the new session has not been refused. */
  untilMs: number;
}

/**
 * Sessions given up for refusals that do not say why, such as HTTP 410 with an empty body. Where the next session is
 * refused as well it was not the session: the refusal is then what it is, and no other session is made for a while that
 * grows each time.
 */
export class UnsaidLosses {
  readonly #byUrl = new Map<string, Loss>();
  readonly #now: () => number;

  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /** Whether it is worth finding out if a refusal is about the session. */
  mayAsk(url: string): boolean {
    return this.#now() >= (this.#byUrl.get(url)?.untilMs ?? 0);
  }

  /** Whether `connection` is to be given up, on which all is refused without a word about the session. */
  isLoss(url: string, connection: WeakKey, kind: string): boolean {
    const known = this.#byUrl.get(url);
    if (known?.connection === connection && known.untilMs === 0) return true;
    const nowMs = this.#now();
    if (known && known.untilMs === 0) {
      known.pauseMs = Math.min(MAX_PAUSE_MS, known.pauseMs * 2 || FIRST_PAUSE_MS);
      known.untilMs = nowMs + known.pauseMs;
    }
    if (known && nowMs < known.untilMs) return false;
    this.#byUrl.delete(url);
    this.#byUrl.set(url, { connection, kind, pauseMs: known?.pauseMs ?? 0, untilMs: 0 });
    if (this.#byUrl.size > MAX_KEPT) this.#byUrl.delete(this.#byUrl.keys().next().value!);
    return true;
  }

  /** `message` was taken on `connection`: that the one before was refused came of its session. */
  taken(message: RpcMessage, url: string, connection: WeakKey): void {
    const known = this.#byUrl.size === 0 ? undefined : this.#byUrl.get(url);
    if (!known || known.connection === connection && known.untilMs === 0) return;
    const isProbed = "method" in message && message.method === PROBE_METHOD;
    if (isProbed || kindOf(url, message) === known.kind) this.#byUrl.delete(url);
  }
}

/** What a session is asked to find out whether it is lost. */
export const PROBE_METHOD = "tools/list";
