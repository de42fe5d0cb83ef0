import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { SocketEndpoint } from "../base/ip_address.ts";
import { HeldAddress } from "./placeholder_socket.ts";

const log = getLogger(["exai", "edge"]);

/** What `Deno.serve` is to listen at. */
type ServeAt = SocketEndpoint & { reusePort?: boolean };

/**
 * The TCP address of a server, kept from other programs from the first `serve` until it is disposed of, also while no
 * server runs there: another user who could bind it meanwhile would be taken for the daemon by whoever dials it.
 */
export class KeptAddress implements Disposable {
  readonly #hostname: string;
  #port: number;
  #hasServed = false;
  #held: HeldAddress | undefined;
  /** Listens while no server does, and accepts nothing, where no second socket can hold the address. */
  #substitute: Deno.Listener | undefined;

  readonly #mayShare: boolean;

  constructor({ hostname, port }: SocketEndpoint, options: { mayShare?: boolean } = {}) {
    this.#hostname = hostname;
    this.#port = port;
    this.#mayShare = options.mayShare ?? mayShare();
  }

  /** Whether no other user can listen there while no server of ours does. */
  get isKept(): boolean {
    return this.#held !== undefined || this.#substitute !== undefined;
  }

  /**
   * Starts a server at the address.
   *
   * @throws what `listen` throws; the address stays kept if it was
   */
  serve<T extends Deno.HttpServer<Deno.NetAddr>>(listen: (at: ServeAt) => T): T {
    if (!this.#hasServed && this.#mayShare) {
      this.#held = HeldAddress.take({ hostname: this.#hostname, port: this.#port });
    }
    if (!this.#held) return this.#serveAlone(listen);
    try {
      const server = listen({ hostname: this.#hostname, port: this.#held.port, reusePort: true });
      this.#hasServed = true;
      return server;
    } catch (thrown) {
      if (this.#hasServed) throw thrown;
      this.#held[Symbol.dispose]();
      this.#held = undefined;
      return this.#serveAlone(listen);
    }
  }

  /** Called at once when the server has ended by itself: the address is taken before anybody else can. */
  keep(): void {
    if (this.isKept || !this.#hasServed) return;
    try {
      this.#substitute = Deno.listen({ hostname: this.#hostname, port: this.#port });
    } catch (thrown) {
      log.error("port {port} cannot be kept: {why}", { port: this.#port, why: messageOf(thrown) });
    }
  }

  [Symbol.dispose](): void {
    this.#held?.[Symbol.dispose]();
    this.#giveUpSubstitute();
  }

  #serveAlone<T extends Deno.HttpServer<Deno.NetAddr>>(listen: (at: ServeAt) => T): T {
    this.#giveUpSubstitute();
    try {
      const server = listen({ hostname: this.#hostname, port: this.#port });
      this.#port = server.addr.port;
      this.#hasServed = true;
      return server;
    } catch (thrown) {
      this.keep();
      throw thrown;
    }
  }

  #giveUpSubstitute(): void {
    this.#substitute?.close();
    this.#substitute = undefined;
  }
}

/**
 * Whether `Deno.serve` takes `reusePort`: without --unstable-net (in deno.json, or on the command line) it ends the
 * whole process in its place. `listenDatagram` is there with that flag alone.
 */
function mayShare(): boolean {
  return "listenDatagram" in Deno;
}
