import type { HelloAdmission } from "../transport/channel.ts";
import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { WebSocketChannel } from "../transport/websocket_server.ts";
import { CLOSE } from "../wire/codes.ts";
import type { HandleBudget } from "./handle_budget.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { PendingConnections } from "./pending_connections.ts";

const log = getLogger(["exai", "edge"]);

export interface ConnectionLimitsOptions {
  /** Maximum number of established connections. */
  maxConnections: number;
  /** Maximum number of connections that have not sent a hello yet. */
  maxPending: number;
  /** Wrong tokens per second and address, and hellos per second and user where no token is required; 0: unlimited. */
  helloRate: number;
  /** The file handles of this process; new connections are refused while they are low. */
  handles?: Pick<HandleBudget, "isLow" | "refused">;
}

/** Why a connection or request was refused. */
export type RefusalReason = "origin" | "user" | "token" | "connections" | "pending" | "rate" | "handles";

/** A connection attempt that must be confirmed by a hello. */
export interface ConnectionAttempt {
  /** The key its attempts are counted under. */
  rateLimitKey: string;
  /** Whether its hello must carry a token. */
  requiresToken: boolean;
}

const BURST_SECONDS = 5;
const MAX_ADDRESSES = 4096;

/** Limits new connections and counts those it refuses. Established connections are not checked again. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #attempts: RateLimiter;
  readonly #established = new Set<WebSocketChannel>();
  readonly #pending = new PendingConnections<WebSocketChannel>();
  /** Refusals since the start, by reason. */
  readonly refusals: Record<RefusalReason, number> = {
    origin: 0,
    user: 0,
    token: 0,
    connections: 0,
    pending: 0,
    rate: 0,
    handles: 0,
  };

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
    this.#attempts = new RateLimiter({
      perSecond: options.helloRate,
      burstSeconds: BURST_SECONDS,
      maxKeys: MAX_ADDRESSES,
    });
  }

  /** The number of open connections, pending ones included. */
  get connections(): number {
    return this.#established.size + this.#pending.size;
  }

  get pending(): number {
    return this.#pending.size;
  }

  *channels(): IterableIterator<WebSocketChannel> {
    yield* this.#established;
    yield* this.#pending;
  }

  countRefusal(reason: RefusalReason): void {
    this.refusals[reason]++;
  }

  /** Sets all counters of {@linkcode refusals} to zero. */
  resetRefusals(): void {
    for (const reason of Object.keys(this.refusals) as RefusalReason[]) this.refusals[reason] = 0;
  }

  /**
   * Counts a wrong token. Only wrong tokens are limited: if they counted against valid ones from the same address, a
   * client without the token could lock out the user.
   *
   * @param why for the one who has sent it
   * @returns the error to answer with: `UNAUTHORIZED`, or `OVER_CAPACITY` above the rate limit
   */
  rejectToken(
    rateLimitKey: string,
    why = "a token is needed: Authorization: Bearer <EXAI_WS_TOKEN>",
  ): ExaiError {
    if (this.#attempts.take(rateLimitKey)) {
      this.countRefusal("token");
      return new ExaiError("UNAUTHORIZED", why);
    }
    this.countRefusal("rate");
    return new ExaiError("OVER_CAPACITY", "too many wrong tokens from this address", {
      retryAfterMs: SECOND_MS,
    });
  }

  /** Adds an authenticated connection; false: a limit is reached and the connection was closed. */
  add(channel: WebSocketChannel): boolean {
    if (this.#options.handles?.isLow) {
      this.#reject(channel, "handles", "no file handles to spare");
      return false;
    }
    if (this.#established.size >= this.#options.maxConnections) {
      this.#reject(channel, "connections", "too many connections");
      return false;
    }
    this.#established.add(channel);
    return true;
  }

  /**
   * Adds a connection that must send a hello. Above the limit an old pending connection is closed: clients send their
   * hello at once, so idle connections cannot block new ones.
   *
   * @returns undefined when the connection was closed
   */
  addPending(channel: WebSocketChannel, attempt: ConnectionAttempt): HelloAdmission | undefined {
    if (this.#options.handles?.isLow) this.#evictPending("handles", "no file handles to spare");
    if (this.#established.size >= this.#options.maxConnections) {
      this.#reject(channel, "connections", "too many connections");
      return undefined;
    }
    this.#pending.add(channel, attempt.rateLimitKey);
    if (this.#pending.size > this.#options.maxPending) {
      this.#evictPending("pending", "no hello yet, and too many others wait");
    }
    return {
      tryAdmit: () => this.#tryAdmit(channel, attempt),
      admitted: () => {
        if (this.#pending.delete(channel)) this.#established.add(channel);
      },
      mayReportRejection: () => {
        const { code, message } = this.rejectToken(attempt.rateLimitKey);
        if (code === "OVER_CAPACITY") channel.close(CLOSE.overCapacity, message);
        return code !== "OVER_CAPACITY";
      },
    };
  }

  /** Removes a connection that was closed. */
  remove(channel: WebSocketChannel): void {
    this.#established.delete(channel);
    this.#pending.delete(channel);
  }

  #evictPending(reason: RefusalReason, why: string): void {
    const channel = this.#pending.evictOldest();
    if (channel) this.#reject(channel, reason, why);
  }

  #tryAdmit(channel: WebSocketChannel, { rateLimitKey, requiresToken }: ConnectionAttempt): boolean {
    if (this.#options.handles?.isLow) {
      this.#reject(channel, "handles", "no file handles to spare; try again in a moment");
      return false;
    }
    if (!requiresToken && !this.#attempts.take(rateLimitKey)) {
      this.#reject(channel, "rate", "too many hellos of this user; try again in a second");
      return false;
    }
    if (this.#established.size < this.#options.maxConnections) return true;
    this.#reject(channel, "connections", "too many connections");
    return false;
  }

  #reject(channel: WebSocketChannel, reason: RefusalReason, why: string): void {
    this.countRefusal(reason);
    if (reason === "handles") this.#options.handles?.refused();
    log.debug("a connection is refused: {why}", { why });
    channel.close(CLOSE.overCapacity, why);
  }
}
