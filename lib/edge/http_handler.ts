import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { checkVia, readVia, VIA_HEADER } from "../wire/via.ts";
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

/** What stands behind a path of the daemon: plain HTTP. The guard has been passed when it is called. */
export type Route = (request: Request, by: Pick<Principal, "isOwner">) => Response | Promise<Response>;

interface HttpHandlerOptions extends WebSocketChannelOptions, ConnectionLimitsOptions {
  guard: Guard;
  /** Tells whose a connection is while no token is asked. */
  users: PrincipalOptions["users"];
  /** Whose are taken then. */
  peers: PrincipalOptions["policy"];
  /** HTTP routes by exact path, beside those of MCP. */
  routes: ReadonlyMap<string, Route>;
  /** Names of the servers that can be had alone, under `/mcp/NAME`. */
  serverNames(): readonly string[];
  /** Which daemon this is, to refuse what comes from itself. */
  daemonId: string;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** A connection that must say hello first. */
  onExai(channel: WebSocketChannel, gate: HelloAdmission & { principal: Principal; door: string }): void;
  /** A connection of the subprotocol `mcp`, already authenticated. */
  onMcp(
    channel: WebSocketChannel,
    options: { server?: string; via: readonly string[]; principal: Principal },
  ): void;
  /** Makes the transport of a client that is about to initialize over HTTP. */
  openHttp(client: HttpSessionRequest): HttpServerTransport;
}

/** A request of one of our commands. */
interface CommandRequest extends Pick<Principal, "isOwner"> {
  method: string;
  /** With its query. */
  path: string;
  /** The token it has proved to know; undefined where none is needed. */
  token: string | undefined;
}

/** Where MCP is spoken: the merged catalog, and one server alone below it. */
const MCP_PATH = /^\/mcp(?:\/([^/]*))?\/?$/;

/** The subprotocol by which a client says that it speaks MCP only. */
const MCP_SUBPROTOCOL = "mcp";

