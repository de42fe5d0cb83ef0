import type { JsonObject } from "../../lib/base/json.ts";
import { VERSION } from "../../lib/base/version.ts";
import { verifyProof } from "../../lib/client/authenticate_daemon.ts";
import { LinkError } from "../../lib/client/link_target.ts";
import type { HelloAck } from "../../lib/wire/ops.ts";
import { makeNonce } from "../../lib/wire/proof.ts";

/** A client of the EXAI ops as docs/protocol.md describes it, on the built-in WebSocket and nothing else. */
export class OpClient implements Disposable {
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, PromiseWithResolvers<JsonObject>>();
  /** Callers waiting for the next frame that answers no call. */
  readonly #asks: PromiseWithResolvers<JsonObject>[] = [];
  #lastId = 0;
  #end: Error | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = ({ code, reason }) => this.#fail(`the connection ended (${code} ${reason})`);
  }

  /** @throws when nothing answers at `url` */
  static async connect(url: string): Promise<OpClient> {
    const socket = new WebSocket(url);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.onopen = () => resolve();
    socket.onerror = (event) => reject(new Error(`${url}: ${(event as ErrorEvent).message}`));
    await promise;
    socket.onerror = null;
    return new OpClient(socket);
  }

  /** @throws when the daemon refuses, or does not prove that it knows `token`, which is never sent */
  async hello(token?: string): Promise<HelloAck> {
    const client = { name: "exai-tools", version: VERSION };
    const ack = await this.ask({
      op: "hello",
      client,
      ...(token ? { proof: await this.#proof(token) } : {}),
    });
    if (ack.op !== "hello_ack") throw new Error(`hello was answered with ${JSON.stringify(ack)}`);
    if (ack.ok !== true) throw new Error(`hello was refused: ${ack.error}`);
    return ack as unknown as HelloAck;
  }

  async #proof(token: string): Promise<string> {
    const clientNonce = makeNonce();
    const answer = await this.ask({ op: "challenge", nonce: clientNonce });
    try {
      return await verifyProof(answer, { url: this.#socket.url, clientNonce, token });
    } catch (thrown) {
      if (!(thrown instanceof LinkError && thrown.fault === "unauthorized")) throw thrown;
      throw new Error("hello was refused: unauthorized", { cause: thrown });
    }
  }

  /** Sends `frame` and takes the next one that answers no call. */
  ask(frame: JsonObject): Promise<JsonObject> {
    return this.#send(frame, (waiting) => this.#asks.push(waiting));
  }

  /** Calls a tool and gives its `call_tool_res`. */
  call(name: string, args: JsonObject = {}): Promise<JsonObject> {
    const request_id = ++this.#lastId;
    const frame = { op: "call_tool", request_id, name, arguments: args };
    return this.#send(frame, (waiting) => this.#calls.set(request_id, waiting));
  }

  [Symbol.dispose](): void {
    this.#socket.onclose = null;
    if (this.#socket.readyState <= WebSocket.OPEN) this.#socket.close();
  }

  #send(frame: JsonObject, wait: (waiting: PromiseWithResolvers<JsonObject>) => void): Promise<JsonObject> {
    if (this.#end) return Promise.reject(this.#end);
    const waiting = Promise.withResolvers<JsonObject>();
    wait(waiting);
    this.#socket.send(JSON.stringify(frame));
    return waiting.promise;
  }

  #receive(frame: JsonObject): void {
    const id = frame.request_id as number;
    const waiting = this.#calls.get(id);
    if (waiting === undefined) return this.#asks.shift()?.resolve(frame);
    if (frame.op === "progress") return;
    this.#calls.delete(id);
    waiting.resolve(frame);
  }

  #fail(why: string): void {
    this.#end = new Error(why);
    for (const waiting of [...this.#calls.values(), ...this.#asks.splice(0)]) waiting.reject(this.#end);
    this.#calls.clear();
  }
}

/** The text of the first block of a `call_tool_res` or a tool result. */
export function firstText(blocks: unknown): string {
  const [first] = Array.isArray(blocks) ? blocks : [];
  if (typeof first?.text !== "string") throw new Error(`no text in the answer: ${JSON.stringify(blocks)}`);
  return first.text;
}
