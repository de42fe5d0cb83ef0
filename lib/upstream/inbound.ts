import { ChangeNotices } from "../base/change_notices.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlingFault } from "../base/handling_faults.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { redact } from "../base/log.ts";
import { ownEntry } from "../base/own.ts";
import { visible, visibleJson } from "../base/visible.ts";
import type { AskOptions, Caller, Root } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import { toRpcError } from "../wire/codes.ts";
import { MAX_URI_CHARS } from "../wire/mcp.ts";
import {
  type RequestId,
  responseTo,
  type Result,
  type RpcMessage,
  type RpcNotification,
  type RpcRequest,
} from "../wire/rpc.ts";
import type { Addressee, Attribution } from "./attribution.ts";
import { asUnderstood, CLIENT_CAPABILITY, refuseUnanswerable } from "./client_limits.ts";
import { ClientTasks } from "./client_tasks.ts";
import type { ElicitationNames } from "./elicitation_names.ts";
import type { InFlightTable, Origin } from "./inflight.ts";
import { ownId } from "./own_id.ts";
import { changedLists } from "./lists.ts";
import type { LiveTasks } from "./live_tasks.ts";
import type { SharedLogLevel } from "./log_level.ts";
import { type Owners, relatedTask, type TaskProgress } from "./owners.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { TaskNames } from "./task_names.ts";

/** What deciding where a message belongs needs to know of the instance it came from. */
export interface InboundContext {
  name: string;
  /** The roots its sessions share, `none` when they have none to tell; undefined when each has its own. */
  roots: readonly Root[] | "none" | undefined;
  onRootsAsked(): void;
  /** The client capabilities the upstream was told of. */
  told: JsonObject;
  inflight: InFlightTable;
  attribution: Attribution;
  tasks: LiveTasks;
  attached: ReadonlyMap<string, Caller>;
  owners: Owners;
  elicitationNames: ElicitationNames;
  progress: TaskProgress;
  taskNames: TaskNames;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
  send(message: RpcMessage): void;
  /** Takes what belongs to no session, one line. */
  log(line: string): void;
  /** What a window can do whose question was refused because it might have been another's. */
  whenRefused: string;
  onQuestion(question: Question): void;
  onListChanged(kinds: readonly ListKind[]): void;
}

/** Questions of one server that one client is busy with. */
const MAX_ASKED = 256;

/** What an upstream has asked. */
export interface Question {
  method: string;
  /** The client capability it is about; undefined for a method that is none of MCP. */
  capability: string | undefined;
  /** Whose question it may be, where that is not certain: it was refused. */
  suspects: readonly Caller[];
  /** Whether it was refused, as it cannot be told whose it is. */
  isRefused: boolean;
}

/** Of a message that belongs to no session so much is kept, in characters. */
const MAX_LOG_CHARS = 4000;

/**
 * What an upstream sends of its own accord, led to the one session it belongs to. A question that cannot be attributed
 * is refused, anything else goes to the server's log file: nothing is broadcast and nothing is guessed.
 */
export class Inbound {
  readonly #context: InboundContext;
  /** Questions of the upstream that a client is busy with. */
  readonly #asked = new Map<RequestId, AbortController>();
  /** How many of them each client is busy with, by session id. */
  readonly #busy = new Map<string, number>();
  readonly #changes = new ChangeNotices();
  /** As which the clients run questions of the upstream. */
  readonly #clientTasks = new ClientTasks();

  constructor(context: InboundContext) {
    this.#context = context;
  }

