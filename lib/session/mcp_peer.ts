import { type ErrorCode, ExaiError } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { KIB } from "../base/units.ts";
import type { AskOptions, Target } from "../call/call.ts";
import { jsonChars } from "../transport/message_size.ts";
import { wellFormedCapabilities } from "../wire/client_capabilities.ts";
import { idInUse, toRpcError } from "../wire/codes.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import { isModern } from "../wire/client_claim.ts";
import { legacyCodec } from "../wire/legacy_codec.ts";
import { batchFault } from "../wire/lenient.ts";
import {
  implementationOf,
  isSubscriptionMethod,
  LOG_LEVELS,
  negotiateRevision,
  progressTokenOf,
  reachesLevel,
  replayOf,
  withTokenText,
} from "../wire/mcp.ts";
import type { RequestRef } from "../wire/message_text.ts";
import type { RawMessage, RawNotification, RawRequest } from "../wire/raw_message.ts";
import { memberOf, type Params, type RawObject } from "../wire/raw_object.ts";
import { type InvalidReading, readClientText } from "../wire/raw_reader.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import { charged, type HoldCharge, MIN_CHARGED_BYTES } from "./charged.ts";
import type { MessageSink } from "./message_sink.ts";
import type { ModernPeer } from "./modern_peer.ts";
import { ModernRequests, withoutClaimError } from "./modern_requests.ts";
import { ServerRequests } from "./server_requests.ts";
import type { ClientPeer, Session } from "./session.ts";
import { changeSubscription } from "./subscription_request.ts";
import { withdrawalOf, withdrawnId } from "./withdrawal.ts";

/** `clientInfo` and `capabilities`, which are kept as long as the session and sent to servers. */
const MAX_CLIENT_INFO_CHARS = 64 * KIB;

interface PeerHooks {
  target: Target;
  /** Called for a notification of the client that belongs to no call. */
  onNotification(method: string, params: Params): void;
  /** Answers requests of the modern era; undefined where they are taken for those of the legacy era. */
  modern?: ModernPeer;
}

/** Speaks MCP with the client of one session (MCP basic, lifecycle, utilities), over any transport. */
export class McpPeer implements ClientPeer {
  readonly #session: Session;
  readonly #sink: MessageSink;
  readonly #hooks: PeerHooks;
  readonly #requests: ServerRequests;
  /** Requests the client has cancelled, which get no response (MCP basic/utilities/cancellation). */
  readonly #cancelled = new Set<RequestId>();
  readonly #modern: ModernRequests | undefined;

  constructor(session: Session, sink: MessageSink, hooks: PeerHooks) {
    this.#session = session;
    this.#sink = sink;
    this.#hooks = hooks;
    this.#modern = hooks.modern && new ModernRequests(hooks.modern, sink, session);
    this.#requests = new ServerRequests((message, options) => sink.send(message, options));
    session.bindPeer(this);
    const onEnded = () => this.#requests.close(session.ended.reason);
    session.ended.addEventListener("abort", onEnded, { once: true });
  }

  /**
   * Handles one message of the client. Never throws.
   *
   * @param bytes its size, charged to the byte budget while the request runs
   */
  receive(message: RawMessage, bytes = 0): void {
    try {
      if (message.kind === "response") this.#requests.handleResponse(message);
      else if (message.kind === "notification") this.#handleNotification(message);
      else this.#handleRequest(message, bytes).catch((thrown) => this.#failRequest(message, thrown));
    } catch (thrown) {
      logHandlerError("a message of a client", thrown);
    }
  }

