import { ExaiError } from "../base/errors.ts";
import { WebSocketChannel, type WebSocketChannelOptions } from "../transport/websocket_server.ts";
import { assertNoLoop, parseVia, VIA_HEADER } from "../wire/via.ts";
import type { HelloAdmission } from "../transport/channel.ts";
import type { ConnectionAttempt, ConnectionLimits } from "./connection_limits.ts";
import { setSecurityHeaders } from "./fetch_metadata.ts";
import { forceClose } from "./force_close.ts";
import type { Guard } from "./guard.ts";
import { findServer, MCP_PATH, type NamedServers } from "./served_paths.ts";
import type { Principal } from "./principal.ts";
import { rateLimitKeyOf } from "./rate_limiter.ts";
import type { RequestContext } from "./request_context.ts";
import { offeredProtocols, upgradeWithDeno, validateUpgrade } from "./websocket_upgrade.ts";

export interface WebSocketHandlerOptions extends WebSocketChannelOptions, NamedServers {
  guard: Guard;
  /** The id of this daemon, to detect requests that loop back to it. */
  daemonId: string;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** Called for a connection that must send a hello first. */
  onExai(
    channel: WebSocketChannel,
    context: HelloAdmission & { principal: Principal; endpoint: string },
  ): void;
  /** Called for an authenticated connection of the subprotocol `mcp`. */
  onMcp(
    channel: WebSocketChannel,
    options: { server?: string; via: readonly string[]; principal: Principal },
  ): void;
}

/** A request that has passed the guard, with its principal. */
export interface AdmittedRequest {
  context: RequestContext;
  principal: Principal;
}

/** The WebSocket subprotocol of clients that speak MCP without EXAI ops. */
const MCP_SUBPROTOCOL = "mcp";

/** Upgrades requests to WebSocket connections, within the limits. */
export class WebSocketHandler {
  readonly #options: WebSocketHandlerOptions;
  readonly #limits: ConnectionLimits;
  readonly #checkToken: (request: Request, context: RequestContext) => void;

  /** @param checks `checkToken` throws for a request without a valid token */
  constructor(
    options: WebSocketHandlerOptions,
    checks: { limits: ConnectionLimits; checkToken(request: Request, context: RequestContext): void },
  ) {
    this.#options = options;
    this.#limits = checks.limits;
    this.#checkToken = checks.checkToken;
  }

  /**
   * Upgrades `request`, or returns the error response to an invalid one. Everything that can fail comes before the
   * upgrade: an error after it stops the whole server.
   *
   * @throws {ExaiError} `UNAUTHORIZED`, `OVER_CAPACITY`, `RESOURCE_NOT_FOUND`, or what a loop is refused with
   */
  upgrade(request: Request, pathname: string, { principal, context }: AdmittedRequest): Response {
    const invalid = validateUpgrade(request);
    if (invalid) return setSecurityHeaders(invalid);
    const isMcp = offeredProtocols(request).includes(MCP_SUBPROTOCOL);
    if (isMcp) this.#checkToken(request, context);
    const server = this.#serverAt(pathname, isMcp);
    const via = parseVia(request.headers.get(VIA_HEADER));
    assertNoLoop(via, this.#options.daemonId);
    const attempt = this.#attemptOf({ context, principal });
    // Read before the upgrade: unknown after it.
    const { endpoint } = context;
    return this.#openChannel(request, context, {
      protocol: isMcp ? MCP_SUBPROTOCOL : undefined,
      onOpen: (channel) => {
        if (!isMcp) this.#awaitHello(channel, attempt, { principal, endpoint });
        else if (this.#limits.add(channel)) this.#options.onMcp(channel, { server, via, principal });
      },
    });
  }

  /** @throws {ExaiError} `RESOURCE_NOT_FOUND` for a path without WebSockets, and an unknown server */
  #serverAt(pathname: string, isMcp: boolean): string | undefined {
    const mcp = isMcp ? MCP_PATH.exec(pathname) : null;
    if (pathname === "/" || mcp) return findServer(mcp?.[1], this.#options);
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
    connection: { principal: Principal; endpoint: string },
  ): void {
    const admission = this.#limits.addPending(channel, attempt);
    if (admission) this.#options.onExai(channel, { ...admission, ...connection });
  }
}

/** Closes the connection of a peer that does not read. */
function terminate(socket: WebSocket, remoteAddr: Deno.Addr): void {
  // A socket of ws.
  if ("terminate" in socket && typeof socket.terminate === "function") socket.terminate();
  else forceClose(remoteAddr);
}
