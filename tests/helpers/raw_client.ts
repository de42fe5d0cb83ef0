import type { JsonObject } from "../../lib/base/json.ts";

/** A WebSocket client that knows nothing of EXAI: it sends text and hands out frames in the order they came. */
export class RawClient implements Disposable {
  readonly socket: WebSocket;
  readonly #frames: JsonObject[] = [];
  readonly #takers: PromiseWithResolvers<JsonObject>[] = [];
  readonly #closed = Promise.withResolvers<{ code: number; reason: string }>();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      const taker = this.#takers.shift();
      if (taker) taker.resolve(frame);
      else this.#frames.push(frame);
    };
    socket.onclose = ({ code, reason }) => {
      this.#closed.resolve({ code, reason });
      for (const taker of this.#takers.splice(0)) taker.reject(new Error(`closed with ${code} ${reason}`));
    };
    socket.onerror = (event) => event.preventDefault();
  }

  /** Connects without a hello. */
  static async connect(url: string, protocols: string[] = []): Promise<RawClient> {
    const client = new RawClient(new WebSocket(url, protocols));
    await new Promise<void>((resolve, reject) => {
      client.socket.addEventListener("open", () => resolve());
      client.socket.addEventListener("close", ({ code }) => reject(new Error(`refused (${code})`)));
    });
    return client;
  }

  /** Connects and says hello; the acknowledgement is `ack`. */
  static async hello(url: string, hello: JsonObject = {}): Promise<RawClient & { ack: JsonObject }> {
    const client = await RawClient.connect(url);
    const ack = await client.ask({ op: "hello", client: "test", ...hello });
    return Object.assign(client, { ack });
  }

  /** How the connection ended, once it has. */
  get closed(): Promise<{ code: number; reason: string }> {
    return this.#closed.promise;
  }

  send(message: JsonObject | string): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The next frame not taken yet. */
  next(): Promise<JsonObject> {
    const frame = this.#frames.shift();
    if (frame) return Promise.resolve(frame);
    const taker = Promise.withResolvers<JsonObject>();
    this.#takers.push(taker);
    return taker.promise;
  }

  /** The next frame that `wanted` accepts; the others before it are dropped. */
  async nextWhere(wanted: (frame: JsonObject) => boolean): Promise<JsonObject> {
    for (;;) {
      const frame = await this.next();
      if (wanted(frame)) return frame;
    }
  }

  /** Sends `message` and takes the next frame. */
  ask(message: JsonObject | string): Promise<JsonObject> {
    this.send(message);
    return this.next();
  }

  /** Calls a tool by EXAI op and gives its reply, past any progress. */
  async call(name: string, args: JsonObject = {}, more: JsonObject = {}): Promise<JsonObject> {
    const request_id = crypto.randomUUID();
    this.send({ op: "call_tool", request_id, name, arguments: args, ...more });
    return await this.nextWhere((frame) => frame.op === "call_tool_res" && frame.request_id === request_id);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  [Symbol.dispose](): void {
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close();
  }
}

/** The text of the first content block of a `call_tool_res`. */
export function firstText(reply: JsonObject): string {
  return String((reply.outputs as JsonObject[])[0]?.text);
}
