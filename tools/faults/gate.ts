/** What a connection through the gate does. */
interface Passage {
  sockets: Deno.TcpConn[];
  /** Bytes, counted both ways, that still pass before it is cut. */
  left: number;
  /** Discards all data without closing, as a half-open connection does. */
  silent: boolean;
}

/** A proxy between the shims and the daemon that breaks connections as networks do. */
export class Gate implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #targetPort: number;
  readonly #passages = new Set<Passage>();
  readonly #done: Promise<void>;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#done = this.#run();
  }

  /** Cuts every connection there is. */
  cutAll(): void {
    for (const passage of [...this.#passages]) this.#end(passage);
  }

  /** Cuts every connection after that many more bytes, also in the middle of a frame. */
  cutAfter(bytes: () => number): void {
    for (const passage of this.#passages) passage.left = bytes();
  }

  /** Stops all traffic on the open connections without closing them. New connections pass. */
  silence(): void {
    for (const passage of this.#passages) passage.silent = true;
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

  async #pass(client: Deno.TcpConn): Promise<void> {
    const passage: Passage = { sockets: [client], left: Infinity, silent: false };
    this.#passages.add(passage);
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
      passage.sockets.push(server);
      for (const socket of passage.sockets) socket.setNoDelay();
      await Promise.all([this.#pump(passage, client, server), this.#pump(passage, server, client)]);
    } catch {
      // Nothing listens: the client sees its connection end.
      this.#end(passage);
    }
  }

  async #pump(passage: Passage, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (let count; (count = await from.read(buffer)) !== null;) {
        if (passage.silent) continue;
        const taken = Math.min(count, passage.left);
        passage.left -= taken;
        for (let sent = 0; sent < taken;) sent += await to.write(buffer.subarray(sent, taken));
        if (passage.left <= 0) break;
      }
    } catch {
      // The other half has been cut.
    }
    // Of a silent connection neither side hears that the other has gone.
    if (!passage.silent) this.#end(passage);
  }

  #end(passage: Passage): void {
    if (!this.#passages.delete(passage)) return;
    for (const socket of passage.sockets) {
      try {
        socket.close();
      } catch {
        // It has closed itself.
      }
    }
  }
}
