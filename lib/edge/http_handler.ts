import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { assertNoLoop, parseVia, VIA_HEADER } from "../wire/via.ts";
import type { HttpServerTransport } from "../transport/http_server.ts";
import { WebSocketChannel, type WebSocketChannelOptions } from "../transport/websocket_server.ts";
import { CLOSE, CODES } from "../wire/codes.ts";
import {
  type ConnectionAttempt,
  ConnectionLimits,
  type ConnectionLimitsOptions,
  type HelloAdmission,
  type RefusalReason,
} from "./connection_limits.ts";
import type { HttpRequestHandler, RequestContext } from "./request_context.ts";
import { preflight, withCors } from "./cors.ts";
import { forceClose } from "./force_close.ts";
import { setSecurityHeaders } from "./fetch_metadata.ts";
import { type Guard, parseUrl, requestToken } from "./guard.ts";
import { type HttpSessionRequest, McpEndpoint, rpcErrorResponse } from "./mcp_endpoint.ts";
import { rateLimitKeyOf } from "./rate_limiter.ts";
import { type Principal, type PrincipalOptions, PrincipalResolver } from "./principal.ts";
import { isUpgradeRequest, offeredProtocols, upgradeWithDeno, validateUpgrade } from "./websocket_upgrade.ts";

/** Handles an HTTP path of the daemon. Called after the guard. */
export type Route = (request: Request, by: Pick<Principal, "isOwner">) => Response | Promise<Response>;

interface HttpHandlerOptions extends WebSocketChannelOptions, ConnectionLimitsOptions {
  guard: Guard;
  /** Identifies the user of a loopback connection while no token is required. */
  users: PrincipalOptions["users"];
  /** Which users' connections are accepted then. */
  peers: PrincipalOptions["policy"];
  /** HTTP routes by exact path, in addition to those of MCP. */
  routes: ReadonlyMap<string, Route>;
  /** Names of the servers available under `/mcp/NAME`. */
  serverNames(): readonly string[];
  /** The id of this daemon, to detect requests that loop back to it. */
  daemonId: string;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** Called for a connection that must send a hello first. */
  onExai(channel: WebSocketChannel, gate: HelloAdmission & { principal: Principal; door: string }): void;
  /** Called for an authenticated connection of the subprotocol `mcp`. */
  onMcp(
    channel: WebSocketChannel,
    options: { server?: string; via: readonly string[]; principal: Principal },
  ): void;
  /** Creates the transport of a client that sends `initialize` over HTTP. */
  openHttp(client: HttpSessionRequest): HttpServerTransport;
}

/** A request of an `exai-daemon` command. */
interface CommandRequest extends Pick<Principal, "isOwner"> {
  method: string;
  /** With the query. */
  path: string;
  /** The token that the client has proved to know; undefined where none is required. */
  token: string | undefined;
}

/** The paths of MCP: the merged catalog, and single servers below it. */
const MCP_PATH = /^\/mcp(?:\/([^/]*))?\/?$/;

/** The WebSocket subprotocol of clients that speak MCP without EXAI ops. */
const MCP_SUBPROTOCOL = "mcp";

/** The request handler of all listeners: guard, HTTP routes, MCP endpoint, WebSocket upgrades. */
export class HttpHandler {
  readonly #options: HttpHandlerOptions;
  readonly #limits: ConnectionLimits;
  readonly #mcp: McpEndpoint;
  readonly #principals: PrincipalResolver;

  constructor(options: HttpHandlerOptions) {
    this.#options = options;
    this.#limits = new ConnectionLimits(options);
    const { users, peers: policy, guard } = options;
    this.#principals = new PrincipalResolver({ users, policy, requiresToken: () => guard.requiresToken });
    this.#mcp = new McpEndpoint({ ...options, open: (client) => options.openHttp(client) });
  }

  /** The number of open WebSocket connections. */
  get connections(): number {
    return this.#limits.connections;
  }

  /** The number of open WebSocket connections without a hello. */
  get pending(): number {
    return this.#limits.pending;
  }

