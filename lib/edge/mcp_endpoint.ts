import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { isSamePrincipal } from "../call/owner.ts";
import { readClientBody } from "../transport/http_body.ts";
import type { HttpExchange, HttpServerTransport } from "../transport/http_server.ts";
import { malformedCapability } from "../wire/client_capabilities.ts";
import { batchFault } from "../wire/lenient.ts";
import { negotiateRevision } from "../wire/mcp.ts";
import type { RawMessage, RawRequest } from "../wire/raw_message.ts";
import { type RawReading, readClientText } from "../wire/raw_reader.ts";
import { assertNoLoop, parseVia, VIA_HEADER } from "../wire/via.ts";
import { normalizeAccept } from "./accept_header.ts";
import { InvalidMessageError, rpcErrorResponse } from "./error_response.ts";
import { type ModernClient, ModernEndpoint } from "./modern_endpoint.ts";
import { eraOf, failureResponse, refusalOf, refuseModernBatch } from "./modern_messages.ts";
import type { Principal } from "./principal.ts";

/** The parameters of a new session over Streamable HTTP. */
export interface HttpSessionRequest {
  /** The only server it sees; undefined for the merged catalog. */
  server?: string;
  /** The client's working directory, if it sent one. */
  cwd?: string;
  /** Ids of the daemons that forwarded the request. */
  via?: readonly string[];
  principal: Principal;
}

/** What requests of the modern era have in common that come from one client. */
export interface ModernHttpClient extends HttpSessionRequest {
  /** A name for the window they come from, if the client sent one. */
  window?: string;
}

interface McpEndpointOptions {
  /** Maximum size of a request body, in bytes. */
  maxFrameBytes: number;
  maxConnections: number;
  /** The id of this daemon, to detect requests that loop back to it. */
  daemonId: string;
  /** The memory budget of all clients together. */
  budget?: ByteBudget;
  /** Unread bytes held for one stream of a client. */
  maxQueuedBytes: number;
  /** Creates the transport of a new session. */
  open(client: HttpSessionRequest): HttpServerTransport;
  /** What answers requests of the modern era, which have no session. */
  openModern(client: ModernHttpClient): ModernClient;
}

/** A request that has passed the guard. */
interface McpRequestContext {
  /**
   * The server in its path; undefined for the merged catalog. Called once the message is read, whose client is told.
   *
   * @throws {ExaiError} when there is none of its name
   */
  findServer(): string | undefined;
  /** Resolves when the response has been sent. */
  completed: Promise<void>;
  /** A session is visible only to the principal that opened it. */
  principal: Principal;
}

/** One whose server has been found. */
interface ServedRequest extends Omit<McpRequestContext, "findServer"> {
  server: string | undefined;
}

interface HttpSessionEntry extends Pick<ServedRequest, "server"> {
  /** The id of its principal. */
  owner: string;
  /** The negotiated protocol version. */
  revision: string;
  transport: HttpServerTransport;
}

/** A header with the client's working directory, percent-encoded; MCP has no field for it. */
const CWD_HEADER = "x-exai-cwd";

/** A header with a name for the client's window, percent-encoded, which tells it from others of the same directory. */
const WINDOW_HEADER = "x-exai-window";

