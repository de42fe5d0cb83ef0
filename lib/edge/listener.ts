import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { machineWant } from "../base/machine_want.ts";
import { SECOND_MS } from "../base/units.ts";
import { SOCKET_DOOR } from "../wire/proof.ts";
import type { Handler, TlsOptions } from "./arrival.ts";
import type { HandleBudget } from "./handles.ts";
import { bindPrivately } from "./socket_file.ts";

const log = getLogger(["exai", "edge"]);

/** Where to listen. */
export type ListenAt =
  /** Port 0 takes a free one from the system. */
  | { hostname: string; port: number; tls?: Pick<TlsOptions, "cert" | "key"> }
  /** A Unix socket; the path is free (see `SocketFile`). */
  | { path: string };

export type ListenOptions = ListenAt & {
  handler: Handler;
  /** What to do when the system has no handle for another connection. */
  handles?: HandleBudget;
};

/** How long after a failure to listen again it is tried once more, in milliseconds; longer each time. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = SECOND_MS;

/**
 * A server that comes back: a handler that throws after it has upgraded a connection stops the whole `Deno.serve`, and
 * so does a connection the system has no handle for. Its end is watched, and it is started again at the same place.
 */
export class Listener implements AsyncDisposable {
  readonly #options: ListenOptions;
  #server: Deno.HttpServer<Deno.Addr>;
  #stopping = false;
  /** Closes every connection of the server that runs, whatever it is for. */
  #dropAll = new AbortController();
  readonly #restarted = Promise.withResolvers<void>();

  /** @throws {ExaiError} `CONFIG` when the address cannot be listened on */
  constructor(options: ListenOptions) {
    this.#options = options;
    this.#server = this.#listen(options);
  }

  /** Where it listens: of a TCP server, the port it has got. */
  get address(): Deno.Addr {
    return this.#server.addr;
  }

  /** Resolves once the server has had to be started again. */
  get restarted(): Promise<void> {
    return this.#restarted.promise;
  }

  /** Stops accepting connections; those that are open stay. Resolves when the last one is closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#server.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #listen(at: ListenAt): Deno.HttpServer<Deno.Addr> {
    const { signal } = this.#dropAll = new AbortController();
    const common = { onListen: () => {}, onError: answerFault, signal };
    // Which port it is is known when the server listens.
    let door = SOCKET_DOOR;
    const handler: Deno.ServeHandler<Deno.Addr> = (request, info) =>
      this.#options.handler(request, {
        get completed() {
          return info.completed;
        },
        get remoteAddr() {
          return info.remoteAddr;
        },
        localAddr: this.address,
        door,
      });
    try {
      const server: Deno.HttpServer<Deno.Addr> = "path" in at
        ? bindPrivately(at.path, () => Deno.serve({ path: at.path, ...common }, handler))
        : Deno.serve({ hostname: at.hostname, port: at.port, ...at.tls, ...common }, handler);
      if (!("path" in at)) door = doorOf(server.addr as Deno.NetAddr, at.tls !== undefined);
      const dropAll = this.#dropAll;
      const again = (thrown?: unknown) =>
        void this.#comeBack("path" in at ? at : { ...at, port: portOf(server) }, { thrown, dropAll });
      server.finished.then(() => again(), again);
      return server;
    } catch (thrown) {
      if ("path" in at) throw cannotListen(at.path, thrown);
      if (thrown instanceof Deno.errors.AddrInUse) throw new AddressInUse(at.hostname, at.port);
      throw cannotListen(`${at.hostname}:${at.port}`, thrown);
    }
  }

  /** The connections of the server that has stopped go on, unless they hold the handles that are wanted. */
  async #comeBack(at: ListenAt, end: { thrown?: unknown; dropAll: AbortController }): Promise<void> {
    if (this.#stopping) return;
    const { handles } = this.#options;
    if (handles && machineWant(end.thrown)) await handles.gone(() => end.dropAll.abort());
    log.error("the server at {place} stopped by itself and is started again", {
      place: "path" in at ? at.path : `port ${at.port}`,
    });
    for (let retryMs = FIRST_RETRY_MS; !this.#stopping; retryMs = Math.min(2 * retryMs, MAX_RETRY_MS)) {
      try {
        this.#server = this.#listen(at);
        return this.#restarted.resolve();
      } catch (thrown) {
        log.error("{why}; trying again", { why: messageOf(thrown) });
        await delay(retryMs);
      }
    }
  }
}

/** The door a TCP server is, by the address and the port it has got. */
export function doorOf({ hostname, port }: { hostname: string; port: number }, tls: boolean): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${tls ? "wss" : "ws"}://${host}:${port}`;
}

function portOf(server: Deno.HttpServer<Deno.Addr>): number {
  return (server.addr as Deno.NetAddr).port;
}

function cannotListen(place: string, thrown: unknown): ExaiError {
  return new ExaiError("CONFIG", `cannot listen on ${place}: ${messageOf(thrown)}`, { cause: thrown });
}

/** The address is taken, by another daemon or by a stranger. */
export class AddressInUse extends ExaiError {
  constructor(hostname: string, port: number) {
    super("CONFIG", `${hostname}:${port} is already in use; stop what listens there or set EXAI_WS_PORT`);
  }
}

function answerFault(thrown: unknown): Response {
  log.error("a request could not be handled: {thrown}", { thrown });
  return new Response("internal error\n", { status: 500 });
}
