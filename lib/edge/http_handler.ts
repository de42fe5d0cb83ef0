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
  originOf,
  type RefusalReason,
} from "./connection_limits.ts";
import type { Arrival, HttpRequestHandler } from "./arrival.ts";
import { preflight, withCors } from "./cors.ts";
import { cutConnection } from "./cut_connection.ts";
import { keepFromPages } from "./fetch_metadata.ts";
import { type Guard, shownToken, urlOf } from "./guard.ts";
import { type HttpClient, McpEndpoint, rpcRefusal } from "./mcp_endpoint.ts";
import { type Principal, type PrincipalOptions, Principals } from "./principal.ts";
import { asksUpgrade, offeredProtocols, upgradeFault, upgradeNatively } from "./upgrade.ts";

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
  onHttp(client: HttpClient): HttpServerTransport;
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
  readonly #desk: ConnectionLimits;
  readonly #mcp: McpEndpoint;
  readonly #principals: Principals;

  constructor(options: HttpHandlerOptions) {
    this.#options = options;
    this.#desk = new ConnectionLimits(options);
    const { users, peers: policy, guard } = options;
    this.#principals = new Principals({ users, policy, asksToken: () => guard.asksToken });
    this.#mcp = new McpEndpoint({ ...options, open: (client) => options.onHttp(client) });
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
  readonly handle: HttpRequestHandler = async (request, arrival) => {
    const { guard } = this.#options;
    try {
      const principal = this.#admit(request, arrival);
      const { pathname } = urlOf(request);
      if (asksUpgrade(request)) return this.#upgrade(request, pathname, { arrival, principal });
      const answer = keepFromPages(
        preflight(request, guard) ??
          withCors(request, await this.#serve(request, pathname, { arrival, principal }), guard),
      );
      // Where handles run short, a connection is not kept for a request that may never come.
      if (this.#options.handles?.isTight) answer.headers.set("connection", "close");
      return answer;
    } catch (thrown) {
      return keepFromPages(refusal(ExaiError.from(thrown)));
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
  #admit(request: Request, arrival: Arrival): Principal {
    let reason: RefusalReason = "origin";
    try {
      this.#options.guard.checkOrigin(request);
      reason = "user";
      return this.#principals.of(arrival);
    } catch (thrown) {
      this.#desk.count(reason);
      throw thrown;
    }
  }

  async #serve(request: Request, pathname: string, visit: Visit): Promise<Response> {
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
    { arrival: { completed }, principal }: Visit,
  ): Promise<Response> | Response {
    try {
      return this.#mcp.handle(request, { server: this.#serverOf(name), completed, principal });
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

  /** @throws {ExaiError} `UNAUTHORIZED`; `OVER_CAPACITY` from an address that shows too many wrong tokens */
  #checkToken(request: Request, { arrival }: Visit): void {
    const { guard } = this.#options;
    if (!guard.asksToken || guard.authenticate(shownToken(request))) return;
    throw this.#desk.wrongToken(originOf(arrival.remoteAddr));
  }

  // Everything that can fail comes before the upgrade: whatever throws after it stops the whole server.
  #upgrade(request: Request, pathname: string, visit: Visit): Response {
    const { pingIntervalMs, pingTimeoutMs } = this.#options;
    const { arrival, principal } = visit;
    const fault = upgradeFault(request);
    if (fault) return keepFromPages(fault);
    const mcpOnly = offeredProtocols(request).includes(MCP_SUBPROTOCOL);
    if (mcpOnly) this.#checkToken(request, visit);
    const mcp = mcpOnly ? MCP_PATH.exec(pathname) : null;
    if (pathname !== "/" && !mcp) {
      const why =
        "WebSocket connections are accepted at /, and with the subprotocol mcp at /mcp and /mcp/NAME";
      throw new ExaiError("RESOURCE_NOT_FOUND", why);
    }
    const server = this.#serverOf(mcp?.[1]);
    const via = parseVia(request.headers.get(VIA_HEADER));
    assertNoLoop(via, this.#options.daemonId);
    const newcomer = this.#newcomer(visit);
    // Not known any more once the connection is upgraded.
    const { door, remoteAddr } = arrival;
    const { socket, response } = (arrival.upgrade ?? upgradeNatively)(request, {
      idleTimeoutMs: pingIntervalMs + pingTimeoutMs,
      ...(mcpOnly ? { protocol: MCP_SUBPROTOCOL } : {}),
    });
    const channel = new WebSocketChannel(socket, { ...this.#options, cut: () => cut(socket, remoteAddr) });
    socket.addEventListener("close", () => this.#desk.left(channel));
    const enter = () => {
      if (!mcpOnly) this.#receive(channel, newcomer, { principal, door });
      else if (this.#desk.admit(channel)) this.#options.onMcp(channel, { server, via, principal });
    };
    // A socket of Node's is open by now, and its first frame may come at once.
    if (socket.readyState === WebSocket.OPEN) enter();
    else socket.onopen = enter;
    return response;
  }

  /** For whom a connection's tries are counted: with a token its address, which is all that is known of strangers. */
  #newcomer({ arrival, principal }: Visit): ConnectionAttempt {
    const { asksToken } = this.#options.guard;
    return { asksToken, from: asksToken ? originOf(arrival.remoteAddr) : principal.id };
  }

  #receive(
    channel: WebSocketChannel,
    newcomer: ConnectionAttempt,
    about: { principal: Principal; door: string },
  ): void {
    const gate = this.#desk.receive(channel, newcomer);
    if (gate) this.#options.onExai(channel, { ...gate, ...about });
  }
}

/** A request that has been admitted. */
interface Visit {
  arrival: Arrival;
  principal: Principal;
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
