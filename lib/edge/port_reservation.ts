import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { SocketEndpoint } from "../base/ip_address.ts";
import { PlaceholderSocket } from "./placeholder_socket.ts";

const log = getLogger(["exai", "edge"]);

/** What `Deno.serve` is to listen at. */
type ServeAddress = SocketEndpoint & { reusePort?: boolean };

/**
 * The TCP address of a server, kept from other programs from the first `serve` until it is disposed of, also while no
 * server runs there: another user who could bind it meanwhile would be taken for the daemon by whoever dials it.
 */
export class PortReservation implements Disposable {
  readonly #hostname: string;
  #port: number;
  #hasServed = false;
  #placeholder: PlaceholderSocket | undefined;
  /** Listens while no server does, and accepts nothing, where no second socket can hold the address. */
  #idleListener: Deno.Listener | undefined;

  readonly #mayShare: boolean;

  constructor({ hostname, port }: SocketEndpoint, options: { mayShare?: boolean } = {}) {
    this.#hostname = hostname;
    this.#port = port;
    this.#mayShare = options.mayShare ?? mayShare();
  }

  /** Whether no other user can listen there while no server of ours does. */
  get isHeld(): boolean {
    return this.#placeholder !== undefined || this.#idleListener !== undefined;
  }

  /**
   * Starts a server at the address.
   *
   * @throws what `listen` throws; the address stays kept if it was
   */
  serve<T extends Deno.HttpServer<Deno.NetAddr>>(listen: (at: ServeAddress) => T): T {
    if (!this.#hasServed && this.#mayShare) {
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

  /** Called at once when the server has ended by itself: the address is taken before anybody else can. */
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
 * Whether `Deno.serve` takes `reusePort`: without --unstable-net (in deno.json, or on the command line) it ends the
 * whole process in its place. `listenDatagram` is there with that flag alone.
 */
function mayShare(): boolean {
  return "listenDatagram" in Deno;
}
