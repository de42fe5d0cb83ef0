// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { type ClientCapabilities, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";

/** The SDK's own client over Streamable HTTP; answers what it is asked with its name. */
export async function httpClient(url: string | URL, options: { name?: string; headers?: HeadersInit } = {}) {
  const { name = "http", headers } = options;
  const capabilities: ClientCapabilities = { elicitation: {} };
  const client = new Client({ name, version: "1" }, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name } }));
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  return Object.assign(client, {
    sessionId: transport.sessionId!,
    endSession: () => transport.terminateSession(),
    [Symbol.asyncDispose]: async () => {
      await transport.terminateSession().catch(() => {});
      await client.close();
    },
  });
}

/** One Server-Sent Event. */
export interface SseEvent {
  id?: string;
  data: string;
}

/** A client that sends HTTP requests by hand. */
export class RawHttp {
  readonly url: string;
  readonly headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2025-11-25",
  };

  constructor(url: string) {
    this.url = url;
  }

  /** A client that has initialized. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<RawHttp> {
    const client = new RawHttp(url);
    Object.assign(client.headers, headers);
    const response = await client.post(initialize());
    await response.body?.cancel();
    client.headers["mcp-session-id"] = response.headers.get("mcp-session-id")!;
    return client;
  }

  post(message: JsonObject | string, signal?: AbortSignal): Promise<Response> {
    const body = typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message });
    return fetch(this.url, { method: "POST", headers: this.headers, body, signal });
  }

  call(id: number, name: string, args: JsonObject = {}, signal?: AbortSignal): Promise<Response> {
    return this.post({ id, method: "tools/call", params: { name, arguments: args } }, signal);
  }

  get(headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url, { headers: { ...this.headers, ...headers } });
  }

  /** Ends the session. */
  async delete(): Promise<number> {
    return await statusOf(fetch(this.url, { method: "DELETE", headers: this.headers }));
  }
}

/** A request to initialize. */
export function initialize(params: JsonObject = {}): JsonObject {
  const clientInfo = { name: "raw", version: "1" };
  return {
    id: 0,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo, ...params },
  };
}

/** The status of a response whose body is of no interest. */
export async function statusOf(response: Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

/** The events of a stream as they come. */
export async function* sseEvents(response: Response): AsyncGenerator<SseEvent> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const event: SseEvent = { data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("id: ")) event.id = line.slice(4);
        if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      yield event;
    }
  }
}

/** The JSON-RPC messages of a stream that ends. */
export async function sseMessages(response: Response): Promise<JsonObject[]> {
  const messages: JsonObject[] = [];
  for await (const { data } of sseEvents(response)) if (data) messages.push(JSON.parse(data));
  return messages;
}
