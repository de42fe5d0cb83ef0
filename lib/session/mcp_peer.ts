import { type ErrorCode, ExaiError } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { KIB, SECOND_MS } from "../base/units.ts";
import type { AskOptions, Target } from "../call/call.ts";
import { jsonChars } from "../transport/message_size.ts";
import { idInUse, toRpcError } from "../wire/codes.ts";
import {
  implementationOf,
  LOG_LEVELS,
  type LogLevel,
  negotiateRevision,
  progressTokenOf,
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
  type RpcMessage,
  type RpcRequest,
  type RpcResponse,
} from "../wire/rpc.ts";
import { Asks } from "./asks.ts";
import type { OnLost } from "./outbound_messages.ts";
import type { Session, Speaker } from "./session.ts";

/** What a client says of itself is kept as long as its session, and told to servers. */
const MAX_ABOUT_CHARS = 64 * KIB;

/** What a request carries is counted from this size on. */
export const MIN_COUNTED_BYTES = 4 * KIB;

/** Where the peer's messages go: a connection, or the streams of an HTTP session. */
export interface PeerOutlet {
  /** The answer to the client's request `id`; `id` is null when the request's could not be read. */
  answer(id: RequestId | null, response: RpcResponse): void;
  /** The answer to a request whose id a running call has; that call is answered apart from it. */
  refuseTwin(id: RequestId, response: RpcResponse): void;
  /** A request or notification; `relatedTo` is the client's request it belongs to. */
  post(message: RpcMessage, options: PostOptions): void;
  /** The request `id` was cancelled and gets no answer. */
  abandon(id: RequestId): void;
  /** The request `id` has begun to do what must not be done twice. */
  began?(id: RequestId): void;
}

interface PostOptions {
  relatedTo?: RequestId;
  /** Told when the client never had the message and will not have it. */
  onlost?: OnLost;
}

/** What the peer hands on. */
interface PeerHooks {
  target: Target;
  /** A notification of the client that belongs to no call. */
  onNotification(method: string, params: JsonObject): void;
}

/** Speaks MCP with the client of one session (MCP basic, lifecycle, utilities), whatever carries the messages. */
export class McpPeer implements Speaker {
  readonly #session: Session;
  readonly #outlet: PeerOutlet;
  readonly #hooks: PeerHooks;
  readonly #asks: Asks;
  /** Requests the client has cancelled: it wants no answer to them (MCP basic/utilities/cancellation). */
  readonly #cancelled = new Set<RequestId>();

  constructor(session: Session, outlet: PeerOutlet, hooks: PeerHooks) {
    this.#session = session;
    this.#outlet = outlet;
    this.#hooks = hooks;
    this.#asks = new Asks((message, options) => outlet.post(message, options));
    session.speaker = this;
    session.ended.addEventListener("abort", () => {
      this.#asks.end(session.ended.reason);
    }, { once: true });
  }

  /** Takes one parsed message of the client, of a size that is told where it matters. Never throws: what is wrong with it is answered. */
  receive(value: JsonObject, bytes = 0): void {
    try {
      const message = checkEnvelope(normalizeMessage(value));
      if (typeof message === "string") return this.refuseMessage(value, message);
      if (!("method" in message)) this.#asks.settle(message);
      else if ("id" in message) {
        this.#handleRequest(message, bytes).catch((thrown) => this.#giveUp(message, thrown));
      } else this.#handleNotification(message.method, message.params ?? {});
    } catch (thrown) {
      logHandlerError("a message of a client", thrown);
    }
  }

