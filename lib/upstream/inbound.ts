import { NotificationThrottle } from "../base/notification_throttle.ts";
import type { ExaiError } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import { redact } from "../base/log.ts";
import { visible, visibleJson } from "../base/visible.ts";
import type { Caller } from "../call/call.ts";
import { MAX_URI_CHARS } from "../wire/mcp.ts";
import type { RequestId, RpcNotification, RpcRequest } from "../wire/rpc.ts";
import { Addressing } from "./addressing.ts";
import { ClientTasks } from "./client_tasks.ts";
import type { InboundContext } from "./inbound_context.ts";
import type { Origin } from "./inflight.ts";
import { changedLists, type ListCache, listChangedMethod } from "./lists.ts";
import { ServerQuestions } from "./server_questions.ts";

/** Of a message that belongs to no session so much is kept, in characters. */
const MAX_LOG_CHARS = 4000;

/**
 * What an upstream sends of its own accord, led to the one session it belongs to. A question that cannot be attributed
 * is refused, anything else goes to the server's log file: nothing is broadcast and nothing is guessed.
 */
export class Inbound {
  readonly #context: InboundContext;
  readonly #changes = new NotificationThrottle();
  /** As which the clients run questions of the upstream. */
  readonly #clientTasks = new ClientTasks();
  readonly #addressing: Addressing;
  readonly #questions: ServerQuestions;

  constructor(context: InboundContext) {
    this.#context = context;
    const clientTasks = this.#clientTasks;
    this.#addressing = new Addressing(context, clientTasks);
    this.#questions = new ServerQuestions(context, { addressing: this.#addressing, clientTasks });
  }

  /** `origin`: the request on whose stream it came, where there are such. */
  receive(message: RpcRequest | RpcNotification, origin?: Origin): void {
    if ("id" in message) this.#questions.receive(message, origin);
    else this.#deliver(message.method, message.params ?? {}, origin);
  }

  /** What `caller` says of a task, as the upstream is to be told; undefined when it runs no such task for it. */
  clientTaskStatus(caller: Caller, params: JsonObject): JsonObject | undefined {
    if (this.#clientTasks.nameOf(caller, params.taskId) === undefined) return undefined;
    return this.#clientTasks.outward(caller, params);
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.#clientTasks.forget(caller);
  }

  /** The upstream is gone: nobody needs the answers any more. */
  stop(reason: ExaiError): void {
    this.#questions.stop(reason);
    this.#changes.end();
  }

  /** What the server has sent while it was not heard is lost: lists are compared, resources may have changed. */
  async catchUp(lists: ListCache): Promise<void> {
    for (const kind of await lists.catchUp()) {
      this.receive({ jsonrpc: "2.0", method: listChangedMethod(kind) });
    }
    for (const uri of this.#context.subscriptions.uris) {
      this.receive({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
    }
  }

  #deliver(method: string, params: JsonObject, origin?: Origin): void {
    const kinds = changedLists(method);
    if (kinds.length > 0) {
      return this.#changes.notify(method, () => {
        this.#context.onListChanged(kinds);
        for (const caller of this.#context.attached.values()) caller.notify(method, params);
      });
    }
    switch (method) {
      case "notifications/progress":
        return this.#deliverProgress(params);
      case "notifications/cancelled":
        return this.#questions.withdraw(params);
      case "notifications/resources/updated":
        return this.#deliverUpdate(method, params);
      case "notifications/elicitation/complete":
        return this.#deliverCompletion(method, params);
      case "notifications/tasks/status":
        this.#context.tasks.hasStatus(params.taskId, params.status);
        return this.#deliverTo(this.#context.handles.owners.get(params.taskId), method, params);
      default:
        return this.#deliverToAddressee(method, params, origin);
    }
  }

  #deliverCompletion(method: string, params: JsonObject): void {
    const { elicitations, elicitationNames } = this.#context.handles;
    const caller = elicitations.get(params.elicitationId);
    this.#deliverTo(caller, method, caller ? elicitationNames.outward(caller, params) : params);
  }

  #deliverUpdate(method: string, params: JsonObject): void {
    const uri = textOf(params.uri);
    if (uri === undefined) return this.#logStray(method, params);
    const callers = this.#context.subscriptions.subscribersOf(uri);
    if (callers.length === 0) return this.#logStray(method, params);
    if (uri.length > MAX_URI_CHARS) return callers.forEach((caller) => caller.notify(method, params));
    // Who has unsubscribed by the time it is told need not hear of it.
    this.#changes.notify(`${method} ${uri}`, () => {
      for (const caller of this.#context.subscriptions.subscribersOf(uri)) caller.notify(method, params);
    });
  }

  #deliverProgress(params: JsonObject): void {
    const { inflight, handles: { progress, taskNames } } = this.#context;
    const token = params.progressToken as RequestId;
    const call = inflight.get(token)?.call;
    const progressToken = call ? call.progressToken : progress.get(token)?.progressToken;
    if (progressToken === undefined) return this.#logStray("notifications/progress", params);
    const speaker = call ?? progress.get(token)!.caller;
    speaker.notify("notifications/progress", { ...taskNames.outward(params), progressToken });
  }

  #deliverToAddressee(method: string, params: JsonObject, origin?: Origin): void {
    const to = this.#addressing.addressee(params, { origin });
    if (method === "notifications/message") {
      const { logLevel } = this.#context;
      logLevel.heard(params.level);
      if (to && !logLevel.passes(to.caller, params.level)) return;
    }
    this.#deliverTo(to?.call ?? to?.caller, method, params);
  }

  #deliverTo(to: Pick<Caller, "notify"> | undefined, method: string, params: JsonObject): void {
    if (to) to.notify(method, this.#clientTasks.inward(this.#context.handles.taskNames.outward(params)));
    else this.#logStray(method, params);
  }

  #logStray(method: string, params: JsonObject): void {
    const text = redact(visibleJson(params)).slice(0, MAX_LOG_CHARS);
    this.#context.log(`${new Date().toISOString()} ${visible(method)} of no window: ${text}`);
  }
}