/**
 * The Streamable HTTP endpoint (MCP basic/transports): passes each request to the transport of its session. Called after
 * the guard.
 */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  readonly #modern: ModernEndpoint;
  /**
   * By Mcp-Session-Id, the least recently used first. (Not lru-cache: a session with an open stream is not evicted.)
   */
  readonly #sessions = new Map<string, HttpSessionEntry>();

  constructor(options: McpEndpointOptions) {
    this.#options = options;
    this.#modern = new ModernEndpoint(options);
  }

  /** Handles one request; errors are sent as JSON-RPC error responses. */
  async handle(request: Request, { findServer, ...admitted }: McpRequestContext): Promise<Response> {
    let message: RawMessage | undefined;
    try {
      if (request.method !== "POST") {
        return await this.#serveSession(request, { ...admitted, server: findServer() }, {});
      }
      const { reading, bytes } = await readClientBody(request, {
        maxBytes: this.#options.maxFrameBytes,
        budget: this.#options.budget,
      });
      if (reading.kind === "message") message = reading.message;
      const context = { ...admitted, server: findServer() };
      if (reading.kind === "batch") {
        refuseModernBatch(reading.texts, request.headers);
        return await this.#serveSession(request, context, { batch: reading.texts, bodyBytes: bytes });
      }
      message = messageOf(reading);
      const { era, hasClaim } = eraOf(message, request.headers);
      return era === "modern"
        ? await this.#serveModern(request, context, { message, bytes, hasClaim })
        : await this.#serveSession(request, context, { messages: [message], bodyBytes: bytes });
    } catch (thrown) {
      return failureResponse(thrown, request.headers, message);
    }
  }

  /** A message of the legacy era, or a request without one. */
  async #serveSession(
    request: Request,
    context: ServedRequest,
    { batch, ...posted }: Pick<HttpExchange, "messages" | "bodyBytes"> & { batch?: readonly string[] },
  ): Promise<Response> {
    const exchange: HttpExchange = { ...posted, completed: context.completed };
    normalizeAccept(request);
    const id = request.headers.get("mcp-session-id");
    if (id === null) return await this.#initialize(request, exchange, context);
    const session = this.#sessionFor(id, context);
    if (batch) exchange.messages = readBatch(batch, request, session);
    return await session.transport.handle(request, exchange);
  }

  async #serveModern(
    request: Request,
    { server, principal, completed }: ServedRequest,
    { message, bytes, hasClaim }: { message: RawMessage; bytes: number; hasClaim: boolean },
  ): Promise<Response> {
    const { headers } = request;
    const refusal = refusalOf(message, { headers, hasClaim });
    if (refusal) return refusal;
    if (message.kind !== "request") return new Response(null, { status: 202 });
    const open = () => {
      const via = parseVia(headers.get(VIA_HEADER));
      assertNoLoop(via, this.#options.daemonId);
      const window = decoded(headers.get(WINDOW_HEADER));
      return this.#options.openModern({
        server,
        cwd: decoded(headers.get(CWD_HEADER)),
        window,
        via,
        principal,
      });
    };
    return await this.#modern.handle(request, { message, bytes, completed, open });
  }

  // The session of another principal is reported as missing.
  #sessionFor(id: string, { server, principal }: ServedRequest): HttpSessionEntry {
    const session = this.#sessions.get(id);
    if (!session || session.server !== server || !isSamePrincipal(session.owner, principal.id)) {
      const why = "it has ended, or the daemon has been restarted; initialize again without Mcp-Session-Id";
      throw new ExaiError("RESOURCE_NOT_FOUND", `there is no such session here: ${why}`);
    }
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    return session;
  }

  async #initialize(
    request: Request,
    exchange: HttpExchange,
    { server, principal }: ServedRequest,
  ): Promise<Response> {
    if (request.method !== "POST") return methodNotAllowed();
    const message = exchange.messages?.[0];
    if (message?.kind !== "request" || message.method !== "initialize") {
      throw new ExaiError("INVALID_REQUEST", "Mcp-Session-Id is missing: only initialize is sent without it");
    }
    const via = parseVia(request.headers.get(VIA_HEADER));
    assertNoLoop(via, this.#options.daemonId);
    await this.#evictIdle();
    const transport = this.#options.open({
      server,
      cwd: decoded(request.headers.get(CWD_HEADER)),
      via,
      principal,
    });
    await transport.start();
    const response = await transport.handle(request, exchange);
    const id = transport.sessionId;
    if (id === undefined) return response.status === 400 ? badInitialize(message) : response;
    const revision = negotiateRevision(message.body?.get("protocolVersion"));
    this.#sessions.set(id, { transport, server, owner: principal.id, revision });
    transport.closed.then(() => this.#sessions.delete(id));
    return response;
  }

  /** HTTP clients often disappear without a DELETE: at the limit the least recently used session without a stream is closed. */
  async #evictIdle(): Promise<void> {
    if (this.#sessions.size < this.#options.maxConnections) return;
    for (const { transport } of this.#sessions.values()) {
      if (transport.streams === 0) return await transport.close();
    }
    throw new ExaiError("OVER_CAPACITY", "too many sessions", { retryAfterMs: 1000 });
  }
}

/** @throws {InvalidMessageError} */
function messageOf(reading: RawReading): RawMessage {
  if (reading.kind === "message") return reading.message;
  if (reading.kind === "invalid") throw new InvalidMessageError(reading.why, reading.idText);
  throw new InvalidMessageError("a body must hold one JSON object");
}

function readBatch(
  texts: readonly string[],
  { headers }: Request,
  { revision }: HttpSessionEntry,
): RawMessage[] {
  const why = batchFault(texts, headers.get("mcp-protocol-version") ?? revision);
  if (why !== undefined) throw new InvalidMessageError(why);
  return texts.map((text) => messageOf(readClientText(text)));
}

/** The text in a header that is percent-encoded; undefined where there is none. */
function decoded(header: string | null): string | undefined {
  try {
    return header ? decodeURIComponent(header) : undefined;
  } catch {
    return header ?? undefined;
  }
}

function badInitialize({ idText, body }: RawRequest): Response {
  const capabilities = body?.get("capabilities");
  const why = isObject(capabilities) && malformedCapability(capabilities, "legacy") ||
    "initialize needs an id and the params protocolVersion, capabilities and clientInfo {name, version}";
  return rpcErrorResponse(new ExaiError("INVALID_PARAMS", why), "legacy", idText);
}

function methodNotAllowed(): Response {
  return new Response(null, { status: 405, headers: { allow: "POST, GET, DELETE" } });
}
