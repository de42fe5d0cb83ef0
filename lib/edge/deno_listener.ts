import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { exhaustedResource } from "../base/exhaustion.ts";
import { SECOND_MS } from "../base/units.ts";
import { SOCKET_DOOR } from "../wire/proof.ts";
import type { HttpRequestHandler, TlsOptions } from "./request_context.ts";
import type { HandleBudget } from "./handle_budget.ts";
import { PortReservation } from "./port_reservation.ts";
import { bindPrivately } from "./socket_file.ts";

const log = getLogger(["exai", "edge"]);

/** Where to listen. */
type ListenAt =
  /** Port 0 takes a free one from the system. */
  | { hostname: string; port: number; tls?: Pick<TlsOptions, "cert" | "key"> }
  /** A Unix socket; the path is free (see `SocketFile`). */
  | { path: string };

type ListenOptions = ListenAt & {
  handler: HttpRequestHandler;
  /** What to do when the system has no handle for another connection. */
  handles?: HandleBudget;
  /** Called when it is no longer served, and when it is again. */
  onchange?(): void;
};

/** How long after a failure to listen again it is tried once more, in milliseconds; longer each time. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = SECOND_MS;
/** For how long it is told that the place was not served. */
const TOLD_MS = 60 * SECOND_MS;

/**
 * A server that comes back: a handler that throws after it has upgraded a connection stops the whole `Deno.serve`, and
 * so does a connection the system has no handle for. Its end is watched, and it is started again at the same place,
 * which no other program gets meanwhile.
 */
export class DenoListener implements AsyncDisposable {
  readonly #options: ListenOptions;
  /** Where it is no Unix socket; another user cannot make one in our directory. */
  readonly #reservation: PortReservation | undefined;
  #server: Deno.HttpServer<Deno.Addr>;
  #stopping = false;
  #outage: { sinceMs: number; untilMs: number } | undefined;
  /** Closes every connection of the server that runs, whatever it is for. */
  #dropAll = new AbortController();
  readonly #restarted = Promise.withResolvers<void>();

  /** @throws {ExaiError} `CONFIG` when the address cannot be listened on */
  constructor(options: ListenOptions) {
    this.#options = options;
    this.#reservation = "path" in options ? undefined : new PortReservation(options);
    try {
      this.#server = this.#listen();
    } catch (thrown) {
      this.#reservation?.[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Where it listens: of a TCP server, the port it has got. */
  get address(): Deno.Addr {
    return this.#server.addr;
  }

  /** Resolves once the server has had to be started again. */
  get restarted(): Promise<void> {
    return this.#restarted.promise;
  }

  /** In a sentence, that it is not served now, or was not a moment ago; undefined when nothing is the matter. */
  get fault(): string | undefined {
    if (!this.#outage) return undefined;
    const { sinceMs, untilMs } = this.#outage;
    const nowMs = performance.now();
    if (nowMs - untilMs > TOLD_MS) return undefined;
    const seconds = (Math.min(untilMs, nowMs) - sinceMs) / SECOND_MS;
    if (untilMs <= nowMs) {
      return `${this.#description} was not served for ${seconds.toFixed(1)} s, and is served again`;
    }
    const isKept = this.#reservation?.isHeld ?? true;
    return `${this.#description} is not served for the moment (for ${
      seconds.toFixed(1)
    } s now); it is tried again by ` +
      `itself, and meanwhile other programs ${isKept ? "cannot" : "may"} listen there`;
  }

  /** Stops accepting connections; those that are open stay. Resolves when the last one is closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#reservation?.[Symbol.dispose]();
    await this.#server.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #listen(): Deno.HttpServer<Deno.Addr> {
    const at: ListenAt = this.#options;
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
        endpoint: door,
      });
    try {
      const server: Deno.HttpServer<Deno.Addr> = "path" in at
        ? bindPrivately(at.path, () => Deno.serve({ path: at.path, ...common }, handler))
        : this.#reservation!.serve((place) => Deno.serve({ ...place, ...at.tls, ...common }, handler));
      if (!("path" in at)) door = endpointOf(server.addr as Deno.NetAddr, at.tls !== undefined);
      const dropAll = this.#dropAll;
      const again = (thrown?: unknown) => void this.#restart({ thrown, dropAll });
      server.finished.then(() => again(), again);
      return server;
    } catch (thrown) {
      if ("path" in at) throw cannotListen(at.path, thrown);
      if (thrown instanceof Deno.errors.AddrInUse) throw new AddressInUseError(at.hostname, at.port);
      throw cannotListen(`${at.hostname}:${at.port}`, thrown);
    }
  }

  /** The connections of the server that has stopped go on, unless they hold the handles that are wanted. */
  async #restart(end: { thrown?: unknown; dropAll: AbortController }): Promise<void> {
    if (this.#stopping) return;
    log.error("{place} is not served any more: the server stopped by itself and is started again", {
      place: this.#description,
    });
    const { handles } = this.#options;
    const free = handles && exhaustedResource(end.thrown)
      ? handles.waitUntilFree(() => end.dropAll.abort())
      : Promise.resolve();
    // The handles kept back are free by now, and one of them may be wanted for this.
    this.#reservation?.hold();
    this.#outage = { sinceMs: performance.now(), untilMs: Infinity };
    this.#options.onchange?.();
    await free;
    for (let retryMs = FIRST_RETRY_MS; !this.#stopping; retryMs = Math.min(2 * retryMs, MAX_RETRY_MS)) {
      try {
        this.#server = this.#listen();
        this.#outage.untilMs = performance.now();
        this.#options.onchange?.();
        log.info("{place} is served again", { place: this.#description });
        return this.#restarted.resolve();
      } catch (thrown) {
        log.error("{why}; trying again", { why: messageOf(thrown) });
        await delay(retryMs);
      }
    }
  }

  get #description(): string {
    if ("path" in this.#options) return `the socket ${this.#options.path}`;
    return `the address ${endpointOf(this.address as Deno.NetAddr, this.#options.tls !== undefined)}`;
  }
}

/** The door a TCP server is, by the address and the port it has got. */
export function endpointOf({ hostname, port }: { hostname: string; port: number }, tls: boolean): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${tls ? "wss" : "ws"}://${host}:${port}`;
}

function cannotListen(place: string, thrown: unknown): ExaiError {
  return new ExaiError("CONFIG", `cannot listen on ${place}: ${messageOf(thrown)}`, { cause: thrown });
}

/** The address is taken, by another daemon or by a stranger. */
export class AddressInUseError extends ExaiError {
  constructor(hostname: string, port: number) {
    super("CONFIG", `${hostname}:${port} is already in use; stop what listens there or set EXAI_WS_PORT`);
  }
}

function answerFault(thrown: unknown): Response {
  log.error("a request could not be handled: {thrown}", { thrown });
  return new Response("internal error\n", { status: 500 });
}
