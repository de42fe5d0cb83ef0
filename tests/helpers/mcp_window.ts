import type { JsonObject } from "../../lib/base/json.ts";

/** A window that speaks MCP as it is on the wire, and keeps what it hears that is no answer. */
export class McpWindow implements AsyncDisposable {
  /** Notifications and questions, in the order they came. */
  readonly heard: JsonObject[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Map<unknown, (answer: JsonObject) => void>();
  readonly #closed = Promise.withResolvers<void>();
  #next = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => this.#closed.resolve();
    socket.onerror = (event) => event.preventDefault();
  }

  /** Connects to `url` and initializes; questions are answered as a client that offers `capabilities` does. */
  static async open(url: string, capabilities: JsonObject = {}): Promise<McpWindow> {
    const socket = new WebSocket(url, ["mcp"]);
    const window = new McpWindow(socket);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    const clientInfo = { name: "window", version: "1" };
    await window.request("initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo });
    window.send("notifications/initialized");
    return window;
  }

  send(method: string, params?: JsonObject): void {
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** The whole answer to a request. */
  request(method: string, params: JsonObject = {}, id: string | number = this.#next++): Promise<JsonObject> {
    const { promise, resolve } = Promise.withResolvers<JsonObject>();
    this.#waiting.set(id, resolve);
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return promise;
  }

  /** The whole answer to a call of the tool `name`. */
  call(name: string, id?: string): Promise<JsonObject> {
    return this.request("tools/call", { name, arguments: {} }, id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close(1000);
    await this.#closed.promise;
  }

  #take(message: JsonObject): void {
    if (message.method === undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
      return;
    }
    this.heard.push(message);
    if (message.id === undefined) return;
    const result = message.method === "elicitation/create"
      ? { action: "accept", content: {} }
      : { model: "m", role: "assistant", content: { type: "text", text: "hi" } };
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  }
}
