/** Forwards connections to a port or Unix socket of this machine and cuts them where the test says. */
export class CuttingProxy implements AsyncDisposable {
  /** Where it listens, when its target is a port. */
  readonly port: number;
  /** Where it listens, when its target is a socket. */
  readonly path: string;
  /** Connections cut so far. */
  cuts = 0;
  readonly #listener: Deno.Listener;
  /** The port or socket connections are passed on to from now on. */
  target: number | string;
  readonly #nextCut: () => number;
  readonly #open = new Set<Deno.Conn>();
  readonly #done: Promise<void>;

  /** `nextCut` gives the bytes, counted both ways, after which the next connection is cut; Infinity: never. */
  constructor(target: number | string, nextCut: () => number) {
    this.target = target;
    this.#nextCut = nextCut;
    this.path = typeof target === "string" ? `${target}.proxy` : "";
    this.#listener = this.path
      ? Deno.listen({ transport: "unix", path: this.path })
      : Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.path ? 0 : (this.#listener.addr as Deno.NetAddr).port;
    this.#done = this.#run();
  }

  /** Cuts every connection there is. */
  cutAll(): void {
    for (const socket of [...this.#open]) this.#close(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cutAll();
    await this.#done;
  }

  async #run(): Promise<void> {
    const passing: Promise<void>[] = [];
    try {
      for await (const client of this.#listener) passing.push(this.#pass(client));
    } catch {
      // Closed.
    }
    await Promise.all(passing);
  }

  async #pass(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    const server = await connectTo(this.target).catch(() => undefined);
    // As if nothing listened here either.
    if (!server) return this.#close(client);
    for (const end of [server, client]) if ("setNoDelay" in end) (end as Deno.TcpConn).setNoDelay();
    this.#open.add(server);
    const budget = { left: this.#nextCut() };
    const end = () => {
      this.#close(client);
      this.#close(server);
    };
    await Promise.all(
      [this.#pump(client, server, budget), this.#pump(server, client, budget)].map((pump) =>
        pump.finally(end)
      ),
    );
  }

  async #pump(from: Deno.Conn, to: Deno.Conn, budget: { left: number }): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        const taken = Math.min(count, budget.left);
        budget.left -= taken;
        for (let sent = 0; sent < taken;) sent += await to.write(buffer.subarray(sent, taken));
        if (budget.left > 0) continue;
        this.cuts++;
        return;
      }
    } catch {
      // The other half has been cut.
    }
  }

  #close(socket: Deno.Conn): void {
    if (!this.#open.delete(socket)) return;
    socket.close();
  }
}

function connectTo(target: number | string): Promise<Deno.Conn> {
  return typeof target === "string"
    ? Deno.connect({ transport: "unix", path: target })
    : Deno.connect({ hostname: "127.0.0.1", port: target });
}
