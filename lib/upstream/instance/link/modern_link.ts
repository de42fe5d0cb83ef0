import { ExaiError } from "../../../base/errors.ts";
import type { JsonObject } from "../../../base/json.ts";
import { visible } from "../../../base/visible.ts";
import type { Call, Caller, InputAnswers } from "../../../call/call.ts";
import { CODES } from "../../../wire/codes.ts";
import { type Implementation, type InitializeResult, isSubscriptionMethod } from "../../../wire/mcp.ts";
import { paramsOf } from "../../../wire/raw_edits.ts";
import { isInputRequired } from "../../../wire/raw_message.ts";
import type { Params } from "../../../wire/raw_object.ts";
import type { Result, RpcNotification, RpcRequest, RpcResponse } from "../../../wire/rpc.ts";
import { notificationOf } from "../../../wire/text_request.ts";
import type { Addressee, Attribution } from "../attribution.ts";
import type { UpstreamExchange } from "../exchange.ts";
import type { Inbound } from "../inbound.ts";
import type { Origin } from "../inflight.ts";
import { followTask, isTask } from "../../tasks/followed_task.ts";
import { fulfil } from "./input_rounds.ts";
import { Listens } from "./listens.ts";
import { answerOfHop } from "./modern_answer.ts";
import { modernParams, toldCapabilities, toldLevel } from "./modern_request.ts";
import { ModernResources } from "./modern_resources.ts";
import type { Subscriptions } from "../subscriptions.ts";
import type { ListenStream, ServerLink } from "./server_link.ts";

interface ModernLinkParts {
  /** The server's name. */
  name: string;
  description: InitializeResult;
  revision: string;
  clientInfo: Implementation;
  /** Client capabilities that its processes are told together: told when the daemon asks for itself. */
  capabilities: JsonObject;
  /** How long the server may take to answer the daemon itself, in milliseconds. */
  timeoutMs: number;
  exchange: UpstreamExchange;
  inbound: Inbound;
  attribution: Attribution;
  subscriptions: Subscriptions;
  log?(line: string): void;
  /** Changes that the server tells may have been missed. */
  onGap(): void;
  /** The server does not speak the revision any more. */
  onRevisionRefused(why: string): void;
}

/** Notifications of clients that no server of the modern era knows. */
const LEGACY_NOTIFICATIONS: readonly string[] = [
  "notifications/initialized",
  "notifications/progress",
  "notifications/roots/list_changed",
  "notifications/tasks/status",
];

/**
 * Speaks with a server of the modern era: each request says for itself who sends it, what its client can do and which log
 * messages it wants, and what the server wants to know is in its answers. Windows that can do different things share a
 * process, and what it asks is always about one of their calls.
 */
export class ModernLink implements ServerLink {
  readonly era = "modern";
  readonly asksBesideCalls = false;
  readonly description: InitializeResult;
  readonly revision: string;
  readonly #parts: ModernLinkParts;
  readonly #listens: Listens;
  readonly #resources: ModernResources;