  /** `origin`: the request on whose stream it came, where there are such. */
  receive(message: RpcRequest | RpcNotification, origin?: Origin): void {
    if ("id" in message) this.#answer(message, origin).catch((thrown) => this.#giveUp(message, thrown));
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
    for (const controller of this.#asked.values()) controller.abort(reason);
    this.#changes.end();
  }

  #deliver(method: string, params: JsonObject, origin?: Origin): void {
    const kinds = changedLists(method);
    if (kinds.length > 0) {
      return this.#changes.tell(method, () => {
        this.#context.onListChanged(kinds);
        for (const caller of this.#context.attached.values()) caller.notify(method, params);
      });
    }
    switch (method) {
      case "notifications/progress":
        return this.#deliverProgress(params);
      case "notifications/cancelled":
        return this.#askedAs(params.requestId)?.abort(
          new ExaiError(
            "CANCELLED",
            `the server withdrew its question: ${textOf(params.reason) ?? "no reason given"}`,
          ),
        );
      case "notifications/resources/updated":
        return this.#deliverUpdate(method, params);
      case "notifications/elicitation/complete":
        return this.#deliverCompletion(method, params);
      case "notifications/tasks/status":
        this.#context.tasks.hasStatus(params.taskId, params.status);
        return this.#deliverTo(this.#context.owners.get(params.taskId), method, params);
      default:
        return this.#deliverToAddressee(method, params, origin);
    }
  }

  #deliverCompletion(method: string, params: JsonObject): void {
    const { owners, elicitationNames } = this.#context;
    const caller = owners.get(params.elicitationId);
    this.#deliverTo(caller, method, caller ? elicitationNames.outward(caller, params) : params);
  }

  #deliverUpdate(method: string, params: JsonObject): void {
    const uri = textOf(params.uri);
    if (uri === undefined) return this.#logStray(method, params);
    const callers = this.#context.subscriptions.subscribersOf(uri);
    if (callers.length === 0) return this.#logStray(method, params);
    if (uri.length > MAX_URI_CHARS) return callers.forEach((caller) => caller.notify(method, params));
    // Who has unsubscribed by the time it is told need not hear of it.
    this.#changes.tell(`${method} ${uri}`, () => {
      for (const caller of this.#context.subscriptions.subscribersOf(uri)) caller.notify(method, params);
    });
  }

  /** The question a server names by `id`; it may write a number as text in one place and not in the other. */
  #askedAs(id: unknown): AbortController | undefined {
    const other = typeof id === "number" ? String(id) : ownId(id as RequestId);
    return this.#asked.get(id as RequestId) ?? this.#asked.get(other);
  }

  #deliverProgress(params: JsonObject): void {
    const { inflight, progress, taskNames } = this.#context;
    const token = params.progressToken as RequestId;
    const call = inflight.get(token)?.call;
    const progressToken = call ? call.progressToken : progress.get(token)?.progressToken;
    if (progressToken === undefined) return this.#logStray("notifications/progress", params);
    const speaker = call ?? progress.get(token)!.caller;
    speaker.notify("notifications/progress", { ...taskNames.outward(params), progressToken });
  }

  #deliverToAddressee(method: string, params: JsonObject, origin?: Origin): void {
    const to = this.#addressee(params, { origin });
    if (method === "notifications/message") {
      const { logLevel } = this.#context;
      logLevel.heard(params.level);
      if (to && !logLevel.passes(to.caller, params.level)) return;
    }
    this.#deliverTo(to?.call ?? to?.caller, method, params);
  }

  #deliverTo(to: Pick<Caller, "notify"> | undefined, method: string, params: JsonObject): void {
    if (to) to.notify(method, this.#clientTasks.inward(this.#context.taskNames.outward(params)));
    else this.#logStray(method, params);
  }

  #logStray(method: string, params: JsonObject): void {
    const text = redact(visibleJson(params)).slice(0, MAX_LOG_CHARS);
    this.#context.log(`${new Date().toISOString()} ${visible(method)} of no window: ${text}`);
  }

  /**
   * Whom a message belongs to: the owner of what it names; where it names nothing, whose request it came on, or else
   * who alone it can be about.
   */
  #addressee(
    params: JsonObject | undefined,
    { origin, isQuestion = false }: { origin?: Origin; isQuestion?: boolean },
  ): Addressee | undefined {
    const { owners, attribution, attached } = this.#context;
    const task = relatedTask(params);
    const owner = owners.get(task);
    if (owner) return { caller: owner };
    // It was a session's that is over.
    if (owners.has(task)) return undefined;
    const caller = this.#clientTasks.ownerOf(task) ?? this.#clientTasks.ownerOf(params?.taskId);
    if (caller) return { caller };
    if (!origin) return attribution.addressee(isQuestion);
    const { to } = origin;
    return to && (to.call || attached.has(to.caller.id)) ? to : undefined;
  }

  async #answer(request: RpcRequest, origin?: Origin): Promise<void> {
    const controller = new AbortController();
    if (this.#asked.has(request.id)) {
      const inUse = "another request of yours has this id and is not answered yet";
      const error = toRpcError(new ExaiError("INVALID_REQUEST", inUse));
      return this.#context.send(responseTo(request.id, { error }));
    }
    this.#asked.set(request.id, controller);
    let result: Result;
    try {
      result = await this.#handle(request, { signal: controller.signal, origin });
    } catch (thrown) {
      result = { error: toRpcError(thrown) };
    }
    // A question that was withdrawn wants no answer.
    if (this.#asked.delete(request.id) && !controller.signal.aborted) {
      this.#context.send(responseTo(request.id, result));
    }
  }

  /** Answering has failed: the server is told so, as it may wait without end. */
  #giveUp({ id }: RpcRequest, thrown: unknown): void {
    logHandlingFault("a request of a server", thrown);
    this.#asked.delete(id);
    this.#context.send(responseTo(id, { error: toRpcError(new ExaiError("INTERNAL", messageOf(thrown))) }));
  }

  async #handle(
    request: RpcRequest,
    { signal, origin }: { signal: AbortSignal; origin?: Origin },
  ): Promise<Result> {
    const { method, params = {} } = request;
    if (method === "ping") return { result: {} };
    if (method === "roots/list" && this.#context.roots) return this.#sharedRoots(this.#context.roots);
    const capability = ownEntry(CLIENT_CAPABILITY, method);
    const runner = this.#clientTasks.askedAbout(method, params);
    const to = runner ? { caller: runner } : this.#addressee(params, { origin, isQuestion: true }) ??
      this.#refuse(method, capability, origin);
    // A server whose questions come with the call they belong to may ask many windows at once.
    if (!origin) this.#context.onQuestion({ method, capability, suspects: [], isRefused: false });
    refuseUnanswerable(method, params, to.caller.capabilities);
    // The newest with an id is meant by it from now on: some servers have one id for all.
    if (typeof params.elicitationId === "string") this.#context.owners.set(params.elicitationId, to.caller);
    const answer = await this.#ask(request, to, signal);
    return this.#clientTasks.shownAnswer(to.caller, request, answer);
  }

  #sharedRoots(roots: readonly Root[] | "none"): Result {
    this.#context.onRootsAsked();
    if (roots !== "none") return { result: { roots: [...roots] } };
    throw new ExaiError("METHOD_NOT_FOUND", "this client does not offer roots");
  }

  /** Asks the client; a question of a call that is withdrawn is withdrawn with it. */
  async #ask(
    { method, params = {} }: RpcRequest,
    { caller, call }: Addressee,
    signal: AbortSignal,
  ): Promise<Result> {
    const { taskNames, elicitationNames } = this.#context;
    const named = elicitationNames.outward(caller, withoutProgressToken(params));
    const understood = asUnderstood(method, named, caller.capabilities);
    const shown = this.#clientTasks.inward(taskNames.outward(understood));
    const options: AskOptions = {
      signal: call ? AbortSignal.any([signal, call.signal]) : signal,
      onProgress: this.#progressTo(caller, params),
    };
    const busy = this.#busy.get(caller.id) ?? 0;
    if (busy >= MAX_ASKED) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `${MAX_ASKED} of your requests to this client are not answered yet`,
      );
    }
    this.#busy.set(caller.id, busy + 1);
    try {
      const answer = await (call ?? caller).ask(method, shown, options);
      return answer.result ? { ...answer, result: taskNames.inward(answer.result) } : answer;
    } finally {
      const left = this.#busy.get(caller.id)! - 1;
      if (left > 0) this.#busy.set(caller.id, left);
      else this.#busy.delete(caller.id);
    }
  }

  /** Answers a question that cannot be attributed: as every client it may be for would, or with why it is refused. */
  #refuse(method: string, capability: string | undefined, origin?: Origin): never {
    const { attribution, name, told, whenRefused } = this.#context;
    const suspects = origin ? [] : attribution.suspects();
    const able = suspects.filter(({ capabilities }) => !capability || isObject(capabilities[capability]));
    if (capability && (!isObject(told[capability]) || suspects.length > 0 && able.length === 0)) {
      throw new ExaiError("METHOD_NOT_FOUND", `this client does not offer ${capability}`);
    }
    if (!origin) {
      this.#context.onQuestion({ method, capability, suspects: able, isRefused: suspects.length > 0 });
      this.#noteRefused(method);
    }
    const at = new Date().toISOString();
    this.#context.log(`${at} ${visible(method)} refused: it cannot be told which window it is for`);
    throw new ExaiError(
      "INVALID_REQUEST",
      suspects.length === 0
        ? `${method} belongs to no call that is running, so to no client`
        : `${method} was refused: calls of several windows run on server "${name}" or have just ended, and it cannot ` +
          `be told which of them asks; ${whenRefused}`,
    );
  }

  /** On each call that runs, as it may be the one that needed the answer. */
  #noteRefused(method: string): void {
    for (const { trace } of this.#context.attribution.running()) {
      if (trace) {
        trace.note = `${visible(method)} of its server was refused: it may have been for another window`;
      }
    }
  }

  /** Passes the client's progress on under the upstream's own token, if it gave one. */
  #progressTo(caller: Caller, params: JsonObject): AskOptions["onProgress"] {
    const progressToken = (params._meta as JsonObject | undefined)?.progressToken;
    if (progressToken === undefined) return undefined;
    const isOfTask = relatedTask(params) !== undefined;
    return (progress) => {
      const named = isOfTask
        ? this.#context.taskNames.inward(progress)
        : this.#clientTasks.outward(caller, progress);
      this.#context.send({
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { ...named, progressToken },
      });
    };
  }
}

function withoutProgressToken(params: JsonObject): JsonObject {
  if (!isObject(params._meta) || !("progressToken" in params._meta)) return params;
  const { progressToken: _, ...meta } = params._meta;
  return { ...params, _meta: meta };
}
