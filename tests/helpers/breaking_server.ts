import type { JsonObject } from "../../lib/base/json.ts";

interface BreakingServerOptions {
  /** The answer to a request; undefined: the connection is dropped once the request was read. */
  answer(body: string): JsonObject | undefined;
}

/** An HTTP server that keeps its connections open, and drops some once it has read a request on them. */
export class BreakingServer implements AsyncDisposable {
  /** The bodies of the requests, in the order they came. */
  readonly bodies: string[] = [];
  connections = 0;
  readonly #answer: BreakingServerOptions["answer"];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #done: Promise<unknown>;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>[] = [];

  constructor({ answer }: BreakingServerOptions) {
    this.#answer = answer;
    this.#done = this.#run();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
    for (const connection of this.#open) this.#close(connection);
    await Promise.all(this.#serving);
  }

  async #run(): Promise<void> {
    try {
      for await (const connection of this.#listener) this.#serving.push(this.#serve(connection));
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.BadResource)) throw thrown;
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    this.connections++;
    this.#open.add(connection);
    try {
      while (await this.#answerOne(connection));
    } catch {
      // The client has closed it, or the test has ended.
    }
    this.#close(connection);
  }

  #close(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }

  /** Whether the connection goes on. */
  async #answerOne(connection: Deno.TcpConn): Promise<boolean> {
    const body = await readRequest(connection);
    if (body === undefined) return false;
    this.bodies.push(body);
    const answer = this.#answer(body);
    if (!answer) return false;
    const text = JSON.stringify(answer);
    const headers = `content-type: application/json\r\ncontent-length: ${text.length}`;
    const bytes = new TextEncoder().encode(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\n${text}`);
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    return true;
  }
}

/** The body of the next request; undefined: the client has closed the connection. */
async function readRequest(connection: Deno.TcpConn): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(16_384);
  for (let text = "";;) {
    const count = await connection.read(chunk);
    if (count === null) return undefined;
    text += decoder.decode(chunk.subarray(0, count), { stream: true });
    const [head = "", body] = text.split("\r\n\r\n");
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (body !== undefined && body.length >= length) return body;
  }
}
