import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { RpcMessage } from "../wire/rpc.ts";
import { messageKind } from "./message_refusals.ts";

/** What a session is asked to find out whether it is lost. */
export const PROBE_METHOD = "tools/list";

const FIRST_PAUSE_MS = 5 * SECOND_MS;
const MAX_PAUSE_MS = 2 * MINUTE_MS;
/** Servers that are remembered; beyond that the oldest is forgotten. */
const MAX_SERVERS = 256;

interface Loss {
  /** The connection that was given up last. */
  connection: WeakKey;
  /** Kind of the message that was refused on it. */
  kind: string;
  /** How long no session is given up after the new one was refused like the old one. */
  pauseMs: number;
  /** The end of that pause; 0 while the new session has not been refused. */
  untilMs: number;
}

/**
 * Sessions that were given up after refusals that give no reason, such as HTTP 410 with an empty body. If the next
 * session is refused as well, it was not the session: the refusal is passed on, and no other session is made for a
 * pause that doubles each time.
 */
export class UnexplainedLosses {
  readonly #byUrl = new Map<string, Loss>();
  readonly #now: () => number;

  constructor(now: () => number = monotonicNow) {
    this.#now = now;
  }

  /** Whether it is time to probe if a refusal is about the session. */
  mayProbe(url: string): boolean {
    return this.#now() >= (this.#byUrl.get(url)?.untilMs ?? 0);
  }

  /** Whether to give up `connection`, on which everything is refused without a reason. */
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
    if (this.#byUrl.size > MAX_SERVERS) this.#byUrl.delete(this.#byUrl.keys().next().value!);
    return true;
  }

  /** Notes that `message` was accepted on `connection`: the connection before was refused because of its session. */
  accepted(message: RpcMessage, url: string, connection: WeakKey): void {
    const known = this.#byUrl.size === 0 ? undefined : this.#byUrl.get(url);
    if (!known || known.connection === connection && known.untilMs === 0) return;
    const isProbe = "method" in message && message.method === PROBE_METHOD;
    if (isProbe || messageKind(url, message) === known.kind) this.#byUrl.delete(url);
  }
}
