import type { JsonObject } from "../../lib/base/json.ts";

/** What the server refuses a message with. */
export interface Refusal {
  status: number;
  body?: string | ((message: JsonObject) => string);
  type?: string;
}

export interface HealingServerOptions {
  /** HTTP with SSE as it was before revision 2025-03-26, in place of Streamable HTTP. */
  legacy?: boolean;
  /** Whether it gives session ids. */
  sessions?: boolean;
  /** What it answers in place of its own; undefined: its own. */
  answer?(message: JsonObject): Response | undefined;
}

const encoder = new TextEncoder();
type Stream = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/**
 * A server behind a URL that loses sessions, cuts streams, goes away and comes back on the same port, as a test says.
 * `write` may not run twice, `read` says that it may; both give back how often anything ran.
 */
export class HealingServer implements AsyncDisposable {
  /** Every tool call that ran, by name. */
  readonly runs: string[] = [];
  /** Every request that arrived, as `METHOD` or `POST method`. */
  readonly seen: string[] = [];
  readonly tools = ["write", "read", "hold", "slow"];
  /** What messages of a session it does not know are refused with. */
  refusal: Refusal = { status: 404, body: "Session not found" };
  /** What GET is answered with in place of a stream. */
  getStatus: number | undefined;
  /** Resolved to let calls of `hold` end. */
  release = Promise.withResolvers<void>();
  readonly #options: HealingServerOptions;
  readonly #sessions = new Map<string, { stream?: Stream; isInitialized: boolean }>();
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #port = 0;
  #ending = new AbortController();

  constructor(options: HealingServerOptions = {}) {
    this.#options = options;
    this.start();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/mcp`;
  }

  /** How often `what` has arrived. */
  count(what: string): number {
    return this.seen.filter((one) => one === what).length;
  }

  /** Streams of its own that are open. */
  get streams(): number {
    return [...this.#sessions.values()].filter(({ stream }) => stream).length;
  }

  /** Begins to listen, on the port of before, knowing nothing. */
  start(): void {
    this.#ending = new AbortController();
    this.#server = Deno.serve(
      { port: this.#port, hostname: "127.0.0.1", signal: this.#ending.signal, onListen: () => {} },
      (request) => this.#serve(request),
    );
    this.#port = this.#server.addr.port;
  }

  /** Goes away as a process does that is killed. */
  async stop({ keepSessions = false } = {}): Promise<void> {
    this.cutStreams();
    if (!keepSessions) this.#sessions.clear();
    this.#ending.abort();
    await this.#server?.finished;
  }

  forgetSessions(): void {
    this.#sessions.clear();
  }

  /** Ends every stream of its own. */
  cutStreams(): void {
    for (const session of this.#sessions.values()) {
      try {
        session.stream?.close();
      } catch {
        // It is cut already.
      }
      session.stream = undefined;
    }
  }

  /** Says something on its own streams. */
  notify(method: string): void {
    for (const { stream } of this.#sessions.values()) stream?.enqueue(event({ jsonrpc: "2.0", method }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release.resolve();
    await this.stop();
  }

  async #serve(request: Request): Promise<Response> {
    const id = this.#options.legacy
      ? new URL(request.url).searchParams.get("sessionId")
      : request.headers.get("mcp-session-id") ?? (this.#options.sessions === false ? "the one" : null);
    if (request.method !== "POST") this.seen.push(request.method);
    if (request.method === "GET") return this.#open(request, id);
    if (request.method !== "POST") {
      if (id !== null) this.#sessions.delete(id);
      return new Response(null, { status: 200 });
    }
    const message = await request.json() as JsonObject;
    this.seen.push(`POST ${message.method}`);
    return this.#options.legacy ? this.#legacyPost(message, id) : await this.#post(message, id);
  }

  #open(request: Request, id: string | null): Response {
    if (this.getStatus !== undefined) return new Response(null, { status: this.getStatus });
    const isLegacy = this.#options.legacy;
    const key = isLegacy ? crypto.randomUUID() : id ?? "";
    if (isLegacy) this.#sessions.set(key, { isInitialized: false });
    const session = this.#sessions.get(key);
    if (!session) return refused(this.refusal, {});
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (stream) => {
        session.stream = stream;
        if (isLegacy) {
          stream.enqueue(
            encoder.encode(`event: endpoint\ndata: ${new URL(request.url).pathname}?sessionId=${key}\n\n`),
          );
        } else stream.enqueue(encoder.encode(": hello\n\n"));
      },
      cancel: () => void (session.stream = undefined),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  #legacyPost(message: JsonObject, id: string | null): Response {
    const session = this.#sessions.get(id ?? "");
    if (!session) return refused(this.refusal, message);
    if (message.method === "initialize") session.isInitialized = true;
    void this.#answer(message, session.isInitialized).then((answer) => {
      if (answer) session.stream?.enqueue(event(answer));
    }).catch(() => {});
    return new Response("Accepted", { status: 202 });
  }

  async #post(message: JsonObject, id: string | null): Promise<Response> {
    const headers = new Headers();
    const scripted = this.#options.answer?.(message);
    if (message.method === "initialize") {
      const key = this.#options.sessions === false ? "the one" : crypto.randomUUID();
      if (!scripted) this.#sessions.set(key, { isInitialized: true });
      if (this.#options.sessions !== false) headers.set("mcp-session-id", key);
    } else if (!this.#sessions.has(id ?? "")) return refused(this.refusal, message);
    if (scripted) return scripted;
    if (message.id === undefined) return new Response(null, { status: 202 });
    if ((message.params as JsonObject | undefined)?.name === "slow") {
      // Its answer never comes: the stream it was to come on is cut.
      this.runs.push("slow");
      return new Response("event: message\n", { headers: { "content-type": "text/event-stream" } });
    }
    return Response.json(await this.#answer(message, true), { headers });
  }

  async #answer({ id, method, params }: JsonObject, isInitialized: boolean): Promise<JsonObject | undefined> {
    if (id === undefined) return undefined;
    if (!isInitialized) {
      return { jsonrpc: "2.0", id, error: { code: -32602, message: "Invalid request parameters" } };
    }
    if (method !== "tools/call") return { jsonrpc: "2.0", id, result: this.#result(method as string) };
    const { name } = params as { name: string };
    this.runs.push(name);
    if (name === "hold") await this.release.promise;
    return { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: String(this.runs.length) }] } };
  }

  #result(method: string): JsonObject {
    switch (method) {
      case "initialize":
        return {
          protocolVersion: "2025-03-26",
          capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
          serverInfo: { name: "healing", version: "1" },
        };
      case "tools/list":
        return {
          tools: this.tools.map((name) => ({
            name,
            inputSchema: { type: "object" },
            ...(name === "read" ? { annotations: { readOnlyHint: true } } : {}),
          })),
        };
      case "resources/list":
        return { resources: [{ uri: "test://one", name: "one" }] };
      case "resources/templates/list":
        return { resourceTemplates: [] };
      default:
        return {};
    }
  }
}

function event(message: JsonObject): Uint8Array<ArrayBuffer> {
  return encoder.encode(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}

function refused({ status, body, type }: Refusal, message: JsonObject): Response {
  const headers: HeadersInit = type === undefined ? {} : { "content-type": type };
  return new Response((typeof body === "function" ? body(message) : body) ?? null, { status, headers });
}
