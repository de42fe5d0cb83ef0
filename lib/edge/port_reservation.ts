import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { SocketEndpoint } from "../base/ip_address.ts";
import { PlaceholderSocket } from "./placeholder_socket.ts";

const log = getLogger(["exai", "edge"]);

/** The address for `Deno.serve`. */
type ServeAddress = SocketEndpoint & { reusePort?: boolean };

/**
 * Keeps the TCP address of a server bound from the first `serve` until disposal, also while no server runs: clients would
 * take another user's program on that port for the daemon.
 */
export class PortReservation implements Disposable {
  readonly #hostname: string;
  #port: number;
  #hasServed = false;
  #placeholder: PlaceholderSocket | undefined;
  /** Where a placeholder socket is not supported: listens while no server does, and accepts nothing. */
  #idleListener: Deno.Listener | undefined;

  readonly #canReusePort: boolean;

  constructor({ hostname, port }: SocketEndpoint, options: { canReusePort?: boolean } = {}) {
    this.#hostname = hostname;
    this.#port = port;
    this.#canReusePort = options.canReusePort ?? canReusePort();
  }

  /** Whether the address stays bound while no server runs. */
  get isHeld(): boolean {
    return this.#placeholder !== undefined || this.#idleListener !== undefined;
  }

  /**
   * Starts a server at the address.
   *
   * @throws what `listen` throws; a reservation stays in place
   */
  serve<T extends Deno.HttpServer<Deno.NetAddr>>(listen: (at: ServeAddress) => T): T {
    if (!this.#hasServed && this.#canReusePort) {
      this.#placeholder = PlaceholderSocket.bind({ hostname: this.#hostname, port: this.#port });
    }
    if (!this.#placeholder) return this.#serveExclusively(listen);
    try {
      const server = listen({ hostname: this.#hostname, port: this.#placeholder.port, reusePort: true });
      this.#hasServed = true;
      return server;
    } catch (thrown) {
      if (this.#hasServed) throw thrown;
      this.#placeholder[Symbol.dispose]();
      this.#placeholder = undefined;
      return this.#serveExclusively(listen);
    }
  }

  /** Binds the address again. Must be called as soon as the server has stopped by itself. */
  hold(): void {
    if (this.isHeld || !this.#hasServed) return;
    try {
      this.#idleListener = Deno.listen({ hostname: this.#hostname, port: this.#port });
    } catch (thrown) {
      log.error("port {port} cannot be kept: {why}", { port: this.#port, why: messageOf(thrown) });
    }
  }

  [Symbol.dispose](): void {
    this.#placeholder?.[Symbol.dispose]();
    this.#closeIdleListener();
  }

  #serveExclusively<T extends Deno.HttpServer<Deno.NetAddr>>(listen: (at: ServeAddress) => T): T {
    this.#closeIdleListener();
    try {
      const server = listen({ hostname: this.#hostname, port: this.#port });
      this.#port = server.addr.port;
      this.#hasServed = true;
      return server;
    } catch (thrown) {
      this.hold();
      throw thrown;
    }
  }

  #closeIdleListener(): void {
    this.#idleListener?.close();
    this.#idleListener = undefined;
  }
}

/**
 * Whether `Deno.serve` supports `reusePort`: without --unstable-net (in deno.json, or on the command line) the option
 * ends the process. `listenDatagram` exists only with that flag.
 */
function canReusePort(): boolean {
  return "listenDatagram" in Deno;
}
