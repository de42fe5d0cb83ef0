import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { HttpServerTransport } from "../transport/http_server.ts";
import { WebSocketChannel, type WebSocketChannelOptions } from "../transport/websocket_server.ts";
import { CLOSE, CODES } from "../wire/codes.ts";
import {
  AdmissionDesk,
  type DeskOptions,
  type Gate,
  originOf,
  type RefusalReason,
} from "./admission_desk.ts";
import { type Arrival, type Handler, upgradeNatively } from "./arrival.ts";
import { preflight, withCors } from "./cors.ts";
import { cutConnection } from "./cut_connection.ts";
import type { Guard } from "./guard.ts";
import { type HttpClient, HttpDoor, rpcRefusal } from "./http_door.ts";

/** What stands behind a path of the daemon: plain HTTP. The guard has been passed when it is called. */
export type Route = (request: Request) => Response | Promise<Response>;

export interface DoorOptions extends WebSocketChannelOptions, DeskOptions {
  guard: Guard;
  /** HTTP routes by exact path, beside those of MCP. */
  routes: ReadonlyMap<string, Route>;
  /** Names of the servers that can be had alone, under `/mcp/NAME`. */
  serverNames(): readonly string[];
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** A connection that must say hello first. */
  onExai(channel: WebSocketChannel, gate: Gate): void;
  /** A connection of the subprotocol `mcp`, already authenticated. */
  onMcp(channel: WebSocketChannel, options: { server?: string }): void;
  /** Makes the transport of a client that is about to initialize over HTTP. */
  onHttp(client: HttpClient): HttpServerTransport;
}

/** Where MCP is spoken: the merged catalog, and one server alone below it. */
const MCP_PATH = /^\/mcp(?:\/([^/]*))?\/?$/;

/** The subprotocol by which a client says that it speaks MCP only. */
const MCP_SUBPROTOCOL = "mcp";

