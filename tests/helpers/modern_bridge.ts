// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";
import { META } from "../../lib/wire/client_claim.ts";
import type { Command } from "./http_bridge.ts";

/** Statuses of errors, where it is not 200 (MCP 2026-07-28, basic/transports/streamable-http). */
const STATUSES: Record<number, number> = {
  [-32601]: 404,
  [-32602]: 400,
  [-32020]: 400,
  [-32021]: 400,
  [-32022]: 400,
};

/** A POST that waits for the line that answers it. */
class Exchange {
  readonly response: Promise<Response>;
  readonly #response = Promise.withResolvers<Response>();
  #stream?: ReadableStreamDefaultController<string>;

  constructor(readonly request: JsonObject, private readonly onGone: () => void) {
    this.response = this.#response.promise;
  }

  /** A notification comes: from now on it is a stream. */
  notify(message: JsonObject): void {
    if (!this.#stream) {
      const body = new ReadableStream<string>({
        start: (controller) => void (this.#stream = controller),
        cancel: this.onGone,
      }).pipeThrough(new TextEncoderStream());
      this.#response.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    }
    this.#write(message);
  }

  end(message: JsonObject): void {
    const answer = { ...message, id: this.request.id };
    if (this.#stream) {
      this.#write(answer);
      this.#stream.close();
    } else {
      const status = STATUSES[(message.error as { code: number } | undefined)?.code ?? 0] ?? 200;
      this.#response.resolve(Response.json(answer, { status }));
    }
  }

  #write(message: JsonObject): void {
    this.#stream!.enqueue(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
  }
}

/**
 * Serves a stdio program that speaks the modern era over POSTs, all of them on one process: what is tested through it is
 * the program. Headers are the bridge's own matter; it compares the revision alone.
 */
export async function modernBridge(command: Command) {
  const child = new StdioClientTransport({ ...command, stderr: "ignore" });
  const exchanges = new Map<string, Exchange>();
  let last = 0;
  child.onmessage = (line) => take(line as JsonObject, exchanges);
  await child.start();
  const post = async (http: Request): Promise<Response> => {
    const { host } = new URL(url);
    if (http.headers.get("host") !== host) return new Response("unknown host", { status: 403 });
    if (http.method !== "POST") return new Response(null, { status: 405 });
    const request: JsonObject = await http.json();
    if (request.id === undefined) {
      await child.send(request as JSONRPCMessage);
      return new Response(null, { status: 202 });
    }
    const claimed = (request.params as JsonObject | undefined)?._meta as JsonObject | undefined;
    const revision = claimed?.[META.revision];
    if (revision !== undefined && revision !== http.headers.get("mcp-protocol-version")) {
      const error = { code: -32020, message: "MCP-Protocol-Version is not the revision of the body" };
      return Response.json({ jsonrpc: "2.0", id: request.id, error }, { status: 400 });
    }
    const id = `${++last}`;
    const exchange = new Exchange(request, () => {
      if (!exchanges.delete(id)) return;
      const params = { requestId: id };
      child.send({ jsonrpc: "2.0", method: "notifications/cancelled", params }).catch(() => {});
    });
    exchanges.set(id, exchange);
    await child.send({ ...request, id } as JSONRPCMessage);
    return await exchange.response;
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, post);
  const url = `http://127.0.0.1:${server.addr.port}/mcp`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      await child.close();
      await server.shutdown();
    },
  };
}

function take(line: JsonObject, exchanges: Map<string, Exchange>): void {
  if (line.method === undefined) {
    const exchange = exchanges.get(String(line.id));
    exchanges.delete(String(line.id));
    exchange?.end(withSubscription(line, "result", exchange));
    return;
  }
  const exchange = exchangeOf(line, exchanges);
  exchange?.notify(withSubscription(line, "params", exchange));
}

/** The exchange a notification belongs to: that of its subscription or progress token, or else the newest. */
function exchangeOf({ params }: JsonObject, exchanges: Map<string, Exchange>): Exchange | undefined {
  const { progressToken, _meta } = (params ?? {}) as { progressToken?: unknown; _meta?: JsonObject };
  const subscription = _meta?.[META.subscription];
  if (subscription !== undefined) return exchanges.get(String(subscription));
  const newestFirst = [...exchanges.values()].reverse();
  if (progressToken === undefined) return newestFirst[0];
  return newestFirst.find(({ request }) =>
    ((request.params as JsonObject)._meta as JsonObject | undefined)?.progressToken === progressToken
  );
}

/** The message with the client's own id of its subscription in place of the bridge's. */
function withSubscription(message: JsonObject, part: "params" | "result", { request }: Exchange): JsonObject {
  const holder = message[part] as JsonObject | undefined;
  const meta = holder?._meta as JsonObject | undefined;
  if (meta?.[META.subscription] === undefined) return message;
  return { ...message, [part]: { ...holder, _meta: { ...meta, [META.subscription]: request.id } } };
}
