import type { ByteBudget } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type Json } from "../base/json.ts";
import { assertNoLoop, parseVia, VIA_HEADER } from "../wire/via.ts";
import { isSamePrincipal } from "../call/owner.ts";
import { readJsonBody } from "../transport/http_body.ts";
import type { HttpExchange, HttpServerTransport } from "../transport/http_server.ts";
import { CODES, toRpcError } from "../wire/codes.ts";
import { batchFault, normalizeMessage } from "../wire/lenient.ts";
import { negotiateRevision } from "../wire/mcp.ts";
import { checkEnvelope, errorResponseId, type RequestId, responseTo } from "../wire/rpc.ts";
import { plainAccept } from "./media_types.ts";
import type { Principal } from "./principal.ts";

/** A client of Streamable HTTP that wants to attach. */
export interface HttpClient {
  /** The one server it wants; undefined for the merged catalog. */
  server?: string;
  /** Its working directory, if it told. */
  cwd?: string;
  /** The daemons by which it comes. */
  via?: readonly string[];
  principal: Principal;
}

interface McpEndpointOptions {
  /** Largest body accepted. */
  maxFrameBytes: number;
  maxConnections: number;
  /** Which daemon this is, to refuse what comes from itself. */
  daemonId: string;
  /** The bound on what is held for all clients together. */
  budget?: ByteBudget;
  /** Makes the transport of a session that is about to begin. */
  open(client: HttpClient): HttpServerTransport;
}

/** How a request came. */
interface Approach {
  /** The one server its path names; undefined for the merged catalog. */
  server?: string;
  /** Resolves when the response has been sent. */
  completed: Promise<void>;
  /** On whose behalf; a session is there only for the one that opened it. */
  principal: Principal;
}

interface OpenSession extends Pick<Approach, "server"> {
  /** The id of its principal. */
  owner: string;
  /** As its client has asked for it. */
  revision: string;
  transport: HttpServerTransport;
}

/** The header by which a client may tell its working directory, percent-encoded; MCP has no word for it. */
const CWD_HEADER = "x-exai-cwd";

/**
 * The Streamable HTTP door (MCP basic/transports): leads each request to the transport of its session. The guard has
 * been passed, and the server is known, when it is asked.
 */
export class McpEndpoint {
  readonly #options: McpEndpointOptions;
  /** By the key its client was given, the least recently used first. */
  readonly #sessions = new Map<string, OpenSession>();

  constructor(options: McpEndpointOptions) {
    this.#options = options;
  }

  /** Answers one request; what is wrong with it is answered as a JSON-RPC error. */
  async handle(request: Request, how: Approach): Promise<Response> {
    try {
      const exchange: HttpExchange = { completed: how.completed };
      if (request.method === "POST") {
        const { value, bytes } = await readJsonBody(request, {
          maxBytes: this.#options.maxFrameBytes,
          budget: this.#options.budget,
        });
        Object.assign(exchange, { body: Array.isArray(value) ? value : single(value), bodyBytes: bytes });
      }
      plainAccept(request);
      const id = request.headers.get("mcp-session-id");
      if (id === null) return await this.#begin(request, exchange, how);
      const session = this.#find(id, how);
      if (Array.isArray(exchange.body)) exchange.body = batch(exchange.body, request, session);
      return await session.transport.handle(request, exchange);
    } catch (thrown) {
      return thrown instanceof BadMessage ? rpcRefusal(thrown.error, thrown.id) : rpcRefusal(thrown);
    }
  }

  // To another principal a session is not there, whatever it knows of it.
  #find(id: string, { server, principal }: Approach): OpenSession {
    const session = this.#sessions.get(id);
    if (!session || session.server !== server || !isSamePrincipal(session.owner, principal.id)) {
      const why =
        "it has ended, or the daemon has been started anew; initialize again without Mcp-Session-Id";
      throw new ExaiError("RESOURCE_NOT_FOUND", `there is no such session here: ${why}`);
    }
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    return session;
  }

  async #begin(request: Request, exchange: HttpExchange, { server, principal }: Approach): Promise<Response> {
    if (!["POST", "GET", "DELETE"].includes(request.method)) return methodNotAllowed();
    if (!isObject(exchange.body) || exchange.body.method !== "initialize") {
      throw new ExaiError("INVALID_REQUEST", "Mcp-Session-Id is missing: only initialize is sent without it");
    }
    const via = parseVia(request.headers.get(VIA_HEADER));
    assertNoLoop(via, this.#options.daemonId);
    await this.#makeRoom();
    const transport = this.#options.open({ server, cwd: cwdOf(request), via, principal });
    await transport.start();
    const response = await transport.handle(request, exchange);
    const id = transport.sessionId;
    if (id === undefined) return response.status === 400 ? badInitialize(exchange.body.id) : response;
    const { params } = exchange.body;
    const revision = negotiateRevision(isObject(params) ? params.protocolVersion : undefined);
    this.#sessions.set(id, { transport, server, owner: principal.id, revision });
    transport.closed.then(() => this.#sessions.delete(id));
    return response;
  }

  /** Clients of HTTP often go without a word: at the limit the one that has been silent longest makes room. */
  async #makeRoom(): Promise<void> {
    if (this.#sessions.size < this.#options.maxConnections) return;
    for (const { transport } of this.#sessions.values()) {
      if (transport.streams === 0) return await transport.close();
    }
    throw new ExaiError("OVER_CAPACITY", "too many sessions", { retryAfterMs: 1000 });
  }
}

/** A body that is no message, and the id its refusal is to have. */
class BadMessage extends Error {
  readonly id: RequestId | null;
  readonly error: ExaiError;

  constructor(value: unknown, why: string) {
    super(why);
    this.id = isObject(value) ? errorResponseId(value.id) : null;
    this.error = new ExaiError("INVALID_REQUEST", why);
  }
}

/** One message as it is meant; what is wrong with it is said as at the other doors. */
function single(value: Json): Json {
  if (!isObject(value)) throw new BadMessage(value, "a body must hold one JSON object");
  const meant = normalizeMessage(value);
  const message = checkEnvelope(meant);
  if (typeof message === "string") throw new BadMessage(value, message);
  return meant;
}

function batch(messages: readonly Json[], { headers }: Request, { revision }: OpenSession): Json[] {
  const why = batchFault(messages, headers.get("mcp-protocol-version") ?? revision);
  if (why !== undefined) throw new BadMessage(messages, why);
  return messages.map(single);
}

function cwdOf(request: Request): string | undefined {
  const told = request.headers.get(CWD_HEADER) || undefined;
  try {
    return told && decodeURIComponent(told);
  } catch {
    return told;
  }
}

function badInitialize(id: unknown): Response {
  const why =
    "initialize needs an id and the params protocolVersion, capabilities and clientInfo {name, version}";
  return rpcRefusal(new ExaiError("INVALID_PARAMS", why), id);
}

/** Whatever was thrown as an HTTP response that carries a JSON-RPC error. */
export function rpcRefusal(thrown: unknown, id: unknown = null): Response {
  const error = ExaiError.from(thrown);
  const known = typeof id === "string" || typeof id === "number" ? id : null;
  const body = responseTo(known, { error: toRpcError(error) });
  return Response.json(body, { status: CODES[error.code].http });
}

function methodNotAllowed(): Response {
  return new Response(null, { status: 405, headers: { allow: "POST, GET, DELETE" } });
}
