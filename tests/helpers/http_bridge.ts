// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore"
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";

export interface Command {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

/**
 * Serves a stdio program over Streamable HTTP, a process for each session, with nothing but the SDK's transports: what
 * is tested through it is the program.
 */
export function httpBridge(command: Command) {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const ended = new Set<Promise<void>>();
  const handle = async (request: Request): Promise<Response> => {
    const id = request.headers.get("mcp-session-id");
    if (id !== null) {
      return await sessions.get(id)?.handleRequest(request) ?? new Response(null, { status: 404 });
    }
    const { host } = new URL(url);
    const http = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      eventStore: new InMemoryEventStore(),
      retryInterval: 500,
      enableDnsRebindingProtection: true,
      allowedHosts: [host],
    });
    await connect(http, command, ended);
    const response = await http.handleRequest(request);
    if (http.sessionId) sessions.set(http.sessionId, http);
    else await http.close();
    return response;
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handle);
  const url = `http://127.0.0.1:${server.addr.port}/mcp`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      for (const http of sessions.values()) await http.close();
      await Promise.all(ended);
      await server.shutdown();
    },
  };
}

async function connect(
  http: WebStandardStreamableHTTPServerTransport,
  command: Command,
  ended: Set<Promise<void>>,
): Promise<void> {
  const child = new StdioClientTransport({ ...command, stderr: "ignore" });
  const waiting = new Set<string | number>();
  await child.start();
  child.onmessage = async (message) => {
    // What the program says of its own accord belongs to the one request there is.
    const isAnswer = !("method" in message);
    const [only] = waiting;
    if (isAnswer && message.id !== undefined) waiting.delete(message.id);
    const relatedRequestId = !isAnswer && waiting.size === 1 ? only : undefined;
    await http.send(message, { relatedRequestId }).catch(() => {});
  };
  http.onmessage = (message) => {
    if ("method" in message && "id" in message) waiting.add(message.id);
    child.send(message).catch(() => {});
  };
  http.onclose = () => void ended.add(child.close());
  await http.start();
}
