import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { ownEntry } from "../base/own.ts";
import type { AskOptions, Call, Caller, Root } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import { toRpcError } from "../wire/codes.ts";
import { type RequestId, responseTo, type Result, type RpcMessage, type RpcRequest } from "../wire/rpc.ts";
import type { InFlightTable } from "./inflight.ts";
import { changedLists } from "./lists.ts";
import { createdTask, Owners, relatedTask, type TaskProgress } from "./owners.ts";
import type { Subscriptions } from "./subscriptions.ts";

const log = getLogger(["exai", "upstream"]);

/** What deciding where a message belongs needs to know of the instance it came from. */
export interface InboundContext {
  name: string;
  roots(): readonly Root[] | undefined;
  inflight: InFlightTable;
  attached: ReadonlyMap<string, Caller>;
  owners: Owners;
  progress: TaskProgress;
  subscriptions: Subscriptions;
  send(message: RpcMessage): void;
  onListChanged(kinds: readonly ListKind[]): void;
}

/** Questions of one server that are being answered. */
const MAX_ASKED = 256;

/** Where a message goes: the session it belongs to, by way of a call of it where one is known. */
type Addressee = { caller: Caller; call?: Call };

/** The client capability each request of a server needs. */
const NEEDED_CAPABILITY: Readonly<Record<string, string>> = {
  "sampling/createMessage": "sampling",
  "elicitation/create": "elicitation",
  "roots/list": "roots",
};

/**
 * What an upstream sends of its own accord, led to the one session it belongs to. A message that cannot be attributed
 * is dropped or refused: nothing is broadcast and nothing is guessed.
 */
export class Inbound {
  readonly #context: InboundContext;
  /** Questions of the upstream that a client is busy with. */
  readonly #asked = new Map<RequestId, AbortController>();
  /** Whose client runs a question of the upstream as a task. */
  readonly #clientTasks = new Owners();

  constructor(context: InboundContext) {
    this.#context = context;
  }

  receive(message: RpcMessage): void {
    if (!("method" in message)) return;
    if ("id" in message) this.#answer(message);
    else this.#deliver(message.method, message.params ?? {});
  }

  /** Whether a client runs a question of this upstream as the task `taskId`. */
  hasClientTask(taskId: unknown): boolean {
    return this.#clientTasks.get(taskId) !== undefined;
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.#clientTasks.forget(caller);
  }

  /** The upstream is gone: nobody needs the answers any more. */
  stop(reason: ExaiError): void {
    for (const controller of this.#asked.values()) controller.abort(reason);
    this.#asked.clear();
  }

  #deliver(method: string, params: JsonObject): void {
    const kinds = changedLists(method);
    if (kinds.length > 0) {
      this.#context.onListChanged(kinds);
      for (const caller of this.#context.attached.values()) caller.notify(method, params);
      return;
    }
    switch (method) {
      case "notifications/progress":
        return this.#deliverProgress(params);
      case "notifications/cancelled":
        return this.#asked.get(params.requestId as RequestId)?.abort(
          new ExaiError(
            "CANCELLED",
            `the server withdrew its question: ${params.reason ?? "no reason given"}`,
          ),
        );
      case "notifications/resources/updated":
        for (const caller of this.#context.subscriptions.subscribersOf(String(params.uri))) {
          caller.notify(method, params);
        }
        return;
      case "notifications/elicitation/complete":
        return this.#context.owners.get(params.elicitationId)?.notify(method, params);
      case "notifications/tasks/status":
        return this.#context.owners.get(params.taskId)?.notify(method, params);
      default:
        return this.#deliverToAddressee(method, params);
    }
  }

  #deliverProgress(params: JsonObject): void {
    const { inflight, progress } = this.#context;
    const token = params.progressToken as RequestId;
    const call = inflight.get(token)?.call;
    const progressToken = call ? call.progressToken : progress.get(token)?.progressToken;
    if (progressToken === undefined) return;
    const speaker = call ?? progress.get(token)!.caller;
    speaker.notify("notifications/progress", { ...params, progressToken });
  }

  #deliverToAddressee(method: string, params: JsonObject): void {
    const to = this.#addressee(params);
    if (!to) return log.debug("{server}: {method} belongs to nobody", { server: this.#context.name, method });
    if (to.call) to.call.notify(method, params);
    else to.caller.notify(method, params);
  }

  /** Whom a message belongs to: the owner of its task, the one session that has calls running, the one there is. */
  #addressee(params: JsonObject | undefined): Addressee | undefined {
    const owner = this.#context.owners.get(relatedTask(params)) ?? this.#clientTasks.get(params?.taskId);
    if (owner) return { caller: owner };
    const { inflight, attached } = this.#context;
    if (inflight.sessions > 0) return inflight.onlySession();
    if (attached.size !== 1) return undefined;
    const [caller] = attached.values();
    return { caller: caller! };
  }

  async #answer(request: RpcRequest): Promise<void> {
    const controller = new AbortController();
    if (this.#asked.size >= MAX_ASKED) {
      const error = toRpcError(
        new ExaiError("OVER_CAPACITY", `${MAX_ASKED} of your requests are not answered yet`),
      );
      return this.#context.send(responseTo(request.id, { error }));
    }
    this.#asked.set(request.id, controller);
    let result: Result;
    try {
      result = await this.#handle(request, controller.signal);
    } catch (thrown) {
      result = { error: toRpcError(thrown) };
    }
    // A question that was withdrawn wants no answer.
    if (this.#asked.delete(request.id) && !controller.signal.aborted) {
      this.#context.send(responseTo(request.id, result));
    }
  }

  async #handle(request: RpcRequest, signal: AbortSignal): Promise<Result> {
    const { method, params = {} } = request;
    if (method === "ping") return { result: {} };
    const roots = method === "roots/list" ? this.#context.roots() : undefined;
    if (roots) return { result: { roots: [...roots] } };
    const to = this.#addressee(params);
    if (!to) {
      throw new ExaiError("INVALID_REQUEST", `${method} belongs to no call that is running, so to no client`);
    }
    const capability = ownEntry(NEEDED_CAPABILITY, method);
    if (capability && !isObject(to.caller.capabilities[capability])) {
      throw new ExaiError("METHOD_NOT_FOUND", `this client does not offer ${capability}`);
    }
    if (typeof params.elicitationId === "string") this.#context.owners.set(params.elicitationId, to.caller);
    const options: AskOptions = { signal, onProgress: this.#progressTo(params) };
    const result = await (to.call ?? to.caller).ask(method, withoutProgressToken(params), options);
    const task = result.result && createdTask(result.result);
    if (typeof task === "string") this.#clientTasks.set(task, to.caller);
    return result;
  }

  /** Passes the client's progress on under the upstream's own token, if it gave one. */
  #progressTo(params: JsonObject): AskOptions["onProgress"] {
    const progressToken = (params._meta as JsonObject | undefined)?.progressToken;
    if (progressToken === undefined) return undefined;
    return (progress) =>
      this.#context.send({
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { ...progress, progressToken },
      });
  }
}

function withoutProgressToken(params: JsonObject): JsonObject {
  if (!isObject(params._meta) || !("progressToken" in params._meta)) return params;
  const { progressToken: _, ...meta } = params._meta;
  return { ...params, _meta: meta };
}
