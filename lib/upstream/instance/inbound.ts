import { changedLists, listChangedMethod } from "../../call/list_changes.ts";
import { NotificationThrottle } from "../../base/notification_throttle.ts";
import type { ExaiError } from "../../base/errors.ts";
import { textOf } from "../../base/json.ts";
import { redact } from "../../base/log.ts";
import { jsonEscaped, visible, visibleJson } from "../../base/visible.ts";
import { notifyUpdated } from "../../call/scoped_uris.ts";
import type { Caller } from "../../call/call.ts";
import { MAX_URI_CHARS } from "../../wire/mcp.ts";
import { paramsOf } from "../../wire/raw_edits.ts";
import { memberOf, type Params, RawObject, withMember } from "../../wire/raw_object.ts";
import { jsonId, type RequestId, type RpcNotification, type RpcRequest } from "../../wire/rpc.ts";
import { sentText } from "../../wire/text_request.ts";
import { MessageOwners } from "./message_owners.ts";
import { ClientTasks } from "../tasks/client_tasks.ts";
import type { InboundContext } from "./inbound_context.ts";
import type { Origin } from "./inflight.ts";
import type { ListCache } from "../lists/list_cache.ts";
import { ServerQuestions } from "../questions/server_questions.ts";

/** Longest log line about a message that belongs to no session, in characters. */
const MAX_LOG_CHARS = 4000;

/**
 * Routes requests and notifications of a server to the one session they belong to. A question that cannot be attributed
 * is refused, a notification goes to the server's log file: nothing is broadcast or guessed.
 */
export class Inbound {
  readonly #context: InboundContext;
  readonly #changes = new NotificationThrottle();
  /** Questions that clients run as tasks. */
  readonly #clientTasks = new ClientTasks();
  readonly #owners: MessageOwners;
  readonly #questions: ServerQuestions;

  constructor(context: InboundContext) {
    this.#context = context;
    const clientTasks = this.#clientTasks;
    this.#owners = new MessageOwners(context, clientTasks);
    this.#questions = new ServerQuestions(context, { owners: this.#owners, clientTasks });
  }

  /** `origin`: the request on whose stream it came, on transports that have such streams. */
  receive(message: RpcRequest | RpcNotification, origin?: Origin): void {
    if ("id" in message) this.#questions.receive(message, origin);
    else this.#deliver(message.method, paramsOf(message) ?? {}, origin);
  }

  /** A task status of `caller` as the server knows the task; undefined when it runs no such task for this server. */
  clientTaskStatus(caller: Caller, params: Params): Params | undefined {
    if (this.#clientTasks.serverName(caller, memberOf(params, "taskId")) === undefined) return undefined;
    return this.#clientTasks.toServer(caller, params);
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.#clientTasks.forget(caller);
  }

  /** The server has ended: withdraws its questions. */
  stop(reason: ExaiError): void {
    this.#questions.stop(reason);
    this.#changes.end();
  }

  /** The server's stream was interrupted: compares lists and reports every subscribed resource as updated. */
  async catchUp(lists: ListCache): Promise<void> {
    for (const kind of await lists.catchUp()) {
      this.receive({ jsonrpc: "2.0", method: listChangedMethod(kind) });
    }
    for (const uri of this.#context.subscriptions.uris) {
      this.receive({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
    }
  }

  #deliver(method: string, params: Params, origin?: Origin): void {
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
        return this.#deliverStatus(method, params);
      default:
        return this.#deliverToAddressee(method, params, origin);
    }
  }

  #deliverStatus(method: string, params: Params): void {
    const { tasks, handles } = this.#context;
    const taskId = memberOf(params, "taskId");
    tasks.setStatus(taskId, memberOf(params, "status"));
    this.#deliverTo(handles.tasks.get(taskId), method, params);
  }

  #deliverCompletion(method: string, params: Params): void {
    const { elicitations, elicitationAliases } = this.#context.handles;
    const caller = elicitations.get(memberOf(params, "elicitationId"));
    this.#deliverTo(caller, method, caller ? elicitationAliases.toClient(caller, params) : params);
  }

  #deliverUpdate(method: string, params: Params): void {
    const uri = textOf(memberOf(params, "uri"));
    if (uri === undefined) return this.#logUnaddressed(method, params);
    const callers = this.#context.subscriptions.subscribersOf(uri);
    if (callers.length === 0) return this.#logUnaddressed(method, params);
    const { name } = this.#context;
    if (uri.length > MAX_URI_CHARS) return callers.forEach((caller) => notifyUpdated(caller, name, params));
    // Looked up again when the notification is sent: a session may have unsubscribed meanwhile.
    this.#changes.notify(`${method} ${uri}`, () => {
      for (const caller of this.#context.subscriptions.subscribersOf(uri)) {
        notifyUpdated(caller, name, params);
      }
    });
  }

  #deliverProgress(params: Params): void {
    const { inflight, handles: { progress, taskAliases } } = this.#context;
    const token = memberOf(params, "progressToken") as RequestId;
    const call = inflight.get(token)?.call;
    const progressToken = call ? call.progressToken : progress.get(token)?.progressToken;
    if (progressToken === undefined) return this.#logUnaddressed("notifications/progress", params);
    const target = call ?? progress.get(token)!.caller;
    const named = taskAliases.toClient(params);
    target.notify("notifications/progress", withMember(named, "progressToken", jsonId(progressToken)));
  }

  #deliverToAddressee(method: string, params: Params, origin?: Origin): void {
    const to = this.#owners.addressee(params, { origin });
    if (method === "notifications/message") {
      const { logLevel } = this.#context;
      const level = memberOf(params, "level");
      logLevel.messageSeen(level);
      if (to && !logLevel.passes(to.caller, level)) return;
    }
    this.#deliverTo(to?.call ?? to?.caller, method, params);
  }

  #deliverTo(to: Pick<Caller, "notify"> | undefined, method: string, params: Params): void {
    if (to) to.notify(method, this.#clientTasks.toClient(this.#context.handles.taskAliases.toClient(params)));
    else this.#logUnaddressed(method, params);
  }

  #logUnaddressed(method: string, params: Params): void {
    const text = redact(jsonText(params)).slice(0, MAX_LOG_CHARS);
    this.#context.log?.(`${new Date().toISOString()} ${visible(method)} of no window: ${text}`);
  }
}

function jsonText(params: Params): string {
  return params instanceof RawObject ? jsonEscaped(params.text) : visibleJson(params);
}

/** Bounds of {@linkcode EarlyLogBuffer}; messages beyond them go to the log file. */
const MAX_EARLY_MESSAGES = 100;
const MAX_EARLY_CHARS = 256 * 1024;

/**
 * Holds log messages that a server sends before a session is attached, such as along with its answer to `initialize`:
 * only then can they be attributed. No other message is held.
 */
export class EarlyLogBuffer {
  readonly #deliver: (message: RpcNotification) => void;
  /** Undefined once released. */
  #held: RpcNotification[] | undefined = [];
  #chars = 0;

  constructor(deliver: (message: RpcNotification) => void) {
    this.#deliver = deliver;
  }

  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** Holds `message` if it is a log message; returns whether it does. */
  hold(message: RpcNotification | RpcRequest): boolean {
    if (!this.#held || "id" in message || message.method !== "notifications/message") return false;
    const chars = sentText(message).length;
    if (this.#held.length >= MAX_EARLY_MESSAGES || this.#chars + chars > MAX_EARLY_CHARS) return false;
    this.#chars += chars;
    this.#held.push(message);
    return true;
  }

  /** Delivers the held messages in order, and holds no more. */
  release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const message of held ?? []) this.#deliver(message);
  }
}
