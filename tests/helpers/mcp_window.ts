import type { JsonObject } from "../../lib/base/json.ts";

/** The roots of a window, which may take their time. */
type Roots = () => readonly string[] | Promise<readonly string[]>;

/** A window that speaks MCP as it is on the wire, and keeps what it hears that is no answer. */
export class McpWindow implements AsyncDisposable {
  /** Notifications and questions, in the order they came. */
  readonly heard: JsonObject[] = [];
  readonly #socket: WebSocket;
  readonly #roots: Roots;
  readonly #waiting = new Map<unknown, (answer: JsonObject) => void>();
  readonly #closed = Promise.withResolvers<void>();
  #next = 1;

  private constructor(socket: WebSocket, roots: Roots) {
    this.#socket = socket;
    this.#roots = roots;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => this.#closed.resolve();
    socket.onerror = (event) => event.preventDefault();
  }

  /** Connects to `url` and initializes; questions are answered as a client that offers `capabilities` does. */
  static async open(
    url: string,
    capabilities: JsonObject = {},
    options: { roots?: string[] | Roots } = {},
  ): Promise<McpWindow> {
    const socket = new WebSocket(url, ["mcp"]);
    const { roots = [] } = options;
    const window = new McpWindow(socket, typeof roots === "function" ? roots : () => roots);
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
    if (message.method !== "roots/list") this.heard.push(message);
    if (message.id === undefined) return;
    void this.#answer(message);
  }

  async #answer({ id, method }: JsonObject): Promise<void> {
    const result = ANSWERS[String(method)] ?? { roots: (await this.#roots()).map((uri) => ({ uri })) };
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, result }));
  }
}

/** What the person and the model behind the window say. */
const ANSWERS: Readonly<Record<string, JsonObject>> = {
  "elicitation/create": { action: "accept", content: {} },
  "sampling/createMessage": { model: "m", role: "assistant", content: { type: "text", text: "hi" } },
};