  /** Answers a request whose handling threw, so that the client does not wait for it. */
  #failRequest(request: RawRequest, thrown: unknown): void {
    logHandlerError("a request of a client", thrown);
    this.#cancelled.delete(request.id);
    this.#sink.respond(request, { error: toRpcError(thrown) });
  }

  /** Handles the messages of a batch, in revisions of MCP that have batches. */
  receiveBatch(texts: readonly string[]): void {
    const why = batchFault(texts, this.#session.revision);
    if (why !== undefined) return this.#rejectWithoutId("INVALID_REQUEST", why);
    for (const text of texts) {
      const reading = readClientText(text);
      if (reading.kind === "message") this.receive(reading.message, text.length);
      else if (reading.kind === "invalid") this.rejectMessage(reading);
      else this.#rejectWithoutId("INVALID_REQUEST", "a message must be a JSON object");
    }
  }

  /** Answers text that is no JSON-RPC message. */
  rejectText(message: string): void {
    this.#rejectWithoutId("PARSE_ERROR", message);
  }

  #rejectWithoutId(code: ErrorCode, message: string): void {
    this.#sink.respond(undefined, { error: toRpcError(new ExaiError(code, message)) });
  }

  /** Sends a notification that belongs to no call: `notifications/tools/list_changed`. */
  notify(method: string, params?: Params): void {
    if (this.#wants(method, params)) this.#sink.send({ method, params }, {});
  }

  /** Sends a request that belongs to no call: `roots/list`. */
  ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    return this.#requests.request({ method, params }, options);
  }

  /** Handled as if the client had just changed its roots. */
  rootsChanged(): void {
    this.#hooks.onNotification("notifications/roots/list_changed", {});
  }

  /** Answers a message that is invalid as a whole. */
  rejectMessage({ why, isResponse, id, idText }: Omit<InvalidReading, "kind" | "object">): void {
    // A response is never answered: its id is the daemon's, and the client may use the same id itself.
    if (isResponse) return this.#requests.rejectMalformed(id, why);
    const error = toRpcError(new ExaiError("INVALID_REQUEST", why));
    if (id === null) this.#sink.respond(undefined, { error });
    else if (this.#isRunning(id)) {
      this.#sink.rejectDuplicate({ id, idText }, { error });
    } else this.#sink.respond({ id, idText }, { error });
  }

  async #handleRequest(request: RawRequest, bytes: number): Promise<void> {
    this.#session.touch();
    const { id } = request;
    // Checked first: what is recorded under an id is recorded of the running call.
    if (this.#isRunning(id)) return this.#rejectDuplicate(request);
    const modern = isModern(request.body) ? this.#modern : undefined;
    const result = request.method === "ping" && !modern
      ? { result: {} }
      : await (bytes < MIN_CHARGED_BYTES
        ? this.#run(request, modern)
        : charged(this.#session, bytes, (hold) => this.#run(request, modern, hold)));
    if (this.#cancelled.delete(id)) this.#sink.abandon(id);
    else this.#sink.respond(request, modern ? result : legacyCodec.encodeAnswer(result, request));
  }

  #isRunning(id: RequestId): boolean {
    return this.#session.calls.has(id) || this.#modern?.has(id) === true;
  }

  #rejectDuplicate(request: RequestRef): void {
    this.#sink.rejectDuplicate(request, { error: toRpcError(idInUse(request.id)) });
  }

  // Without a promise of its own, as what it calls for a tool.
  #run(request: RawRequest, modern?: ModernRequests, hold?: HoldCharge): Promise<Result> | Result {
    if (modern) return modern.answer(request, hold);
    const refusal = this.#refusalOf(request.method) ?? this.#recordClientState(request);
    if (refusal) return { error: toRpcError(refusal) };
    if (isSubscriptionMethod(request.method)) {
      return changeSubscription(request, {
        quota: this.#session.subscriptions,
        call: () => this.#call(request),
        notify: (method, params) => this.notify(method, params),
      });
    }
    return this.#call(request);
  }

  #refusalOf(method: string): ExaiError | undefined {
    const refusal = legacyCodec.refusalOf(method);
    // Once the client has initialized, what is not of its revision is not known.
    const isOfNone = refusal && this.#modern && this.#session.revision === undefined;
    return isOfNone ? withoutClaimError(method) : refusal;
  }

  #call(request: RawRequest): Promise<Result> | Result {
    const { id, method } = request;
    let token;
    try {
      token = progressTokenOf(request.body);
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    }
    if (method === "tools/call") this.#session.callCount++;
    this.#session.retryOverdueRoots();
    return this.#session.calls.run(
      {
        id,
        method,
        params: request.body ?? {},
        progressToken: token?.value,
        begin: isIdempotent(method) ? undefined : (options) => this.#sink.markBegun?.(id, options),
        notify: (method, params) => this.#notifyAbout(id, { method, params, token: token?.text }),
        ask: (method, params, options) => this.#requests.request({ method, params, relatedTo: id }, options),
      },
      this.#session,
      this.#hooks.target,
    );
  }

  /** Records what a request says about its client; returns what is invalid in it. */
  #recordClientState({ method, body }: RawRequest): ExaiError | undefined {
    const fault = method === "initialize"
      ? this.#initialize(body?.value ?? {})
      : method === "logging/setLevel"
      ? this.#setLevel(body?.get("level"))
      : undefined;
    return fault === undefined ? undefined : new ExaiError("INVALID_PARAMS", fault);
  }

  #setLevel(asked: Json | undefined): string | undefined {
    const level = LOG_LEVELS.find((one) => one === asked);
    if (level === undefined) return `level must be one of ${LOG_LEVELS.join(", ")}`;
    this.#session.logLevel = level;
    return undefined;
  }

  #initialize(params: JsonObject): string | undefined {
    const { protocolVersion, clientInfo, capabilities } = params;
    if (jsonChars([clientInfo, capabilities], MAX_CLIENT_INFO_CHARS) === Infinity) {
      return `clientInfo and capabilities may hold ${MAX_CLIENT_INFO_CHARS} characters at most`;
    }
    this.#session.revision = negotiateRevision(protocolVersion);
    this.#session.output.forgetUnknown();
    this.#session.capabilities = wellFormedCapabilities(isObject(capabilities) ? capabilities : {});
    // What is told now already obeys it, before the shim repeats `logging/setLevel` too.
    const replay = replayOf(params);
    this.#session.logLevel = replay?.logLevel ?? this.#session.logLevel;
    this.#session.subscriptions.restoring = replay?.subscriptions ?? 0;
    if (isObject(clientInfo)) this.#session.client = implementationOf(clientInfo);
    return undefined;
  }

  /** Sends a notification about the request `relatedTo`; progress under the token it came with. */
  #notifyAbout(
    relatedTo: RequestId,
    { method, params, token }: { method: string; params: Params; token: string | undefined },
  ): void {
    const isProgress = method === "notifications/progress" && token !== undefined;
    if (!this.#wants(method, params)) return;
    this.#sink.send({ method, params: isProgress ? withTokenText(params, token) : params }, { relatedTo });
  }

  // Without logging/setLevel the server decides what it sends (MCP server/utilities/logging): everything.
  #wants(method: string, params: Params | undefined): boolean {
    if (!legacyCodec.hasNotification(method)) return false;
    const wanted = this.#session.logLevel;
    if (wanted === undefined || method !== "notifications/message") return true;
    return reachesLevel(params && memberOf(params, "level"), wanted);
  }

  #handleNotification({ method, body }: RawNotification): void {
    this.#session.touch();
    // In the modern era there is but one notification of clients, which may say its era or not.
    if (this.#modern && method !== "notifications/cancelled" && isModern(body)) return;
    switch (method) {
      case "notifications/initialized":
        this.#session.sendNotice();
        break;
      case "notifications/cancelled":
        return this.#cancel(body);
      case "notifications/progress":
        return this.#requests.handleProgress(body ?? {});
      case "notifications/roots/list_changed":
        // Synchronous: the next call already runs with the new roots.
        if (this.#session.ended.aborted) return;
        this.#session.forgetRoots();
    }
    this.#hooks.onNotification(method, body ?? {});
  }

  #cancel(params: RawObject | undefined): void {
    const id = withdrawnId(params);
    if (id === undefined) return;
    const reason = withdrawalOf(params);
    const wasRunning = this.#modern?.cancel(id, reason) || this.#session.calls.cancel(id, reason);
    if (wasRunning) this.#cancelled.add(id);
  }
}