  constructor(parts: ModernLinkParts) {
    this.#parts = parts;
    this.description = parts.description;
    this.revision = parts.revision;
    const { exchange, name, timeoutMs } = parts;
    exchange.dialect = {
      paramsOf: (call, params) => modernParams(params, this.#envelopeOf(call), call.answers),
      closesStreams: true,
    };
    this.#listens = new Listens({ name, timeoutMs, exchange });
    this.#resources = new ModernResources({
      ...parts,
      capabilities: parts.description.capabilities,
      open: (...stream) => this.openListen(...stream),
    });
    this.#resources.start();
  }

  async call(call: Call): Promise<Result> {
    switch (call.method) {
      case "ping":
        return await this.#pong();
      case "logging/setLevel":
        // Told with each request.
        return { result: {} };
      case "resources/subscribe":
      case "resources/unsubscribe":
        return await this.#resources.subscribe(call);
    }
    const answer = await this.#answerOf(call);
    return isTask(answer) ? await this.#follow(call, answer) : answer;
  }

  readonly joinsOthers = isSubscriptionMethod;

  async #answerOf(call: Call): Promise<Result> {
    // What comes of questions is sent again below: it depends on their answers, and is not kept.
    const send = () => this.#send(call);
    const answer = await (call.method === "resources/read" ? this.#resources.read(call, send) : send());
    // A client of the same era is told what the server needs, and repeats its request.
    const canRepeat = call.caller.era === "modern" && !call.early?.isGiven;
    if (!isInputRequired(answer) || canRepeat) return answer;
    return await fulfil(call, answer, { server: this.#parts.name, send: (retry) => this.#send(retry) });
  }

  /** Clients get a task of the daemon's, or the result: the server's own is known to this connection alone. */
  #follow(call: Call, task: Result): Promise<Result> {
    const { name: server, exchange, timeoutMs } = this.#parts;
    const { capabilities } = call.caller;
    const ask = async (method: string, params: JsonObject, answers?: InputAnswers) => {
      const sent = modernParams(params, this.#envelopeOf(call), answers) as JsonObject;
      const answer = await exchange.ask(method, sent, timeoutMs);
      return answer.error ? this.#checked(answer, { method, capabilities }) : answer;
    };
    return followTask(call, task, { server, ask, isOpen: () => exchange.isOpen });
  }

  async ask(method: string, params: JsonObject, timeoutMs: number): Promise<Result> {
    if (isSubscriptionMethod(method)) {
      return await this.#resources.ask(method, String(params.uri));
    }
    const answer = await this.#parts.exchange.ask(method, this.#ownParams(params), timeoutMs);
    const { capabilities } = this.#parts;
    return this.#checked(answer, { method, capabilities });
  }

  ping(timeoutMs: number): Promise<unknown> {
    return this.ask("server/discover", {}, timeoutMs);
  }

  async #pong(): Promise<Result> {
    const { error } = await this.ask("server/discover", {}, this.#parts.timeoutMs);
    return error ? { error } : { result: {} };
  }

  receive(message: RpcRequest | RpcNotification, origin: Origin | undefined): void {
    const { inbound, log } = this.#parts;
    const { method } = message;
    if ("id" in message) {
      // Nor may it be answered (MCP basic/transports/stdio, sending messages).
      return log?.(
        `${new Date().toISOString()} (sent the request ${visible(method)}, which servers may not)`,
      );
    }
    const params = paramsOf(message) ?? {};
    if (this.#listens.take(method, params)) return;
    if (method === "notifications/cancelled") return this.#listens.cancelled(params);
    const isLog = method === "notifications/message" && !origin;
    inbound.receive(message, isLog ? { to: this.#logAddressee() } : origin);
  }

  /** Log messages name no request: they are about the calls that asked for some, if these are of one session. */
  #logAddressee(): Addressee | undefined {
    const calls = [...this.#parts.attribution.runningCalls()].filter((call) => toldLevel(call) !== undefined);
    const last = calls.at(-1);
    return last && calls.every(({ caller }) => caller === last.caller)
      ? { caller: last.caller, call: last }
      : undefined;
  }

  settle(response: RpcResponse): boolean {
    return this.#listens.settle(response.id, response);
  }

  notify(_caller: Caller, method: string, params: Params): void {
    if (!LEGACY_NOTIFICATIONS.includes(method)) this.#parts.exchange.send(notificationOf(method, params));
  }

  /** It is told with each request what the request's client wants. */
  sessionsChanged(): void {}

  stop(reason: ExaiError): void {
    this.#resources.stop(reason);
    this.#listens.endAll(reason);
  }

  openListen(filter: JsonObject, deliver: (method: string, params: Params) => void): Promise<ListenStream> {
    return this.#listens.open(this.#ownParams({ notifications: filter }), deliver);
  }

  async #send(call: Call): Promise<Result> {
    const { capabilities } = call.caller;
    const answer = await this.#parts.exchange.forward(call);
    const { method } = call;
    return this.#checked(answer, { method, capabilities });
  }

  /** @throws {ExaiError} `UPSTREAM_UNAVAILABLE` where the server does not speak the revision any more */
  #checked(answer: Result, about: { method: string; capabilities: JsonObject }): Result {
    const { name } = this.#parts;
    if (answer.error?.code !== CODES.UNSUPPORTED_REVISION.rpc) {
      return answerOfHop(answer, { ...about, server: name });
    }
    const why = `it does not speak MCP ${this.revision} any more (${answer.error.message})`;
    this.#parts.onRevisionRefused(why);
    throw new ExaiError("UPSTREAM_UNAVAILABLE", `server "${name}": ${why}; call again`, {
      details: { server: name, outcome: "not_run" },
    });
  }

  #envelopeOf(call: Call) {
    const { clientInfo } = this.#parts;
    const capabilities = toldCapabilities(call.caller);
    return { revision: this.revision, clientInfo, capabilities, logLevel: toldLevel(call) };
  }

  #ownParams(params: JsonObject): JsonObject {
    const { clientInfo, capabilities } = this.#parts;
    const { revision } = this;
    return modernParams(params, { revision, clientInfo, capabilities, logLevel: undefined }) as JsonObject;
  }
}
