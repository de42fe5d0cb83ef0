import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { WebSocketChannel } from "../transport/websocket_server.ts";
import { CLOSE } from "../wire/codes.ts";
import type { HandleBudget } from "./handles.ts";
import { RateLimiter } from "./rate_limiter.ts";

const log = getLogger(["exai", "edge"]);

export interface DeskOptions {
  /** Connections served at once. */
  maxConnections: number;
  /** Connections that have not said hello yet. */
  maxPending: number;
  /** Hellos, and requests with a wrong token, from one address in a second; 0: any number. */
  helloRate: number;
  /** The file handles of this process: where they run short, whoever comes is turned away. */
  handles?: Pick<HandleBudget, "isTight">;
}

/** Why somebody was not let in. */
export type RefusalReason = "origin" | "token" | "connections" | "pending" | "rate" | "handles";

/** What a connection that must say hello is asked by. */
export interface Gate {
  /** Whether its hello may be looked at; it has been closed if not. */
  mayTry(): boolean;
  /** Its hello was good. */
  entered(): void;
  /** Its token was wrong. */
  refused(): void;
}

const BURST_SECONDS = 5;
const MAX_ADDRESSES = 4096;

/** Counts who comes and who waits, and turns away what is too much. Those who are in are never asked again. */
export class AdmissionDesk {
  readonly #options: DeskOptions;
  readonly #tries: RateLimiter;
  readonly #inside = new Set<WebSocketChannel>();
  /** The one that has waited longest first. */
  readonly #pending = new Set<WebSocketChannel>();
  /** How often somebody was turned away since the start, by reason. */
  readonly refusals: Record<RefusalReason, number> = {
    origin: 0,
    token: 0,
    connections: 0,
    pending: 0,
    rate: 0,
    handles: 0,
  };

  constructor(options: DeskOptions) {
    this.#options = options;
    this.#tries = new RateLimiter({
      perSecond: options.helloRate,
      burstSeconds: BURST_SECONDS,
      maxKeys: MAX_ADDRESSES,
    });
  }

  /** Connections open, those that have not said hello among them. */
  get connections(): number {
    return this.#inside.size + this.#pending.size;
  }

  get pending(): number {
    return this.#pending.size;
  }

  *channels(): IterableIterator<WebSocketChannel> {
    yield* this.#inside;
    yield* this.#pending;
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
   * Refuses a request whose token is about to be checked, from an address that has shown too many wrong ones: what is
   * not checked cannot be guessed.
   *
   * @throws {ExaiError} `OVER_CAPACITY`
   */
  checkRate(from: string): void {
    if (this.#tries.has(from)) return;
    this.count("rate");
    throw new ExaiError("OVER_CAPACITY", "too many wrong tokens from this address", {
      retryAfterMs: SECOND_MS,
    });
  }

  /** A token shown by `from` was wrong. */
  wrongToken(from: string): void {
    this.count("token");
    this.#tries.take(from);
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
   * Takes a connection that will say hello. At the limit the one that has waited longest goes: who means to come in
   * says hello at once, so that somebody who only waits cannot keep others out.
   */
  receive(channel: WebSocketChannel, from: string): Gate | undefined {
    if (this.#options.handles?.isTight) this.#closeLongestPending("handles", "no file handles to spare");
    if (this.#inside.size >= this.#options.maxConnections) {
      this.#turnAway(channel, "connections", "too many connections");
      return undefined;
    }
    this.#pending.add(channel);
    if (this.#pending.size > this.#options.maxPending) {
      this.#closeLongestPending("pending", "no hello yet, and too many others wait");
    }
    return {
      mayTry: () => this.#mayTry(channel, from),
      entered: () => {
        if (this.#pending.delete(channel)) this.#inside.add(channel);
      },
      refused: () => this.count("token"),
    };
  }

  left(channel: WebSocketChannel): void {
    this.#inside.delete(channel);
    this.#pending.delete(channel);
  }

  #closeLongestPending(reason: RefusalReason, why: string): void {
    const [oldest] = this.#pending;
    if (oldest === undefined) return;
    this.#pending.delete(oldest);
    this.#turnAway(oldest, reason, why);
  }

  #mayTry(channel: WebSocketChannel, from: string): boolean {
    if (this.#options.handles?.isTight) {
      this.#turnAway(channel, "handles", "no file handles to spare; try again in a moment");
      return false;
    }
    if (!this.#tries.take(from)) {
      this.#turnAway(channel, "rate", "too many hellos from this address; try again in a second");
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