/** Every door of the daemon behind one request handler: guard, HTTP routes, WebSocket upgrades. */
export class Doors {
  readonly #options: DoorOptions;
  readonly #desk: AdmissionDesk;
  readonly #mcp: HttpDoor;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#desk = new AdmissionDesk(options);
    this.#mcp = new HttpDoor({ ...options, open: (client) => options.onHttp(client) });
  }

  /** WebSocket connections that are open. */
  get connections(): number {
    return this.#desk.connections;
  }

  /** Those of them that have not said hello yet. */
  get pending(): number {
    return this.#desk.pending;
  }

  /** How often somebody was turned away since the start, by reason. */
  get refusals(): Readonly<Record<RefusalReason, number>> {
    return this.#desk.refusals;
  }

  /** Forgets them: what came before was ourselves, trying our own doors. */
  forgetRefusals(): void {
    this.#desk.forgetRefusals();
  }

  /** Tells every client that the daemon is going away. */
  closeAll(reason: string): void {
    for (const channel of this.#desk.channels()) channel.close(CLOSE.goingAway, reason);
  }

  /** Handles one request; refusals are answered, never thrown. */
  readonly handle: Handler = async (request, arrival) => {
    const { guard } = this.#options;
    try {
      guard.checkOrigin(request);
      const { pathname } = new URL(request.url);
      if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
        return this.#upgrade(request, pathname, arrival);
      }
      const response = preflight(request, guard) ??
        withCors(request, await this.#serve(request, pathname, arrival), guard);
      // Where handles run short, a connection is not kept for a request that may never come.
      if (this.#options.handles?.isTight) response.headers.set("connection", "close");
      return response;
    } catch (thrown) {
      const error = ExaiError.from(thrown);
      if (error.code === "FORBIDDEN") this.#desk.count("origin");
      return refusal(error);
    }
  };

  async #serve(request: Request, pathname: string, arrival: Arrival): Promise<Response> {
    const { routes } = this.#options;
    try {
      this.#checkToken(request, arrival);
      const mcp = MCP_PATH.exec(pathname);
      if (mcp) return await this.#serveMcp(request, mcp[1], arrival.completed);
      const route = routes.get(pathname);
      if (route) return await route(request);
      throw new ExaiError(
        "RESOURCE_NOT_FOUND",
        `paths: ${[...routes.keys(), "/mcp", "/mcp/NAME"].join(", ")}`,
      );
    } catch (thrown) {
      return refusal(ExaiError.from(thrown));
    }
  }

  #serveMcp(
    request: Request,
    name: string | undefined,
    completed: Promise<void>,
  ): Promise<Response> | Response {
    try {
      return this.#mcp.handle(request, { server: this.#serverOf(name), completed });
    } catch (thrown) {
      return rpcRefusal(thrown);
    }
  }

  /**
   * The server a path names; undefined for the merged catalog.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` naming those there are
   */
  #serverOf(name: string | undefined): string | undefined {
    if (!name) return undefined;
    const names = this.#options.serverNames();
    if (names.includes(name)) return name;
    throw new ExaiError(
      "RESOURCE_NOT_FOUND",
      `there is no server ${JSON.stringify(name)}; there are: ${names.join(", ")}`,
    );
  }

  /**
   * @throws {ExaiError} `UNAUTHORIZED`; `OVER_CAPACITY` for an address that tries too many tokens, but for those there
   * who are in already: they know the id of their session
   */
  #checkToken(request: Request, { remoteAddr }: Arrival): void {
    const { guard } = this.#options;
    if (!guard.asksToken) return;
    const from = originOf(remoteAddr);
    if (!this.#mcp.knows(request)) this.#desk.checkRate(from);
    try {
      guard.checkToken(request);
    } catch (thrown) {
      this.#desk.wrongToken(from);
      throw thrown;
    }
  }

  // Everything that can fail comes before the upgrade: whatever throws after it stops the whole server.
  #upgrade(request: Request, pathname: string, arrival: Arrival): Response {
    const { pingIntervalMs, pingTimeoutMs } = this.#options;
    const offered = request.headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ??
      [];
    const mcpOnly = offered.includes(MCP_SUBPROTOCOL);
    if (mcpOnly) this.#checkToken(request, arrival);
    const mcp = mcpOnly ? MCP_PATH.exec(pathname) : null;
    if (pathname !== "/" && !mcp) {
      const why =
        "WebSocket connections are accepted at /, and with the subprotocol mcp at /mcp and /mcp/NAME";
      throw new ExaiError("RESOURCE_NOT_FOUND", why);
    }
    const server = this.#serverOf(mcp?.[1]);
    // Not known any more once the connection is upgraded.
    const { remoteAddr } = arrival;
    const from = originOf(remoteAddr);
    const { socket, response } = (arrival.upgrade ?? upgradeNatively)(request, {
      idleTimeoutMs: pingIntervalMs + pingTimeoutMs,
      ...(mcpOnly ? { protocol: MCP_SUBPROTOCOL } : {}),
    });
    const channel = new WebSocketChannel(socket, { ...this.#options, cut: () => cut(socket, remoteAddr) });
    socket.addEventListener("close", () => this.#desk.left(channel));
    const enter = () => {
      if (!mcpOnly) this.#receive(channel, from);
      else if (this.#desk.admit(channel)) this.#options.onMcp(channel, { server });
    };
    // A socket of Node's is open by now, and its first frame may come at once.
    if (socket.readyState === WebSocket.OPEN) enter();
    else socket.onopen = enter;
    return response;
  }

  #receive(channel: WebSocketChannel, from: string): void {
    const gate = this.#desk.receive(channel, from);
    if (gate) this.#options.onExai(channel, gate);
  }
}

/** Ends a connection whose peer does not read what it is sent. */
function cut(socket: WebSocket, remoteAddr: Deno.Addr): void {
  // A socket of Node's knows how.
  if ("terminate" in socket && typeof socket.terminate === "function") socket.terminate();
  else cutConnection(remoteAddr);
}

function refusal(error: ExaiError): Response {
  const body = JSON.stringify({ error: { code: error.code, message: error.message } }) + "\n";
  const headers = new Headers({ "content-type": "application/json" });
  if (error.code === "UNAUTHORIZED") headers.set("www-authenticate", "Bearer");
  if (error.retryAfterMs !== undefined) {
    headers.set("retry-after", String(Math.ceil(error.retryAfterMs / SECOND_MS)));
  }
  return new Response(body, { status: CODES[error.code].http, headers });
}