/** Every door of the daemon behind one request handler: guard, HTTP routes, WebSocket upgrades. */
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

  /** WebSocket connections that are open. */
  get connections(): number {
    return this.#limits.connections;
  }

  /** Those of them that have not said hello yet. */
  get pending(): number {
    return this.#limits.pending;
  }

  /** How often somebody was turned away since the start, by reason. */
  get refusals(): Readonly<Record<RefusalReason, number>> {
    return this.#limits.refusals;
  }

  /** Forgets them: what came before was ourselves, trying our own doors. */
  resetRefusals(): void {
    this.#limits.resetRefusals();
  }

  /** Tells every client that the daemon is going away. */
  closeAll(reason: string): void {
    for (const channel of this.#limits.channels()) channel.close(CLOSE.goingAway, reason);
  }

  /** Handles one request; refusals are answered, never thrown. */
  readonly handle: HttpRequestHandler = async (request, arrival) => {
    const { guard } = this.#options;
    try {
      const principal = this.#identify(request, arrival);
      const { pathname } = parseUrl(request);
      if (isUpgradeRequest(request)) return this.#upgrade(request, pathname, { context: arrival, principal });
      const answer = setSecurityHeaders(
        preflight(request, guard) ??
          withCors(request, await this.#serve(request, pathname, { context: arrival, principal }), guard),
      );
      // Where handles run short, a connection is not kept for a request that may never come.
      if (this.#options.handles?.isLow) answer.headers.set("connection", "close");
      return answer;
    } catch (thrown) {
      return setSecurityHeaders(refusal(ExaiError.from(thrown)));
    }
  };

  /** Answers a command that came over a WebSocket and has proved that it knows `token`, as if by HTTP with it. */
  async command({ method, path, token, isOwner }: CommandRequest): Promise<Response> {
    try {
      const url = new URL(`http://localhost${path}`);
      const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
      return await this.#route(new Request(url, { method, headers }), url.pathname, { isOwner });
    } catch (thrown) {
      return refusal(ExaiError.from(thrown));
    }
  }

  /**
   * Refuses pages of others and other users of the machine before anything is counted or looked up for them.
   *
   * @throws {ExaiError} `FORBIDDEN`
   */
  #identify(request: Request, arrival: RequestContext): Principal {
    let reason: RefusalReason = "origin";
    try {
      this.#options.guard.checkOrigin(request);
      reason = "user";
      return this.#principals.resolve(arrival);
    } catch (thrown) {
      this.#limits.countRefusal(reason);
      throw thrown;
    }
  }

  async #serve(request: Request, pathname: string, visit: AdmittedRequest): Promise<Response> {
    try {
      this.#checkToken(request, visit);
      const mcp = MCP_PATH.exec(pathname);
      if (mcp) return await this.#serveMcp(request, mcp[1], visit);
      return await this.#route(request, pathname, visit.principal);
    } catch (thrown) {
      return refusal(ExaiError.from(thrown));
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

  /** @throws {ExaiError} `UNAUTHORIZED`; `OVER_CAPACITY` from an address that shows too many wrong tokens */
  #checkToken(request: Request, { context: arrival }: AdmittedRequest): void {
    const { guard } = this.#options;
    if (!guard.requiresToken || guard.authenticate(requestToken(request))) return;
    throw this.#limits.rejectToken(rateLimitKeyOf(arrival.remoteAddr));
  }

  // Everything that can fail comes before the upgrade: whatever throws after it stops the whole server.
  #upgrade(request: Request, pathname: string, visit: AdmittedRequest): Response {
    const { pingIntervalMs, pingTimeoutMs } = this.#options;
    const { context: arrival, principal } = visit;
    const fault = validateUpgrade(request);
    if (fault) return setSecurityHeaders(fault);
    const mcpOnly = offeredProtocols(request).includes(MCP_SUBPROTOCOL);
    if (mcpOnly) this.#checkToken(request, visit);
    const mcp = mcpOnly ? MCP_PATH.exec(pathname) : null;
    if (pathname !== "/" && !mcp) {
      const why =
        "WebSocket connections are accepted at /, and with the subprotocol mcp at /mcp and /mcp/NAME";
      throw new ExaiError("RESOURCE_NOT_FOUND", why);
    }
    const server = this.#serverOf(mcp?.[1]);
    const via = readVia(request.headers.get(VIA_HEADER));
    checkVia(via, this.#options.daemonId);
    const newcomer = this.#attemptOf(visit);
    // Not known any more once the connection is upgraded.
    const { endpoint, remoteAddr } = arrival;
    const { socket, response } = (arrival.upgrade ?? upgradeWithDeno)(request, {
      idleTimeoutMs: pingIntervalMs + pingTimeoutMs,
      ...(mcpOnly ? { protocol: MCP_SUBPROTOCOL } : {}),
    });
    const channel = new WebSocketChannel(socket, { ...this.#options, cut: () => cut(socket, remoteAddr) });
    socket.addEventListener("close", () => this.#limits.remove(channel));
    const enter = () => {
      if (!mcpOnly) this.#awaitHello(channel, newcomer, { principal, door: endpoint });
      else if (this.#limits.add(channel)) this.#options.onMcp(channel, { server, via, principal });
    };
    // A socket of Node's is open by now, and its first frame may come at once.
    if (socket.readyState === WebSocket.OPEN) enter();
    else socket.onopen = enter;
    return response;
  }

  /** For whom a connection's tries are counted: with a token its address, which is all that is known of strangers. */
  #attemptOf({ context: arrival, principal }: AdmittedRequest): ConnectionAttempt {
    const { requiresToken: asksToken } = this.#options.guard;
    return {
      requiresToken: asksToken,
      rateLimitKey: asksToken ? rateLimitKeyOf(arrival.remoteAddr) : principal.id,
    };
  }

  #awaitHello(
    channel: WebSocketChannel,
    newcomer: ConnectionAttempt,
    about: { principal: Principal; door: string },
  ): void {
    const gate = this.#limits.addPending(channel, newcomer);
    if (gate) this.#options.onExai(channel, { ...gate, ...about });
  }
}

/** A request that has been admitted. */
interface AdmittedRequest {
  context: RequestContext;
  principal: Principal;
}

/** Ends a connection whose peer does not read what it is sent. */
function cut(socket: WebSocket, remoteAddr: Deno.Addr): void {
  // A socket of Node's knows how.
  if ("terminate" in socket && typeof socket.terminate === "function") socket.terminate();
  else forceClose(remoteAddr);
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
