import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";

const log = getLogger(["exai", "edge"]);

export interface ListenOptions {
  hostname: string;
  /** 0 takes a free port from the system. */
  port: number;
  handler: (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>;
}

/**
 * A server that comes back: a handler that throws after it has upgraded a connection stops the whole `Deno.serve`, so
 * its end is watched and it is started again on the same port.
 */
export class Listener implements AsyncDisposable {
  readonly #options: ListenOptions;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #stopping = false;
  readonly #restarted = Promise.withResolvers<void>();

  /** @throws {ExaiError} `CONFIG` when the address cannot be listened on */
  constructor(options: ListenOptions) {
    this.#options = options;
    this.#server = this.#listen(options.port);
  }

  get address(): Deno.NetAddr {
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

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, handler } = this.#options;
    try {
      const server = Deno.serve({ hostname, port, onListen: () => {}, onError: answerFault }, handler);
      server.finished.then(() => this.#comeBack(server.addr.port), () => this.#comeBack(server.addr.port));
      return server;
    } catch (thrown) {
      if (thrown instanceof Deno.errors.AddrInUse) throw new AddressInUse(hostname, port);
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new ExaiError("CONFIG", `cannot listen on ${hostname}:${port}: ${why}`, { cause: thrown });
    }
  }

  #comeBack(port: number): void {
    if (this.#stopping) return;
    log.error("the server on port {port} stopped by itself and is started again", { port });
    this.#server = this.#listen(port);
    this.#restarted.resolve();
  }
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
