import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { exhaustedResource } from "../base/exhaustion.ts";
import { SECOND_MS } from "../base/units.ts";
import { SOCKET_ENDPOINT } from "../wire/proof.ts";
import type { HttpRequestHandler, TlsOptions } from "./request_context.ts";
import type { HandleBudget } from "./handle_budget.ts";
import { PortReservation } from "./port_reservation.ts";
import { bindPrivately } from "./socket_file.ts";

const log = getLogger(["exai", "edge"]);

/** Where to listen. */
type ListenAt =
  /** With port 0 the system assigns a free one. */
  | { hostname: string; port: number; tls?: Pick<TlsOptions, "cert" | "key"> }
  /** A Unix socket; nothing exists at the path (see `SocketFile`). */
  | { path: string };

type ListenOptions = ListenAt & {
  handler: HttpRequestHandler;
  /** Asked for handles when the system has none left for a connection. */
  handles?: HandleBudget;
  /** Called when the server has stopped by itself, and when it runs again. */
  onChange?(): void;
};

/** Backoff between attempts to listen again, in milliseconds. */
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = SECOND_MS;
/** How long an outage stays a fault in the health report. */
const REPORT_MS = 60 * SECOND_MS;

/**
 * An HTTP server on `Deno.serve` that restarts: a handler that throws after an upgrade stops the whole server, and so
 * does a connection the system has no file handle for. The address stays reserved meanwhile.
 */
export class DenoListener implements AsyncDisposable {
  readonly #options: ListenOptions;
  /** Undefined for a Unix socket: other users cannot create one in its directory. */
  readonly #reservation: PortReservation | undefined;
  #server: Deno.HttpServer<Deno.Addr>;
  #isStopping = false;
  #outage: { sinceMs: number; untilMs: number } | undefined;
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

  /** The address it listens on, with the assigned port. */
  get address(): Deno.Addr {
    return this.#server.addr;
  }

  /** Resolves when the server has been restarted for the first time. */
  get restarted(): Promise<void> {
    return this.#restarted.promise;
  }

  /** The current or recent outage, in a sentence; undefined when there was none in the last minute. */
  get fault(): string | undefined {
    if (!this.#outage) return undefined;
    const { sinceMs, untilMs } = this.#outage;
    const nowMs = performance.now();
    if (nowMs - untilMs > REPORT_MS) return undefined;
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

  /** Stops accepting connections; open ones continue. Resolves when the last one is closed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#reservation?.[Symbol.dispose]();
    await this.#server.shutdown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #listen(): Deno.HttpServer<Deno.Addr> {
    const at = this.#options;
    // Closes all connections of this server when aborted.
    const connections = new AbortController();
    const common = { onListen: () => {}, onError: internalError, signal: connections.signal };
    // The port is known once the server listens.
    let endpoint = SOCKET_ENDPOINT;
    const handler: Deno.ServeHandler<Deno.Addr> = (request, info) =>
      this.#options.handler(request, {
        get completed() {
          return info.completed;
        },
        get remoteAddr() {
          return info.remoteAddr;
        },
        localAddr: this.address,
        endpoint,
      });
    try {
      const server: Deno.HttpServer<Deno.Addr> = "path" in at
        ? bindPrivately(at.path, () => Deno.serve({ path: at.path, ...common }, handler))
        : this.#reservation!.serve((address) => Deno.serve({ ...address, ...at.tls, ...common }, handler));
      if (!("path" in at)) endpoint = endpointOf(tcpAddress(server.addr), at.tls !== undefined);
      // On a Unix socket there are none but those of the daemon's own user.
      const crowd = "path" in at ? undefined : at.handles?.onCrowded(() => connections.abort());
      const restart = (thrown?: unknown) => {
        crowd?.[Symbol.dispose]();
        void this.#restart({ thrown, connections });
      };
      server.finished.then(() => restart(), restart);
      return server;
    } catch (thrown) {
      if ("path" in at) throw cannotListen(at.path, thrown);
      if (thrown instanceof Deno.errors.AddrInUse) throw new AddressUnavailableError(at, "in use");
      if (thrown instanceof Deno.errors.PermissionDenied) throw new AddressUnavailableError(at, "denied");
      throw cannotListen(`${at.hostname}:${at.port}`, thrown);
    }
  }

  /** Connections of the stopped server continue, unless they must be closed to free file handles. */
  async #restart(end: { thrown?: unknown; connections: AbortController }): Promise<void> {
    if (this.#isStopping) return;
    const why = end.connections.signal.aborted
      ? "was stopped to close its connections"
      : "stopped unexpectedly";
    log.error("the server of {place} {why} and is restarted", { place: this.#description, why });
    const { handles } = this.#options;
    const free = handles && exhaustedResource(end.thrown)
      ? handles.waitUntilFree(() => end.connections.abort())
      : Promise.resolve();
    // After the reserved handles are released: binding the address may need one.
    this.#reservation?.hold();
    this.#outage = { sinceMs: performance.now(), untilMs: Infinity };
    this.#options.onChange?.();
    await free;
    for (let retryMs = FIRST_RETRY_MS; !this.#isStopping; retryMs = Math.min(2 * retryMs, MAX_RETRY_MS)) {
      try {
        this.#server = this.#listen();
        this.#outage.untilMs = performance.now();
        this.#options.onChange?.();
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
    return `the address ${endpointOf(tcpAddress(this.address), this.#options.tls !== undefined)}`;
  }
}

/** @throws {TypeError} for an address of another kind, which a TCP server does not have */
export function tcpAddress(address: Deno.Addr): Deno.NetAddr {
  if (address.transport === "tcp") return address;
  throw new TypeError(`not a TCP address: ${address.transport}`);
}

/** The endpoint URL of a TCP server. */
export function endpointOf({ hostname, port }: { hostname: string; port: number }, tls: boolean): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${tls ? "wss" : "ws"}://${host}:${port}`;
}

function cannotListen(place: string, thrown: unknown): ExaiError {
  return new ExaiError("CONFIG", `cannot listen on ${place}: ${messageOf(thrown)}`, { cause: thrown });
}

/** Why an address cannot be listened on: another program has it, or the system does not give it. */
type AddressFault = "in use" | "denied";

/** An address that cannot be listened on though the settings are right: another port may be. */
export class AddressUnavailableError extends ExaiError {
  readonly fault: AddressFault;

  /** @param holder the program that has the address, as ` (python3, process 42)` */
  constructor({ hostname, port }: { hostname: string; port: number }, fault: AddressFault, holder = "") {
    const what = fault === "in use"
      ? `is already in use${
        holder && ` by another program${holder}`
      }; stop what listens there or set EXAI_WS_PORT`
      : "is not given to this user by the system: the port is reserved, or below 1024; set EXAI_WS_PORT to another " +
        "(on Windows `netsh int ipv4 show excludedportrange tcp` lists those that are)";
    super("CONFIG", `${hostname}:${port} ${what}`);
    this.fault = fault;
  }
}

function internalError(thrown: unknown): Response {
  log.error("a request could not be handled: {thrown}", { thrown });
  return new Response("internal error\n", { status: 500 });
}
