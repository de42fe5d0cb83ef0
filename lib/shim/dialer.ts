import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { Backoff } from "./backoff.ts";
import { type Link, LinkError } from "../client/link.ts";

const log = getLogger(["exai", "shim"]);

/** What the dialer needs to know and whom it tells. */
export interface DialerHooks {
  /** What to say in the hello of the next connection. */
  hello(): JsonObject;
  /** Whether somebody waits for the daemon, so that it may be started. */
  isDaemonNeeded(): boolean;
  /** Resolves when there is room for what a daemon would send. */
  waitForCapacity(): Promise<void>;
  onConnect(link: Link): void;
  onDisconnect(end: SocketEnd): void;
  onLinkError(fault: LinkError): void;
}

/** The ways to a link. */
export interface Dialing {
  /** @throws {LinkError} */
  connect(hello: JsonObject): Promise<Link>;
  /** Starts the daemon and connects; undefined when that is not to be done. */
  start?(connect: () => Promise<Link>): Promise<Link>;
}

/** A try begins at most this often, however many requests ask for one. */
const MIN_GAP_MS = 250;
/** As above, while our token is not accepted: a daemon may count what looks like guessing. */
const UNAUTHORIZED_GAP_MS = 1000;
const SHORT_LIFE_MS = 1000;

/** Keeps a link to the daemon: connects, connects again when it is cut, and waits between the tries. */
export class Dialer {
  readonly #dialing: Dialing;
  readonly #hooks: DialerHooks;
  readonly #backoff = new Backoff({ minMs: 50, maxMs: 5000 });
  #wake: (() => void) | undefined;
  #notBefore = 0;

  constructor(dialing: Dialing, hooks: DialerHooks) {
    this.#dialing = dialing;
    this.#hooks = hooks;
  }

  /** Runs for as long as the program does. */
  async run(): Promise<never> {
    while (true) {
      await this.#hooks.waitForCapacity();
      const begunAt = performance.now();
      const link = await this.#tryOnce();
      if (link instanceof LinkError) {
        this.#hooks.onLinkError(link);
        await this.#pause(isUnauthorized(link) ? UNAUTHORIZED_GAP_MS : MIN_GAP_MS);
        continue;
      }
      this.#hooks.onConnect(link);
      const end = await link.socket.closed;
      log.info("the connection to the daemon has ended: {code} {reason}", { ...end });
      this.#hooks.onDisconnect(end);
      // A daemon that takes us and drops us at once must not be called in a tight loop.
      if (performance.now() - begunAt < SHORT_LIFE_MS) await this.#pause(0);
      else this.#backoff.reset();
    }
  }

  /** Somebody waits for the daemon: the next try comes soon. */
  connectSoon(): void {
    const leftMs = this.#notBefore - performance.now();
    if (leftMs <= 0) this.#wake?.();
    else if (this.#wake) setTimeout(this.#wake, leftMs);
  }

  async #tryOnce(): Promise<Link | LinkError> {
    const connect = () => this.#dialing.connect(this.#hooks.hello());
    try {
      return await connect();
    } catch (thrown) {
      const fault = asLinkError(thrown);
      const mayStart = fault.fault === "refused" && this.#dialing.start && this.#hooks.isDaemonNeeded();
      if (!mayStart) return fault;
    }
    try {
      return await this.#dialing.start!(connect);
    } catch (thrown) {
      return asLinkError(thrown);
    }
  }

  async #pause(minMs: number): Promise<void> {
    const waitMs = Math.max(minMs, this.#backoff.next());
    this.#notBefore = performance.now() + minMs;
    const wantedMs = Math.max(minMs, MIN_GAP_MS);
    await this.#sleep(this.#hooks.isDaemonNeeded() ? Math.min(waitMs, wantedMs) : waitMs);
  }

  async #sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

function isUnauthorized({ fault }: LinkError): boolean {
  return fault === "unauthorized" || fault === "unproven";
}

function asLinkError(thrown: unknown): LinkError {
  return thrown instanceof LinkError ? thrown : new LinkError("unreachable", messageOf(thrown));
}
