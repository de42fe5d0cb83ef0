import { describeTrouble, type ServerTrouble } from "../call/server_trouble.ts";
import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { assertNoLoop, parseVia, VIA_HEADER } from "../wire/via.ts";
import { isSamePrincipal } from "../call/owner.ts";
import { readClientBody } from "../transport/http_body.ts";
import type { HttpExchange, HttpServerTransport } from "../transport/http_server.ts";
import { CODES, toRpcError } from "../wire/codes.ts";
import { batchFault } from "../wire/lenient.ts";
import { negotiateRevision } from "../wire/mcp.ts";
import { responseText } from "../wire/message_text.ts";
import type { RawMessage } from "../wire/raw_message.ts";
import { type RawReading, readClientText } from "../wire/raw_reader.ts";
import { normalizeAccept } from "./accept_header.ts";
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

interface McpEndpointOptions {
  /** Maximum size of a request body, in bytes. */
  maxFrameBytes: number;
  maxConnections: number;
  /** The id of this daemon, to detect requests that loop back to it. */
  daemonId: string;
  /** The memory budget of all clients together. */
  budget?: ByteBudget;
  /** Creates the transport of a new session. */
  open(client: HttpSessionRequest): HttpServerTransport;
}

/** A request that has passed the guard. */
interface McpRequestContext {
  /** The server in its path; undefined for the merged catalog. */
  server?: string;
  /** Resolves when the response has been sent. */
  completed: Promise<void>;
  /** A session is visible only to the principal that opened it. */
  principal: Principal;
}

interface HttpSessionEntry extends Pick<McpRequestContext, "server"> {
  /** The id of its principal. */
  owner: string;
  /** The negotiated protocol version. */
  revision: string;
  transport: HttpServerTransport;
}

/** A header with the client's working directory, percent-encoded; MCP has no field for it. */
const CWD_HEADER = "x-exai-cwd";

/**
 * The Streamable HTTP endpoint (MCP basic/transports): passes each request to the transport of its session. Called after
 * the guard, with the name of an existing server.
 */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  /**
   * By Mcp-Session-Id, the least recently used first. (Not lru-cache: a session with an open stream is not evicted.)
   */
  readonly #sessions = new Map<string, HttpSessionEntry>();

  constructor(options: McpEndpointOptions) {
    this.#options = options;
  }

  /** Handles one request; errors are sent as JSON-RPC error responses. */
  async handle(request: Request, context: McpRequestContext): Promise<Response> {
    try {
      const exchange: HttpExchange = { completed: context.completed };
      let batch: readonly string[] | undefined;
      if (request.method === "POST") {
        const { reading, bytes } = await readClientBody(request, {
          maxBytes: this.#options.maxFrameBytes,
          budget: this.#options.budget,
        });
        exchange.bodyBytes = bytes;
        if (reading.kind === "batch") batch = reading.texts;
        else exchange.messages = [messageOf(reading)];
      }
      normalizeAccept(request);
      const id = request.headers.get("mcp-session-id");
      if (id === null) return await this.#initialize(request, exchange, context);
      const session = this.#sessionFor(id, context);
      if (batch) exchange.messages = readBatch(batch, request, session);
      return await session.transport.handle(request, exchange);
    } catch (thrown) {
      return thrown instanceof InvalidMessageError
        ? rpcErrorResponse(thrown.error, thrown.idText)
        : rpcErrorResponse(thrown);
    }
  }

  // The session of another principal is reported as missing.
  #sessionFor(id: string, { server, principal }: McpRequestContext): HttpSessionEntry {
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
    { server, principal }: McpRequestContext,
  ): Promise<Response> {
    if (!["POST", "GET", "DELETE"].includes(request.method)) return methodNotAllowed();
    const message = exchange.messages?.[0];
    if (message?.kind !== "request" || message.method !== "initialize") {
      throw new ExaiError("INVALID_REQUEST", "Mcp-Session-Id is missing: only initialize is sent without it");
    }
    const via = parseVia(request.headers.get(VIA_HEADER));
    assertNoLoop(via, this.#options.daemonId);
    await this.#evictIdle();
    const transport = this.#options.open({ server, cwd: cwdOf(request), via, principal });
    await transport.start();
    const response = await transport.handle(request, exchange);
    const id = transport.sessionId;
    if (id === undefined) return response.status === 400 ? badInitialize(message.idText) : response;
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

/** A body that is not a JSON-RPC message, with the id for the error response. */
class InvalidMessageError extends Error {
  readonly idText: string;
  readonly error: ExaiError;

  constructor(why: string, idText = "null") {
    super(why);
    this.idText = idText;
    this.error = new ExaiError("INVALID_REQUEST", why);
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

function cwdOf(request: Request): string | undefined {
  const encoded = request.headers.get(CWD_HEADER) || undefined;
  try {
    return encoded && decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

function badInitialize(idText: string): Response {
  const why =
    "initialize needs an id and the params protocolVersion, capabilities and clientInfo {name, version}";
  return rpcErrorResponse(new ExaiError("INVALID_PARAMS", why), idText);
}

/** The servers that a path may name. */
export interface NamedServers {
  /** Names of the servers available under `/mcp/NAME`. */
  serverNames(): readonly string[];
  /** Why the configured server `name` is not among them. */
  whyNoServer(name: string): ServerTrouble | undefined;
}

/** The paths of MCP: the merged catalog, and single servers below it. */
export const MCP_PATH = /^\/mcp(?:\/([^/]*))?\/?$/;

/**
 * The server that a path names; undefined for the merged catalog.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` with the names of all servers
 */
export function findServer(
  name: string | undefined,
  servers: NamedServers,
): string | undefined {
  if (!name) return undefined;
  const names = servers.serverNames();
  if (names.includes(name)) return name;
  const trouble = servers.whyNoServer(name);
  if (trouble) {
    throw new ExaiError("UPSTREAM_UNAVAILABLE", describeTrouble(trouble), { details: { server: name } });
  }
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no server ${JSON.stringify(name)}; there are: ${names.join(", ")}`,
  );
}

/** An HTTP response with a JSON-RPC error for anything that was thrown. */
export function rpcErrorResponse(thrown: unknown, idText = "null"): Response {
  const error = ExaiError.from(thrown);
  const body = responseText(idText, { error: toRpcError(error) });
  const headers = { "content-type": "application/json" };
  return new Response(body, { status: CODES[error.code].http, headers });
}

function methodNotAllowed(): Response {
  return new Response(null, { status: 405, headers: { allow: "POST, GET, DELETE" } });
}