  /** Refusals since the start, by reason. */
  get refusals(): Readonly<Record<RefusalReason, number>> {
    return this.#limits.refusals;
  }

  /** Sets the refusals to zero, after the daemon has probed its own listeners. */
  resetRefusals(): void {
    this.#limits.resetRefusals();
  }

  /** Closes every connection with the code `goingAway`. */
  closeAll(reason: string): void {
    for (const channel of this.#limits.channels()) channel.close(CLOSE.goingAway, reason);
  }

  /** Handles one request. Does not throw: errors are sent as responses. */
  readonly handle: HttpRequestHandler = async (request, context) => {
    const { guard } = this.#options;
    try {
      const principal = this.#identify(request, context);
      const { pathname } = parseUrl(request);
      if (isUpgradeRequest(request)) return this.#upgrade(request, pathname, { context, principal });
      const response = setSecurityHeaders(
        preflight(request, guard) ??
          withCors(request, await this.#serve(request, pathname, { context, principal }), guard),
      );
      // While handles are low, idle connections are not kept alive.
      if (this.#options.handles?.isLow) response.headers.set("connection", "close");
      return response;
    } catch (thrown) {
      return setSecurityHeaders(errorResponse(ExaiError.from(thrown)));
    }
  };

  /** Handles a command that was sent over a WebSocket with a proof of `token`, as if sent by HTTP with that token. */
  async command({ method, path, token, isOwner }: CommandRequest): Promise<Response> {
    try {
      const url = new URL(`http://localhost${path}`);
      const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
      return await this.#route(new Request(url, { method, headers }), url.pathname, { isOwner });
    } catch (thrown) {
      return errorResponse(ExaiError.from(thrown));
    }
  }

  /**
   * Rejects web pages and other users of the machine before any work is done for them.
   *
   * @throws {ExaiError} `FORBIDDEN`
   */
  #identify(request: Request, context: RequestContext): Principal {
    let reason: RefusalReason = "origin";
    try {
      this.#options.guard.checkOrigin(request);
      reason = "user";
      return this.#principals.resolve(context);
    } catch (thrown) {
      this.#limits.countRefusal(reason);
      throw thrown;
    }
  }

  async #serve(request: Request, pathname: string, admitted: AdmittedRequest): Promise<Response> {
    try {
      this.#checkToken(request, admitted);
      const mcp = MCP_PATH.exec(pathname);
      if (mcp) return await this.#serveMcp(request, mcp[1], admitted);
      return await this.#route(request, pathname, admitted.principal);
    } catch (thrown) {
      return errorResponse(ExaiError.from(thrown));
    }
  }

  async #route(request: Request, pathname: string, by: Pick<Principal, "isOwner">): Promise<Response> {
    const { routes } = this.#options;
    const route = routes.get(pathname);
    if (route) return await route(request, by);
    throw new ExaiError(
      "RESOURCE_NOT_FOUND",
      `paths: ${[...routes.keys(), "/mcp", "/mcp/NAME"].join(", ")}`,
    );
  }

