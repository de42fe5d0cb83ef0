import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { parse, until, Violation } from "./door.ts";

/** Calls it makes beside each batch. */
const CALLS = 10;
/** What may come unasked: the lists of mounted servers change when one of them comes or goes. */
const UNASKED = /^notifications\/(tools|prompts|resources)\/list_changed$/;

/** A client of the same daemon that does nothing wrong, and to which nothing of the fuzzer may come. */
export class Bystander implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #tool: string;
  readonly #due = new Set<Json>();
  #calls = 0;
  #fault: string | undefined;
  #failures = 0;

  private constructor(socket: WebSocket, tool: string) {
    this.#socket = socket;
    this.#tool = tool;
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#fault ??= `the bystander was cut off: ${code} ${reason}`;
  }

  /** @param tool what it calls */
  static async join(
    url: string,
    tool = "version",
    client: JsonObject = { name: "bystander" },
  ): Promise<Bystander> {
    const socket = new WebSocket(url);
    const greeted = Promise.withResolvers<void>();
    socket.onopen = () => socket.send(JSON.stringify({ op: "hello", client }));
    socket.onclose = ({ code }) => greeted.reject(new Violation(`the bystander was not let in: ${code}`));
    socket.onmessage = () => greeted.resolve();
    await greeted.promise;
    return new Bystander(socket, tool);
  }

  /** Begins some calls; {@linkcode check} waits for their answers. */
  call(): void {
    for (let n = 0; n < CALLS; n++) {
      const id = `bystander ${this.#calls++}`;
      this.#due.add(id);
      this.#send(id);
    }
  }

  /** @throws {Violation} when an answer is missing or failed, or something came that is not the bystander's */
  async check(): Promise<void> {
    await until(() => this.#due.size === 0 || this.#fault !== undefined);
    if (this.#fault !== undefined) throw new Violation(this.#fault);
    if (this.#due.size > 0) throw new Violation(`${this.#due.size} calls of the bystander had no answer`);
  }

  /** One call, whatever comes of it. */
  async tryIt(): Promise<void> {
    const before = this.#failures;
    const id = `try ${this.#calls++}`;
    this.#due.add(id);
    this.#send(id);
    await until(() => this.#due.size === 0 || this.#failures > before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#socket.onclose = () => closed.resolve();
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    await closed.promise;
  }

  #send(id: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const params = { name: this.#tool, arguments: {} };
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }));
  }

  #take(data: string): void {
    const message = parse(data);
    if (!isObject(message)) this.#fault ??= `the bystander got what is no message: ${data.slice(0, 200)}`;
    else if (message.method === undefined && this.#due.delete(message.id!)) this.#judge(message);
    else if (!UNASKED.test(String(message.method))) {
      this.#fault ??= `the bystander got what is not its own: ${data.slice(0, 200)}`;
    }
  }

  #judge({ error, result }: JsonObject): void {
    if (error === undefined && !(isObject(result) && result.isError)) return;
    this.#failures++;
    if (this.#tool === "version" || this.#tool === "steady") {
      this.#fault ??= `a call of the bystander failed: ${JSON.stringify(error ?? result).slice(0, 300)}`;
    }
  }
}
