import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { WebSocketChannel, type WebSocketChannelOptions } from "../transport/websocket_server.ts";
import { CLOSE, CODES } from "../wire/codes.ts";
import type { Guard } from "./guard.ts";

/** What stands behind a path of the daemon: plain HTTP. The guard has been passed when it is called. */
export type Route = (request: Request) => Response | Promise<Response>;

export interface DoorOptions extends WebSocketChannelOptions {
  guard: Guard;
  /** HTTP routes by exact path. */
  routes: ReadonlyMap<string, Route>;
  maxConnections: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** A connection that must say hello first. */
  onExai(channel: WebSocketChannel): void;
  /** A connection of the subprotocol `mcp`, already authenticated. */
  onMcp(channel: WebSocketChannel, options: { server?: string }): void;
}

/** The subprotocol by which a client says that it speaks MCP only. */
const MCP_SUBPROTOCOL = "mcp";

/** Every door of the daemon behind one request handler: guard, HTTP routes, WebSocket upgrades. */
export class Doors {
  readonly #options: DoorOptions;
  readonly #channels = new Set<WebSocketChannel>();

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** WebSocket connections that are open. */
  get connections(): number {
    return this.#channels.size;
  }

  /** Tells every client that the daemon is going away. */
  closeAll(reason: string): void {
    for (const channel of this.#channels) channel.close(CLOSE.goingAway, reason);
  }

  /** Handles one request; refusals are answered, never thrown. */
  readonly handle = async (request: Request): Promise<Response> => {
    try {
      const { guard, routes } = this.#options;
      guard.checkOrigin(request);
      if (request.headers.get("upgrade")?.toLowerCase() === "websocket") return this.#upgrade(request);
      guard.checkToken(request);
      const route = routes.get(new URL(request.url).pathname);
      if (!route) throw new ExaiError("RESOURCE_NOT_FOUND", `paths: ${[...routes.keys()].join(", ")}`);
      return await route(request);
    } catch (thrown) {
      return refusal(ExaiError.from(thrown));
    }
  };

  // Everything that can fail comes before the upgrade: whatever throws after it stops the whole server.
  #upgrade(request: Request): Response {
    const { guard, pingIntervalMs, pingTimeoutMs, maxConnections } = this.#options;
    const offered = request.headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ??
      [];
    const mcpOnly = offered.includes(MCP_SUBPROTOCOL);
    if (mcpOnly) guard.checkToken(request);
    const path = new URL(request.url).pathname;
    if (path !== "/") throw new ExaiError("RESOURCE_NOT_FOUND", "WebSocket connections are accepted at /");
    const full = this.#channels.size >= maxConnections;
    const { socket, response } = Deno.upgradeWebSocket(request, {
      // The runtime pings after half of this time and gives up after the whole.
      idleTimeout: Math.max(2, Math.round((pingIntervalMs + pingTimeoutMs) / SECOND_MS)),
      ...(mcpOnly ? { protocol: MCP_SUBPROTOCOL } : {}),
    });
    this.#admit(new WebSocketChannel(socket, this.#options), socket, { mcpOnly, full });
    return response;
  }

  #admit(channel: WebSocketChannel, socket: WebSocket, how: { mcpOnly: boolean; full: boolean }): void {
    this.#channels.add(channel);
    socket.addEventListener("close", () => this.#channels.delete(channel));
    socket.onopen = () => {
      if (how.full) channel.close(CLOSE.overCapacity, "too many connections");
      else if (how.mcpOnly) this.#options.onMcp(channel, {});
      else this.#options.onExai(channel);
    };
  }
}

function refusal(error: ExaiError): Response {
  const body = JSON.stringify({ error: { code: error.code, message: error.message } }) + "\n";
  const headers = { "content-type": "application/json" };
  return new Response(body, { status: CODES[error.code].http, headers });
}
