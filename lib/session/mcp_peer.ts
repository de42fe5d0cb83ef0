import { type ErrorCode, ExaiError } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { KIB } from "../base/units.ts";
import type { AskOptions, BeginOptions, Target } from "../call/call.ts";
import { GivenUp } from "../call/wait.ts";
import { jsonChars } from "../transport/message_size.ts";
import { idInUse, toRpcError } from "../wire/codes.ts";
import {
  implementationOf,
  LOG_LEVELS,
  type LogLevel,
  negotiateRevision,
  progressTokenOf,
  replayOf,
} from "../wire/mcp.ts";
import { batchFault, normalizeMessage } from "../wire/lenient.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import {
  checkEnvelope,
  errorResponseId,
  MAX_ID_CHARS,
  type RequestId,
  responseTo,
  type Result,
  type RpcRequest,
  type RpcResponse,
} from "../wire/rpc.ts";
import { callBudgetExceeded, MIN_CHARGED_BYTES } from "./active_calls.ts";
import { type SendToClient, ServerRequests } from "./server_requests.ts";
import type { ClientPeer, Session } from "./session.ts";

/** `clientInfo` and `capabilities`, which are kept as long as the session and sent to servers. */
const MAX_CLIENT_INFO_CHARS = 64 * KIB;

/**
 * The reason of a client whose own time was up, and not of a user who no longer wants the answer. MCP has no code for
 * it: the SDKs write theirs, -32001 (TypeScript), "request timeout" (rmcp) or "context deadline exceeded" (Go), the shim
 * "not answered in time".
 */
const TIMED_OUT = /-32001|timed?[ -]?out|deadline|not answered in time/i;

/** Where the peer's messages go: a connection, or the streams of an HTTP session. */
export interface MessageSink {
  /** Sends the response to the request `id`; null when the request's id could not be read. */
  respond(id: RequestId | null, response: RpcResponse): void;
  /** Sends the error of a request that reuses the id of a running call, which gets its own response. */
  rejectDuplicate(id: RequestId, response: RpcResponse): void;
  /** Sends a request or notification. */
  send: SendToClient;
  /** The request `id` was cancelled and gets no response. */
  abandon(id: RequestId): void;
  /** The request `id` begins to do what must not be done twice. */
  markBegun?(id: RequestId, options?: BeginOptions): void;
}

interface PeerHooks {
  target: Target;
  /** Called for a notification of the client that belongs to no call. */
  onNotification(method: string, params: JsonObject): void;
}

/** Speaks MCP with the client of one session (MCP basic, lifecycle, utilities), over any transport. */
export class McpPeer implements ClientPeer {
  readonly #session: Session;
  readonly #sink: MessageSink;
  readonly #hooks: PeerHooks;
  readonly #requests: ServerRequests;
  /** Requests the client has cancelled, which get no response (MCP basic/utilities/cancellation). */
  readonly #cancelled = new Set<RequestId>();

  constructor(session: Session, sink: MessageSink, hooks: PeerHooks) {
    this.#session = session;
    this.#sink = sink;
    this.#hooks = hooks;
    this.#requests = new ServerRequests((message, options) => sink.send(message, options));
    session.bindPeer(this);
    const onEnded = () => this.#requests.close(session.ended.reason);
    session.ended.addEventListener("abort", onEnded, { once: true });
  }

  /**
   * Handles one parsed message of the client. Never throws: an invalid message is answered with an error.
   *
   * @param bytes its size, charged to the byte budget while the request runs
   */
  receive(value: JsonObject, bytes = 0): void {
    try {
      const message = checkEnvelope(normalizeMessage(value));
      if (typeof message === "string") return this.rejectMessage(value, message);
      if (!("method" in message)) this.#requests.handleResponse(message);
      else if ("id" in message) {
        this.#handleRequest(message, bytes).catch((thrown) => this.#failRequest(message, thrown));
      } else this.#handleNotification(message.method, message.params ?? {});
    } catch (thrown) {
      logHandlerError("a message of a client", thrown);
    }
  }

