import type { JsonObject } from "../../lib/base/json.ts";
import type { RpcMessage, RpcRequest } from "../../lib/wire/rpc.ts";
import { until } from "./until.ts";

const encoder = new TextEncoder();

/** A stream of Server-Sent Events that a test writes on. */
export class EventStream {
  readonly response: Response;
  /** Whether the client has ended it. */
  isLeft = false;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;

  constructor() {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
        controller.enqueue(encoder.encode(": hello\n\n"));
      },
      cancel: () => {
        this.isLeft = true;
        this.#controller = undefined;
      },
    });
    this.response = new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  send(message: object): void {
    this.sendEvent("message", JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  sendEvent(event: string, data: string): void {
    this.#controller?.enqueue(encoder.encode(`event: ${event}\ndata: ${data}\n\n`));
  }

  close(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }
}

export interface ScriptedUrlServerOptions {
  capabilities?: JsonObject;
  /** A session is begun. */
  onInitialize?(): void;
  /** Whether `initialize` too is answered by `post`. */
  isLegacy?: boolean;
  tools?: readonly JsonObject[];
  /** Answers a message other than `initialize`; undefined: as any server would. */
  post?(message: RpcRequest): Response | Promise<Response> | undefined;
  /** Answers the GET of a listening client; left out: a stream of events. */
  get?(n: number): Response | Promise<Response>;
}

/** A Streamable HTTP server that answers as a test says, and keeps what it is sent. */
export class ScriptedUrlServer implements AsyncDisposable {
  readonly received: RpcMessage[] = [];
  /** Streams of its own, in the order they were opened. */
  readonly streams: EventStream[] = [];
  /** Messages whose HTTP request the client has ended before it was answered. */
  readonly dropped: RpcMessage[] = [];
  gets = 0;
  /** In place of the option `post`, from now on. */
  onPost: ScriptedUrlServerOptions["post"];
  readonly #options: ScriptedUrlServerOptions;
  readonly #ending = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(options: ScriptedUrlServerOptions = {}) {
    this.#options = options;
    this.onPost = options.post?.bind(options);
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", signal: this.#ending.signal, onListen: () => {} },
      (request) => this.#serve(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/mcp`;
  }

  /** How often `method` was asked. */
  count(method: string): number {
    return this.received.filter((message) => "method" in message && message.method === method).length;
  }

  /** The client's answer to a question of this server. */
  answerTo(id: string): Promise<JsonObject> {
    return until(
      `the answer to ${id}`,
      () =>
        this.received.find((message) => !("method" in message) && message.id === id) as
          | JsonObject
          | undefined,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#server.finished;
  }

  async #serve(request: Request): Promise<Response> {
    if (request.method === "GET") return await this.#listen();
    if (request.method !== "POST") return new Response(null, { status: 200 });
    const message = await request.json() as RpcRequest;
    this.received.push(message);
    const isLegacy = this.#options.isLegacy === true;
    if (message.method === "initialize" && !isLegacy) return this.#initialize(message);
    const scripted = this.onPost?.(message);
    if (!(scripted instanceof Promise)) return scripted ?? this.#ordinary(message);
    let isAnswered = false;
    request.signal.addEventListener("abort", () => void (isAnswered || this.dropped.push(message)));
    return await scripted.finally(() => isAnswered = true);
  }

  async #listen(): Promise<Response> {
    this.gets++;
    const scripted = this.#options.get?.(this.gets);
    if (scripted) return await scripted;
    const stream = new EventStream();
    this.streams.push(stream);
    return stream.response;
  }

  #initialize({ id }: RpcRequest): Response {
    this.#options.onInitialize?.();
    const result = this.resultOf("initialize");
    const headers = { "mcp-session-id": crypto.randomUUID() };
    return Response.json({ jsonrpc: "2.0", id, result }, { headers });
  }

  #ordinary({ id, method }: RpcRequest): Response {
    if (id === undefined || method === undefined) return new Response(null, { status: 202 });
    return Response.json({ jsonrpc: "2.0", id, result: this.resultOf(method) });
  }

  /** What any server would answer. */
  resultOf(method: string): JsonObject {
    const { capabilities = { tools: { listChanged: true }, logging: {} } } = this.#options;
    const serverInfo = { name: "scripted", version: "1" };
    if (method === "initialize") return { protocolVersion: "2025-11-25", capabilities, serverInfo };
    if (method === "tools/call") return { content: [{ type: "text", text: "ok" }] };
    const { tools = [{ name: "work", inputSchema: { type: "object" } }] } = this.#options;
    return method === "tools/list" ? { tools: [...tools] } : {};
  }
}
