import type { JsonObject } from "../../lib/base/json.ts";

/** What a small MCP server behind a URL answers, which has these tools and does nothing else. */
export async function answerAsServer(request: Request, tools: readonly JsonObject[]): Promise<Response> {
  const { id, method } = await request.json().catch(() => ({}));
  if (id === undefined) return new Response(null, { status: request.method === "POST" ? 202 : 405 });
  const results: Readonly<Record<string, JsonObject>> = {
    initialize: {
      protocolVersion: "2025-06-18",
      capabilities: { tools: {} },
      serverInfo: { name: "answering", version: "1" },
    },
    ping: {},
    "tools/list": { tools: [...tools] },
  };
  const result = results[method];
  const error = { code: -32601, message: "Method not found" };
  return Response.json({ jsonrpc: "2.0", id, ...(result ? { result } : { error }) });
}