  /** The handling of a request itself has failed: its client is told so, as it may wait without end. */
  #giveUp({ id }: RpcRequest, thrown: unknown): void {
    logHandlerError("a request of a client", thrown);
    this.#cancelled.delete(id);
    this.#outlet.answer(id, responseTo(id, { error: toRpcError(thrown) }));
  }

  /** Takes the messages of one batch, of which some may be no messages, where the client's revision has batches. */
  receiveBatch(batch: readonly Json[], bytes = 0): void {
    const why = batchFault(batch, this.#session.revision);
    if (why !== undefined) return this.#refuseWithoutId("INVALID_REQUEST", why);
    for (const value of batch) {
      if (isObject(value)) this.receive(value, Math.ceil(bytes / batch.length));
      else this.#refuseWithoutId("INVALID_REQUEST", "a message must be a JSON object");
    }
  }

  /** Answers text that is no JSON-RPC message at all. */
  refuseText(message: string): void {
    this.#refuseWithoutId("PARSE_ERROR", message);
  }

  #refuseWithoutId(code: ErrorCode, message: string): void {
    this.#outlet.answer(null, responseTo(null, { error: toRpcError(new ExaiError(code, message)) }));
  }

  /** Sends the client a notification that belongs to no call: `notifications/tools/list_changed`. */
  notify(method: string, params?: JsonObject): void {
    if (method === "notifications/message" && !this.#wantsLog(params?.level)) return;
    this.#outlet.post({ jsonrpc: "2.0", method, ...(params ? { params } : {}) }, {});
  }

  /** Asks the client outside of any call, as for its roots. */
  ask(method: string, params: JsonObject, options?: AskOptions): Promise<Result> {
    return this.#asks.ask({ method, params }, options);
  }

  /** To its servers it is as if the client had just changed its roots: those of other sessions stay as they are. */
  rootsArrived(): void {
    this.#hooks.onNotification("notifications/roots/list_changed", {});
  }

  /** Refuses a message for what it is as a whole. */
  refuseMessage(value: JsonObject, why: string): void {
    // A response is never answered, not even a malformed one: its id is ours, and the client may use the same.
    if (value.method === undefined && ("result" in value || "error" in value)) {
      return this.#asks.refused(value.id, why);
    }
    const id = errorResponseId(value.id);
    const error = toRpcError(new ExaiError("INVALID_REQUEST", why));
    const response = responseTo(id, { error });
    if (id !== null && this.#session.calls.has(id)) this.#outlet.refuseTwin(id, response);
    else this.#outlet.answer(id, response);
  }

  async #handleRequest(request: RpcRequest, bytes: number): Promise<void> {
    const params = request.params ?? {};
    this.#session.touch();
    if (this.#session.calls.has(request.id)) return this.#refuseTwin(request.id);
    const result = request.method === "ping" ? { result: {} } : await this.#runWithin(request, params, bytes);
    if (this.#cancelled.delete(request.id)) this.#outlet.abandon(request.id);
    else this.#outlet.answer(request.id, responseTo(request.id, result));
  }

  // Before all else: what is noted of a request by its id is noted of the call that runs.
  #refuseTwin(id: RequestId): void {
    this.#outlet.refuseTwin(id, responseTo(id, { error: toRpcError(idInUse(id)) }));
  }

  /** Holds what the request carries within the bound on all, for as long as it waits and runs. */
  async #runWithin(request: RpcRequest, params: JsonObject, bytes: number): Promise<Result> {
    const { budget } = this.#session;
    if (bytes < MIN_COUNTED_BYTES) return await this.#run(request, params);
    if (!budget.tryTakeCall(bytes, this.#session)) return { error: toRpcError(tooMuchHeld()) };
    try {
      return await this.#run(request, params);
    } finally {
      budget.giveBackCall(bytes, this.#session);
    }
  }

  async #run(request: RpcRequest, params: JsonObject): Promise<Result> {
    const fault = this.#note(request.method, params);
    if (fault) return { error: toRpcError(new ExaiError("INVALID_PARAMS", fault)) };
    if (request.method === "resources/subscribe" || request.method === "resources/unsubscribe") {
      return await this.#subscribe(request, params);
    }
    return await this.#call(request, params);
  }

  /** Counts what the session is subscribed to; what it is refused, or gives up, counts no more. */
  async #subscribe(request: RpcRequest, params: JsonObject): Promise<Result> {
    const { subscriptions } = this.#session;
    const uri = textOf(params.uri);
    if (uri === undefined) {
      return { error: toRpcError(new ExaiError("INVALID_PARAMS", "uri must be a text")) };
    }
    const isWanted = request.method === "resources/subscribe";
    let isNew = false;
    try {
      isNew = isWanted && subscriptions.add(uri);
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    }
    const result = await this.#call(request, params);
    const isGone = isWanted ? isNew && result.error : !result.error;
    if (isGone) subscriptions.remove(uri);
    return result;
  }

  async #call(request: RpcRequest, params: JsonObject): Promise<Result> {
    const { id, method } = request;
    if (method === "tools/call") this.#session.callCount++;
    this.#session.remindOfRoots();
    return await this.#session.calls.run(
      {
        id,
        method,
        params,
        progressToken: progressTokenOf(params),
        begin: isIdempotent(method) ? undefined : () => this.#outlet.began?.(id),
        notify: (method, params) => this.#notifyAbout(id, method, params),
        ask: (method, params, options) => this.#asks.ask({ method, params, relatedTo: id }, options),
      },
      this.#session,
      this.#hooks.target,
    );
  }

  /** Keeps what a request says about its client. Returns what is wrong with it, if anything is. */
  #note(method: string, params: JsonObject): string | undefined {
    const token = progressTokenOf(params);
    if (typeof token === "string" && token.length > MAX_ID_CHARS) {
      return `progressToken may hold ${MAX_ID_CHARS} characters at most`;
    }
    if (method === "initialize") {
      const { clientInfo, capabilities } = params;
      if (jsonChars([clientInfo, capabilities], MAX_ABOUT_CHARS) === Infinity) {
        return `clientInfo and capabilities may hold ${MAX_ABOUT_CHARS} characters at most`;
      }
      this.#session.revision = negotiateRevision(params.protocolVersion);
      this.#session.mailbox.forgetLost();
      this.#session.capabilities = isObject(capabilities) ? capabilities : {};
      if (isObject(clientInfo)) this.#session.client = implementationOf(clientInfo);
    } else if (method === "logging/setLevel") {
      if (!LOG_LEVELS.includes(params.level as LogLevel)) {
        return `level must be one of ${LOG_LEVELS.join(", ")}`;
      }
      this.#session.logLevel = params.level as LogLevel;
    }
    return undefined;
  }

  #notifyAbout(relatedTo: RequestId, method: string, params: JsonObject): void {
    if (method === "notifications/message" && !this.#wantsLog(params.level)) return;
    this.#outlet.post({ jsonrpc: "2.0", method, params }, { relatedTo });
  }

  // Without logging/setLevel the server decides what it sends (MCP server/utilities/logging): all that comes here.
  #wantsLog(level: unknown): boolean {
    const wanted = this.#session.logLevel;
    return wanted === undefined || LOG_LEVELS.indexOf(level as LogLevel) >= LOG_LEVELS.indexOf(wanted);
  }

  #rootsChanged(method: string, params: JsonObject): void {
    if (this.#session.ended.aborted) return;
    this.#session.forgetRoots();
    this.#hooks.onNotification(method, params);
  }

  #handleNotification(method: string, params: JsonObject): void {
    this.#session.touch();
    if (method === "notifications/cancelled") {
      const why = typeof params.reason === "string" ? params.reason : "no reason given";
      const reason = new ExaiError("CANCELLED", `the client cancelled the call: ${why}`);
      const id = params.requestId as RequestId;
      if (this.#session.calls.cancel(id, reason)) this.#cancelled.add(id);
    } else if (method === "notifications/progress") {
      this.#asks.progress(params);
    } else {
      const isRoots = method === "notifications/roots/list_changed";
      // Not put off: a call that comes next is meant of the new roots.
      if (isRoots) this.#rootsChanged(method, params);
      else this.#hooks.onNotification(method, params);
    }
  }
}

export function tooMuchHeld(): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    "the calls that wait and run carry more than the daemon may hold (half of EXAI_MAX_HELD_BYTES); try again soon",
    { retryAfterMs: SECOND_MS },
  );
}
