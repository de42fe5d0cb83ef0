import type { JsonObject } from "../../lib/base/json.ts";

/** An MCP server behind a URL with one tool, `ping`, whose calls are answered with HTTP as `script` says. */
export class UrlServer implements AsyncDisposable {
  /** Calls of the tool that have arrived. */
  calls = 0;
  /** What the next calls are answered with in place of a result; a result when it is empty. */
  readonly script: { status: number; headers?: Record<string, string> }[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/mcp`;
  }

  async #answer(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method } = await request.json() as JsonObject;
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "tools/call") {
      this.calls++;
      const next = this.script.shift();
      if (next) return new Response("the backend is away", next);
    }
    return Response.json({ jsonrpc: "2.0", id, result: RESULTS[String(method)] ?? {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const RESULTS: Record<string, JsonObject> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "url", version: "1" },
  },
  "tools/list": { tools: [{ name: "ping", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "pong" }] },
};