  #serveMcp(
    request: Request,
    name: string | undefined,
    { context: { completed }, principal }: AdmittedRequest,
  ): Promise<Response> | Response {
    try {
      return this.#mcp.handle(request, { server: this.#serverOf(name), completed, principal });
    } catch (thrown) {
      return rpcErrorResponse(thrown);
    }
  }

  /**
   * The server a path names; undefined for the merged catalog.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` with the names of all servers
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

  /** @throws {ExaiError} `UNAUTHORIZED`; `OVER_CAPACITY` after too many wrong tokens from one address */
  #checkToken(request: Request, { context }: AdmittedRequest): void {
    const { guard } = this.#options;
    if (!guard.requiresToken || guard.authenticate(requestToken(request))) return;
    throw this.#limits.rejectToken(rateLimitKeyOf(context.remoteAddr));
  }

  // Everything that can fail comes before the upgrade: an error after it stops the whole server.
  #upgrade(request: Request, pathname: string, admitted: AdmittedRequest): Response {
    const invalid = validateUpgrade(request);
    if (invalid) return setSecurityHeaders(invalid);
    const isMcp = offeredProtocols(request).includes(MCP_SUBPROTOCOL);
    if (isMcp) this.#checkToken(request, admitted);
    const server = this.#upgradeServer(pathname, isMcp);
    const via = parseVia(request.headers.get(VIA_HEADER));
    assertNoLoop(via, this.#options.daemonId);
    const attempt = this.#attemptOf(admitted);
    const { principal, context } = admitted;
    // Read before the upgrade: unknown after it.
    const { endpoint: door } = context;
    return this.#openChannel(request, context, {
      protocol: isMcp ? MCP_SUBPROTOCOL : undefined,
      onOpen: (channel) => {
        if (!isMcp) this.#awaitHello(channel, attempt, { principal, door });
        else if (this.#limits.add(channel)) this.#options.onMcp(channel, { server, via, principal });
      },
    });
  }

  /** @throws {ExaiError} `RESOURCE_NOT_FOUND` for a path without WebSockets, and an unknown server */
  #upgradeServer(pathname: string, isMcp: boolean): string | undefined {
    const mcp = isMcp ? MCP_PATH.exec(pathname) : null;
    if (pathname === "/" || mcp) return this.#serverOf(mcp?.[1]);
    const why = "WebSocket connections are accepted at /, and with the subprotocol mcp at /mcp and /mcp/NAME";
    throw new ExaiError("RESOURCE_NOT_FOUND", why);
  }

  #openChannel(
    request: Request,
    context: RequestContext,
    { protocol, onOpen }: { protocol?: string; onOpen(channel: WebSocketChannel): void },
  ): Response {
    const { pingIntervalMs, pingTimeoutMs } = this.#options;
    const { remoteAddr, upgrade = upgradeWithDeno } = context;
    const idleTimeoutMs = pingIntervalMs + pingTimeoutMs;
    const { socket, response } = upgrade(request, { idleTimeoutMs, protocol });
    const cut = () => terminate(socket, remoteAddr);
    const channel = new WebSocketChannel(socket, { ...this.#options, cut });
    socket.addEventListener("close", () => this.#limits.remove(channel));
    // A socket of ws is already open, and its first frame may arrive at once.
    if (socket.readyState === WebSocket.OPEN) onOpen(channel);
    else socket.onopen = () => onOpen(channel);
    return response;
  }

  /** Attempts are counted by address where a token is required, and by user elsewhere. */
  #attemptOf({ context, principal }: AdmittedRequest): ConnectionAttempt {
    const { requiresToken } = this.#options.guard;
    const rateLimitKey = requiresToken ? rateLimitKeyOf(context.remoteAddr) : principal.id;
    return { requiresToken, rateLimitKey };
  }

  #awaitHello(
    channel: WebSocketChannel,
    attempt: ConnectionAttempt,
    connection: { principal: Principal; door: string },
  ): void {
    const gate = this.#limits.addPending(channel, attempt);
    if (gate) this.#options.onExai(channel, { ...gate, ...connection });
  }
}

/** A request that has passed the guard, with its principal. */
interface AdmittedRequest {
  context: RequestContext;
  principal: Principal;
}

/** Closes the connection of a peer that does not read. */
function terminate(socket: WebSocket, remoteAddr: Deno.Addr): void {
  // A socket of ws.
  if ("terminate" in socket && typeof socket.terminate === "function") socket.terminate();
  else forceClose(remoteAddr);
}

function errorResponse(error: ExaiError): Response {
  const body = JSON.stringify({ error: { code: error.code, message: error.message } }) + "\n";
  const headers = new Headers({ "content-type": "application/json" });
  if (error.code === "UNAUTHORIZED") headers.set("www-authenticate", "Bearer");
  if (error.retryAfterMs !== undefined) {
    headers.set("retry-after", String(Math.ceil(error.retryAfterMs / SECOND_MS)));
  }
  return new Response(body, { status: CODES[error.code].http, headers });
}
