import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Link } from "../client/link.ts";
import { isNoDaemon, LinkError } from "../client/link_target.ts";
import type { SocketEnd } from "../transport/websocket_client.ts";
import { Backoff } from "../base/backoff.ts";

const log = getLogger(["exai", "shim"]);

/** The user of the connections a {@linkcode Dialer} makes. */
export interface DialerHooks {
  /** The hello of the next connection, without token or proof. */
  hello(): JsonObject;
  /** Whether requests wait for the daemon, so that it may be started. */
  isDaemonNeeded(): boolean;
  /** Resolves when there is room for what a daemon would send. */
  waitForCapacity(): Promise<void>;
  onConnect(link: Link): void;
  onDisconnect(end: SocketEnd): void;
  onLinkError(error: LinkError): void;
}

/** How to get a link. */
export interface Dialing {
  /** @throws {LinkError} */
  connect(hello: JsonObject): Promise<Link>;
  /** Starts the daemon and connects; undefined when it must not be started. */
  start?(connect: () => Promise<Link>, why: LinkError): Promise<Link>;
}

/** Attempts begin at least this far apart, however many requests ask for one. */
const MIN_GAP_MS = 250;
/** As above while our token is not accepted: a daemon may count attempts as guessing. */
const UNAUTHORIZED_GAP_MS = 1000;
/** A connection that ends sooner does not reset the backoff. */
const SHORT_LIFE_MS = 1000;

/** Keeps a link to the daemon: connects, reconnects when it is cut, and backs off between attempts. */
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

  /** Runs until the program ends. */
  async run(): Promise<never> {
    while (true) {
      await this.#hooks.waitForCapacity();
      const begunAt = performance.now();
      const link = await this.#attempt();
      if (link instanceof LinkError) {
        this.#hooks.onLinkError(link);
        await this.#pause(isUnauthorized(link) ? UNAUTHORIZED_GAP_MS : MIN_GAP_MS);
        continue;
      }
      this.#use(link);
      const end = await link.socket.closed;
      log.info("the connection to the daemon has ended: {code} {reason}", { ...end });
      this.#hooks.onDisconnect(end);
      if (performance.now() - begunAt < SHORT_LIFE_MS) await this.#pause(0);
      else this.#backoff.reset();
    }
  }

  /** Makes the next attempt as soon as the minimum gap allows: a request waits for the daemon. */
  connectSoon(): void {
    const leftMs = this.#notBefore - performance.now();
    if (leftMs <= 0) this.#wake?.();
    else if (this.#wake) setTimeout(this.#wake, leftMs);
  }

  // What one daemon makes fail must not keep the window from the next.
  #use(link: Link): void {
    try {
      this.#hooks.onConnect(link);
    } catch (thrown) {
      log.error("the connection cannot be used: {thrown}", { thrown });
      link.socket.drop(messageOf(thrown));
    }
  }

  async #attempt(): Promise<Link | LinkError> {
    const connect = () => this.#dialing.connect(this.#hooks.hello());
    let why: LinkError;
    try {
      return await connect();
    } catch (thrown) {
      const error = asLinkError(thrown);
      const mayStart = isNoDaemon(error) && this.#dialing.start && this.#hooks.isDaemonNeeded();
      if (!mayStart) return error;
      why = error;
    }
    try {
      return await this.#dialing.start!(connect, why);
    } catch (thrown) {
      return asLinkError(thrown);
    }
  }

  async #pause(minMs: number): Promise<void> {
    const backoffMs = Math.max(minMs, this.#backoff.next());
    this.#notBefore = performance.now() + minMs;
    const neededMs = Math.max(minMs, MIN_GAP_MS);
    await this.#sleep(this.#hooks.isDaemonNeeded() ? Math.min(backoffMs, neededMs) : backoffMs);
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