  /** Answers a request whose handling threw, so that the client does not wait for it. */
  #failRequest({ id }: RpcRequest, thrown: unknown): void {
    logHandlerError("a request of a client", thrown);
    this.#cancelled.delete(id);
    this.#sink.respond(id, responseTo(id, { error: toRpcError(thrown) }));
  }

  /** Handles the messages of a batch, in revisions of MCP that have batches. */
  receiveBatch(batch: readonly Json[], bytes = 0): void {
    const why = batchFault(batch, this.#session.revision);
    if (why !== undefined) return this.#rejectWithoutId("INVALID_REQUEST", why);
    for (const value of batch) {
      if (isObject(value)) this.receive(value, Math.ceil(bytes / batch.length));
      else this.#rejectWithoutId("INVALID_REQUEST", "a message must be a JSON object");
    }
  }

  /** Answers text that is no JSON-RPC message. */
  rejectText(message: string): void {
    this.#rejectWithoutId("PARSE_ERROR", message);
  }

  #rejectWithoutId(code: ErrorCode, message: string): void {
    this.#sink.respond(null, responseTo(null, { error: toRpcError(new ExaiError(code, message)) }));
  }

  /** Sends a notification that belongs to no call: `notifications/tools/list_changed`. */
  notify(method: string, params?: JsonObject): void {
    if (method === "notifications/message" && !this.#wantsLog(params?.level)) return;
    this.#sink.send({ jsonrpc: "2.0", method, ...(params ? { params } : {}) }, {});
  }

  /** Sends a request that belongs to no call: `roots/list`. */
  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result> {
    return this.#requests.request({ method, params }, options);
  }

  /** Handled as if the client had just changed its roots. */
  rootsChanged(): void {
    this.#hooks.onNotification("notifications/roots/list_changed", {});
  }

  /** Answers a message that is invalid as a whole. */
  rejectMessage(value: JsonObject, why: string): void {
    // A response is never answered: its id is the daemon's, and the client may use the same id itself.
    if (value.method === undefined && ("result" in value || "error" in value)) {
      return this.#requests.rejectMalformed(value.id, why);
    }
    const id = errorResponseId(value.id);
    const error = toRpcError(new ExaiError("INVALID_REQUEST", why));
    const response = responseTo(id, { error });
    if (id !== null && this.#session.calls.has(id)) this.#sink.rejectDuplicate(id, response);
    else this.#sink.respond(id, response);
  }

  async #handleRequest(request: RpcRequest, bytes: number): Promise<void> {
    const params = request.params ?? {};
    this.#session.touch();
    // Checked first: what is recorded under an id is recorded of the running call.
    if (this.#session.calls.has(request.id)) return this.#rejectDuplicate(request.id);
    const result = request.method === "ping"
      ? { result: {} }
      : await this.#runCharged(request, params, bytes);
    if (this.#cancelled.delete(request.id)) this.#sink.abandon(request.id);
    else this.#sink.respond(request.id, responseTo(request.id, result));
  }

  #rejectDuplicate(id: RequestId): void {
    this.#sink.rejectDuplicate(id, responseTo(id, { error: toRpcError(idInUse(id)) }));
  }

  /** Runs the request with its size charged to the byte budget. */
  async #runCharged(request: RpcRequest, params: JsonObject, bytes: number): Promise<Result> {
    const { budget } = this.#session;
    if (bytes < MIN_CHARGED_BYTES) return await this.#run(request, params);
    if (!budget.tryTakeCall(bytes, this.#session)) return { error: toRpcError(callBudgetExceeded()) };
    try {
      return await this.#run(request, params);
    } finally {
      budget.giveBackCall(bytes, this.#session);
    }
  }

  async #run(request: RpcRequest, params: JsonObject): Promise<Result> {
    const fault = this.#recordClientState(request.method, params);
    if (fault) return { error: toRpcError(new ExaiError("INVALID_PARAMS", fault)) };
    if (request.method === "resources/subscribe" || request.method === "resources/unsubscribe") {
      return await this.#subscribe(request, params);
    }
    return await this.#call(request, params);
  }

  /** Runs a (un)subscription with the session's quota: only successful ones count. */
  async #subscribe(request: RpcRequest, params: JsonObject): Promise<Result> {
    const { subscriptions } = this.#session;
    const uri = textOf(params.uri);
    if (uri === undefined) {
      return { error: toRpcError(new ExaiError("INVALID_PARAMS", "uri must be a text")) };
    }
    const isSubscribe = request.method === "resources/subscribe";
    let isNew = false;
    try {
      isNew = isSubscribe && subscriptions.add(uri);
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    }
    const result = await this.#call(request, params);
    const isOver = isSubscribe ? isNew && result.error : !result.error;
    if (isOver) subscriptions.remove(uri);
    return result;
  }

  async #call(request: RpcRequest, params: JsonObject): Promise<Result> {
    const { id, method } = request;
    if (method === "tools/call") this.#session.callCount++;
    this.#session.retryOverdueRoots();
    return await this.#session.calls.run(
      {
        id,
        method,
        params,
        progressToken: progressTokenOf(params),
        begin: isIdempotent(method) ? undefined : (options) => this.#sink.markBegun?.(id, options),
        notify: (method, params) => this.#notifyAbout(id, method, params),
        ask: (method, params, options) => this.#requests.request({ method, params, relatedTo: id }, options),
      },
      this.#session,
      this.#hooks.target,
    );
  }

  /** Records what a request says about its client; returns what is invalid in it. */
  #recordClientState(method: string, params: JsonObject): string | undefined {
    const token = progressTokenOf(params);
    if (typeof token === "string" && token.length > MAX_ID_CHARS) {
      return `progressToken may hold ${MAX_ID_CHARS} characters at most`;
    }
    if (method === "initialize") return this.#initialize(params);
    if (method === "logging/setLevel") {
      if (!LOG_LEVELS.includes(params.level as LogLevel)) {
        return `level must be one of ${LOG_LEVELS.join(", ")}`;
      }
      this.#session.logLevel = params.level as LogLevel;
    }
    return undefined;
  }

  #initialize(params: JsonObject): string | undefined {
    const { protocolVersion, clientInfo, capabilities } = params;
    if (jsonChars([clientInfo, capabilities], MAX_CLIENT_INFO_CHARS) === Infinity) {
      return `clientInfo and capabilities may hold ${MAX_CLIENT_INFO_CHARS} characters at most`;
    }
    this.#session.revision = negotiateRevision(protocolVersion);
    this.#session.output.forgetUnknown();
    this.#session.capabilities = isObject(capabilities) ? capabilities : {};
    // What is told now already obeys it, before the shim repeats `logging/setLevel` too.
    this.#session.logLevel = replayOf(params)?.logLevel ?? this.#session.logLevel;
    if (isObject(clientInfo)) this.#session.client = implementationOf(clientInfo);
    return undefined;
  }

  #notifyAbout(relatedTo: RequestId, method: string, params: JsonObject): void {
    if (method === "notifications/message" && !this.#wantsLog(params.level)) return;
    this.#sink.send({ jsonrpc: "2.0", method, params }, { relatedTo });
  }

  // Without logging/setLevel the server decides what it sends (MCP server/utilities/logging): everything.
  #wantsLog(level: unknown): boolean {
    const wanted = this.#session.logLevel;
    return wanted === undefined || LOG_LEVELS.indexOf(level as LogLevel) >= LOG_LEVELS.indexOf(wanted);
  }

  #handleNotification(method: string, params: JsonObject): void {
    this.#session.touch();
    switch (method) {
      case "notifications/initialized":
        this.#session.sendNotice();
        break;
      case "notifications/cancelled":
        return this.#cancel(params);
      case "notifications/progress":
        return this.#requests.handleProgress(params);
      case "notifications/roots/list_changed":
        // Synchronous: the next call already runs with the new roots.
        if (this.#session.ended.aborted) return;
        this.#session.forgetRoots();
    }
    this.#hooks.onNotification(method, params);
  }

  #cancel(params: JsonObject): void {
    const why = typeof params.reason === "string" ? params.reason : "no reason given";
    const message = `the client cancelled the call: ${why}`;
    const reason = TIMED_OUT.test(why)
      ? new GivenUp("timed_out", message)
      : new ExaiError("CANCELLED", message);
    const id = params.requestId as RequestId;
    if (this.#session.calls.cancel(id, reason)) this.#cancelled.add(id);
  }
}
