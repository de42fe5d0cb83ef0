import { gzipSync } from "node:zlib";
import type { JsonObject } from "../../lib/base/json.ts";

/** What a call of the tool `ping` is answered with. */
export type Flood =
  | "gzip body"
  | "gzip error 500"
  | "gzip error 401"
  | "endless body"
  | "one endless event"
  | "an endless comment"
  | "endless comments"
  | "an endless field"
  | "endless data lines"
  | "gzip event"
  | "endless small events";

/** A body that never ends: `head`, then `part` for as long as it is read. */
function endless(part: string, head = ""): ReadableStream<Uint8Array> {
  const chunk = new TextEncoder().encode(part.repeat(Math.ceil(65_536 / part.length)));
  let first = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // The test must have its turn too.
      await new Promise((resolve) => setTimeout(resolve, 0));
      controller.enqueue(first ? new TextEncoder().encode(head) : chunk);
      first = false;
    },
  }, { highWaterMark: 0 });
}

/** 256 MiB in 256 kB. */
const bomb = (() => {
  let made: Uint8Array<ArrayBuffer> | undefined;
  return () => made ??= new Uint8Array(gzipSync(new Uint8Array(256 * 1024 * 1024).fill(48), { level: 1 }));
})();

const JSON_TYPE = { "content-type": "application/json" };
const EVENTS = { "content-type": "text/event-stream" };
const GZIP = { "content-encoding": "gzip" };

const FLOODS: Record<Flood, () => Response> = {
  "gzip body": () => new Response(bomb(), { headers: { ...JSON_TYPE, ...GZIP } }),
  "gzip error 500": () => new Response(bomb(), { status: 500, headers: { ...JSON_TYPE, ...GZIP } }),
  "gzip error 401": () => new Response(bomb(), { status: 401, headers: { ...JSON_TYPE, ...GZIP } }),
  "endless body": () => new Response(endless(" "), { headers: JSON_TYPE }),
  "one endless event": () => new Response(endless("0", "data: "), { headers: EVENTS }),
  "an endless comment": () => new Response(endless("0", ": "), { headers: EVENTS }),
  "endless comments": () => new Response(endless(": x\n"), { headers: EVENTS }),
  "an endless field": () => new Response(endless("x"), { headers: EVENTS }),
  "endless data lines": () => new Response(endless("data: 0\r"), { headers: EVENTS }),
  "gzip event": () => new Response(bomb(), { headers: { ...EVENTS, ...GZIP } }),
  "endless small events": () => new Response(endless(smallEvents()), { headers: EVENTS }),
};

function smallEvents(): string {
  const params = { level: "info", logger: "flood", data: "x".repeat(200) };
  const message = { jsonrpc: "2.0", method: "notifications/message", params };
  return `data: ${JSON.stringify(message)}\n\n`;
}

const RESULTS: Record<string, JsonObject> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {}, resources: { subscribe: true } },
    serverInfo: { name: "flood", version: "1" },
  },
  "tools/list": { tools: [{ name: "ping", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "pong" }] },
};

/** An MCP server behind a URL that behaves until the test has it flood the callers of its tool. */
export class FloodingServer implements AsyncDisposable {
  /** What calls are answered with; a result when undefined. */
  flood: Flood | undefined;
  /** How much text a result holds. */
  resultChars = 4;
  #held: Promise<void> = Promise.resolve();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {}, onError: () => new Response() };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  /** Lets no call be answered until what is returned is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return resolve;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    // The stream of a legacy server, and one of Streamable HTTP that belongs to no request.
    if (request.method === "GET" && pathname === "/sse") return FLOODS["one endless event"]();
    if (request.method === "GET" && pathname === "/mcp-get") return FLOODS["one endless event"]();
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method } = await request.json() as JsonObject;
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "tools/call") await this.#held;
    if (method === "tools/call" && this.flood) return FLOODS[this.flood]();
    if (method === "tools/call" && this.resultChars > 4) {
      const result = { content: [{ type: "text", text: "x".repeat(this.resultChars) }] };
      return Response.json({ jsonrpc: "2.0", id, result });
    }
    return Response.json({ jsonrpc: "2.0", id, result: RESULTS[String(method)] ?? {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
