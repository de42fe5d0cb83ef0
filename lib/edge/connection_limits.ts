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
  /** Connections served at once. */
  maxConnections: number;
  /** Connections that have not said hello yet. */
  maxPending: number;
  /** Wrong tokens from one address in a second, and hellos of one user where no token is asked; 0: any number. */
  helloRate: number;
  /** The file handles of this process: where they run short, whoever comes is turned away. */
  handles?: Pick<HandleBudget, "isTight">;
}

/** Why somebody was not let in. */
export type RefusalReason = "origin" | "user" | "token" | "connections" | "pending" | "rate" | "handles";

/** What a connection that must say hello is asked by. */
export interface HelloAdmission {
  /** Its token is right, or none is asked: whether there is room for it; it has been closed if not. */
  tryAdmit(): boolean;
  /** Its hello was good. */
  admitted(): void;
  /** Its token was wrong: whether to tell it so; it has been closed if not. */
  mayReportRejection(): boolean;
}

/** Who stands at the door. */
export interface ConnectionAttempt {
  /** For whom its tries are counted. */
  from: string;
  /** Whether a token is asked of it. */
  asksToken: boolean;
}

const BURST_SECONDS = 5;
const MAX_ADDRESSES = 4096;

/** Counts who comes and who waits, and turns away what is too much. Those who are in are never asked again. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #tries: RateLimiter;
  readonly #inside = new Set<WebSocketChannel>();
  readonly #waiting = new PendingConnections<WebSocketChannel>();
  /** How often somebody was turned away since the start, by reason. */
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
    this.#tries = new RateLimiter({
      perSecond: options.helloRate,
      burstSeconds: BURST_SECONDS,
      maxKeys: MAX_ADDRESSES,
    });
  }

  /** Connections open, those that have not said hello among them. */
  get connections(): number {
    return this.#inside.size + this.#waiting.size;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  *channels(): IterableIterator<WebSocketChannel> {
    yield* this.#inside;
    yield* this.#waiting;
  }

  /** Counts `reason`. */
  count(reason: RefusalReason): void {
    this.refusals[reason]++;
  }

  /** Begins to count anew. */
  forgetRefusals(): void {
    for (const reason of Object.keys(this.refusals) as RefusalReason[]) this.refusals[reason] = 0;
  }

  /**
   * Counts a wrong token. A right one is never asked how many wrong ones came before it, from the same address or not:
   * otherwise strangers could keep out who knows it.
   *
   * @returns why it is refused: `OVER_CAPACITY` from an address that has shown too many
   */
  wrongToken(from: string): ExaiError {
    if (this.#tries.take(from)) {
      this.count("token");
      return new ExaiError("UNAUTHORIZED", "a token is needed: Authorization: Bearer <EXAI_WS_TOKEN>");
    }
    this.count("rate");
    return new ExaiError("OVER_CAPACITY", "too many wrong tokens from this address", {
      retryAfterMs: SECOND_MS,
    });
  }

  /** Takes a connection that has shown its token; false when there is no room, and it has been closed. */
  admit(channel: WebSocketChannel): boolean {
    if (this.#options.handles?.isTight) {
      this.#turnAway(channel, "handles", "no file handles to spare");
      return false;
    }
    if (this.#inside.size >= this.#options.maxConnections) {
      this.#turnAway(channel, "connections", "too many connections");
      return false;
    }
    this.#inside.add(channel);
    return true;
  }

  /**
   * Takes a connection that will say hello. At the limit one goes that has waited long: who means to come in says hello
   * at once, so that somebody who only waits cannot keep others out.
   */
  receive(channel: WebSocketChannel, newcomer: ConnectionAttempt): HelloAdmission | undefined {
    if (this.#options.handles?.isTight) this.#closeOneWaiting("handles", "no file handles to spare");
    if (this.#inside.size >= this.#options.maxConnections) {
      this.#turnAway(channel, "connections", "too many connections");
      return undefined;
    }
    this.#waiting.add(channel, newcomer.from);
    if (this.#waiting.size > this.#options.maxPending) {
      this.#closeOneWaiting("pending", "no hello yet, and too many others wait");
    }
    return {
      tryAdmit: () => this.#mayEnter(channel, newcomer),
      admitted: () => {
        if (this.#waiting.delete(channel)) this.#inside.add(channel);
      },
      mayReportRejection: () => {
        const { code, message } = this.wrongToken(newcomer.from);
        if (code === "OVER_CAPACITY") channel.close(CLOSE.overCapacity, message);
        return code !== "OVER_CAPACITY";
      },
    };
  }

  left(channel: WebSocketChannel): void {
    this.#inside.delete(channel);
    this.#waiting.delete(channel);
  }

  #closeOneWaiting(reason: RefusalReason, why: string): void {
    const channel = this.#waiting.removeOne();
    if (channel) this.#turnAway(channel, reason, why);
  }

  #mayEnter(channel: WebSocketChannel, { from, asksToken }: ConnectionAttempt): boolean {
    if (this.#options.handles?.isTight) {
      this.#turnAway(channel, "handles", "no file handles to spare; try again in a moment");
      return false;
    }
    if (!asksToken && !this.#tries.take(from)) {
      this.#turnAway(channel, "rate", "too many hellos of this user; try again in a second");
      return false;
    }
    if (this.#inside.size < this.#options.maxConnections) return true;
    this.#turnAway(channel, "connections", "too many connections");
    return false;
  }

  #turnAway(channel: WebSocketChannel, reason: RefusalReason, why: string): void {
    this.count(reason);
    log.debug("a connection is turned away: {why}", { why });
    channel.close(CLOSE.overCapacity, why);
  }
}

/**
 * Whom tries are counted for: an address; of IPv6 the network, since one machine has as many addresses as it likes;
 * everybody on the socket together, who are this user's own programs.
 */
export function originOf(address: Deno.Addr): string {
  if (address.transport !== "tcp" && address.transport !== "udp") return "socket";
  const { hostname } = address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname);
  if (mapped) return mapped[1]!;
  if (!hostname.includes(":")) return hostname;
  return hostname === "::1" ? hostname : networkOf(hostname);
}

/** The first 64 bits of an IPv6 address. */
function networkOf(address: string): string {
  const [head = "", tail = ""] = address.split("%")[0]!.split("::");
  const front = head.split(":").filter((part) => part !== "");
  const back = tail.split(":").filter((part) => part !== "");
  const gap = address.includes("::") ? Math.max(0, 8 - front.length - back.length) : 0;
  const groups = [...front, ...new Array<string>(gap).fill("0"), ...back];
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}
