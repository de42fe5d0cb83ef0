import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { HttpServerTransport } from "../transport/http_server.ts";
import { CLOSE, CODES } from "../wire/codes.ts";
import { ConnectionLimits, type ConnectionLimitsOptions, type RefusalReason } from "./connection_limits.ts";
import type { HttpRequestHandler, RequestContext } from "./request_context.ts";
import { preflight, withCors } from "./cors.ts";
import { setSecurityHeaders } from "./fetch_metadata.ts";
import { parseUrl, requestToken } from "./guard.ts";
import { type HttpSessionRequest, McpEndpoint, type ModernHttpClient } from "./mcp_endpoint.ts";
import type { ModernClient } from "./modern_endpoint.ts";
import { findServer, MCP_PATH } from "./served_paths.ts";
import { rateLimitKeyOf } from "./rate_limiter.ts";
import { PAGE_HEADER, type PageSessions } from "./page_sessions.ts";
import { type Principal, type PrincipalOptions, PrincipalResolver } from "./principal.ts";
import { type AdmittedRequest, WebSocketHandler, type WebSocketHandlerOptions } from "./websocket_handler.ts";
import { isUpgradeRequest } from "./websocket_upgrade.ts";

/** Handles an HTTP path of the daemon. Called after the guard. */
export type Route = (request: Request, by: RouteCaller) => Response | Promise<Response>;

/** Who asks for a path. */
interface RouteCaller extends Pick<Principal, "isOwner"> {
  /** The page in a browser, which is signed in by a session of its own and has no token. */
  page?: SignedInPage;
}

/** A page whose session was good when it asked. */
export interface SignedInPage {
  /** Whether it still is; asking is a use of the session. */
  isSignedIn(): boolean;
}

interface HttpHandlerOptions extends WebSocketHandlerOptions, ConnectionLimitsOptions {
  /** Identifies the user of a loopback connection while no token is required. */
  users: PrincipalOptions["users"];
  /** Which users' connections are accepted then. */
  peers: PrincipalOptions["policy"];
  /** HTTP routes by exact path, in addition to those of MCP. */
  routes: ReadonlyMap<string, Route>;
  /** Those that need no token, by exact path: the page itself, and what signs a browser in to it. */
  openRoutes: ReadonlyMap<string, Route>;
  /** The pages that are signed in. */
  pages: PageSessions;
  /** Creates the transport of a client that sends `initialize` over HTTP. */
  openHttp(client: HttpSessionRequest): HttpServerTransport;
  /** What answers requests over HTTP that need no session. */
  openModern(client: ModernHttpClient): ModernClient;
}

/** A request of an `exai-daemon` command. */
interface CommandRequest extends Pick<Principal, "isOwner"> {
  method: string;
  /** With the query. */
  path: string;
  body?: string;
  /** The token that the client has proved to know; undefined where none is required. */
  token: string | undefined;
}

/** The request handler of all listeners: guard, HTTP routes, MCP endpoint, WebSocket upgrades. */
export class HttpHandler {
  readonly #options: HttpHandlerOptions;
  readonly #limits: ConnectionLimits;
  readonly #mcp: McpEndpoint;
  readonly #principals: PrincipalResolver;
  readonly #webSockets: WebSocketHandler;

  constructor(options: HttpHandlerOptions) {
    this.#options = options;
    this.#limits = new ConnectionLimits(options);
    const { users, peers: policy, guard } = options;
    this.#principals = new PrincipalResolver({ users, policy, requiresToken: () => guard.requiresToken });
    this.#mcp = new McpEndpoint({
      ...options,
      open: (client) => options.openHttp(client),
      openModern: (client) => options.openModern(client),
    });
    this.#webSockets = new WebSocketHandler(options, {
      limits: this.#limits,
      checkToken: (request, context) => this.#checkToken(request, context),
    });
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
      const { pathname, principal } = this.#identify(request, context);
      if (isUpgradeRequest(request)) {
        return this.#webSockets.upgrade(request, pathname, { context, principal });
      }
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
  async command({ method, path, body, token, isOwner }: CommandRequest): Promise<Response> {
    try {
      const url = new URL(`http://localhost${path}`);
      const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
      const request = new Request(url, { method, headers, body: method === "GET" ? undefined : body });
      return await this.#route(request, url.pathname, { isOwner });
    } catch (thrown) {
      return errorResponse(ExaiError.from(thrown));
    }
  }

  /**
   * Rejects web pages and other users of the machine before any work is done for them.
   *
   * @throws {ExaiError} `FORBIDDEN`
   */
  #identify(request: Request, context: RequestContext): { pathname: string; principal: Principal } {
    let reason: RefusalReason = "origin";
    try {
      const { pathname } = parseUrl(request);
      const takesLinks = this.#options.openRoutes.has(pathname) && !isUpgradeRequest(request);
      this.#options.guard.checkOrigin(request, { takesLinks });
      reason = "user";
      return { pathname, principal: this.#principals.resolve(context) };
    } catch (thrown) {
      this.#limits.countRefusal(reason);
      throw thrown;
    }
  }

  async #serve(request: Request, pathname: string, admitted: AdmittedRequest): Promise<Response> {
    try {
      const open = this.#options.openRoutes.get(pathname);
      if (open) return await this.#serveOpen(open, request, admitted);
      const mcp = MCP_PATH.exec(pathname);
      const page = mcp ? undefined : this.#pageOf(request);
      if (page) return await this.#route(request, pathname, { ...admitted.principal, page });
      this.#checkToken(request, admitted.context);
      if (mcp) return await this.#serveMcp(request, mcp[1], admitted);
      return await this.#route(request, pathname, admitted.principal);
    } catch (thrown) {
      return errorResponse(ExaiError.from(thrown));
    }
  }

  /** Wrong tokens are counted, as where one is required. */
  async #serveOpen(
    route: Route,
    request: Request,
    { context, principal }: AdmittedRequest,
  ): Promise<Response> {
    try {
      return await route(request, principal);
    } catch (thrown) {
      if (!(thrown instanceof ExaiError) || thrown.code !== "UNAUTHORIZED") throw thrown;
      throw this.#limits.rejectToken(rateLimitKeyOf(context.remoteAddr), thrown.message);
    }
  }

  /**
   * The page that asks, by the key of its session; undefined: another client, or no token is required.
   *
   * @throws {ExaiError} `UNAUTHORIZED`, which is not counted as a wrong token: keys are too long to be guessed, and each
   * page that was left open asks once more after a rotation
   */
  #pageOf(request: Request): SignedInPage | undefined {
    const { guard, pages } = this.#options;
    const key = request.headers.get(PAGE_HEADER);
    if (key === null || !guard.requiresToken) return undefined;
    if (pages.accepts(key)) return { isSignedIn: () => pages.accepts(key) };
    throw new ExaiError("UNAUTHORIZED", "the session of this page has ended");
  }

  async #route(request: Request, pathname: string, by: RouteCaller): Promise<Response> {
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
  ): Promise<Response> {
    return this.#mcp.handle(request, {
      findServer: () => findServer(name, this.#options),
      completed,
      principal,
    });
  }

  /** @throws {ExaiError} `UNAUTHORIZED`; `OVER_CAPACITY` after too many wrong tokens from one address */
  #checkToken(request: Request, { remoteAddr }: RequestContext): void {
    const { guard } = this.#options;
    if (!guard.requiresToken || guard.authenticate(requestToken(request))) return;
    throw this.#limits.rejectToken(rateLimitKeyOf(remoteAddr));
  }
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
