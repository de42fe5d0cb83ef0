import { ExaiError, messageOf } from "../../base/errors.ts";
import { logHandlerError } from "../../base/handler_errors.ts";
import { isObject, type Json, ownEntry, rawJson, textOf } from "../../base/json.ts";
import { visible } from "../../base/visible.ts";
import type { AskOptions, Call, Caller, Root } from "../../call/call.ts";
import { toRpcError } from "../../wire/codes.ts";
import { answerTo, changedResult, paramsOf } from "../../wire/raw_edits.ts";
import { memberOf, type Params, RawObject, withMember } from "../../wire/raw_object.ts";
import { mintedId, readRequestId, type RequestId, type Result, type RpcRequest } from "../../wire/rpc.ts";
import { notificationOf } from "../../wire/text_request.ts";
import type { MessageOwners } from "../instance/message_owners.ts";
import { askOnceFor } from "./pending_questions.ts";
import type { Addressee } from "../instance/attribution.ts";
import {
  checkAnswerable,
  CLIENT_CAPABILITY,
  withoutUnsupportedTask,
} from "../../call/client_capabilities.ts";
import type { ClientTasks } from "../tasks/client_tasks.ts";
import type { InboundContext } from "../instance/inbound_context.ts";
import type { Origin } from "../instance/inflight.ts";
import { relatedTask } from "../tasks/handle_table.ts";

/** Unanswered questions of one server to one client. */
const MAX_UNANSWERED = 256;

/** The client that is asked. */
interface QuestionTarget {
  caller: Caller;
  /** The calls the question may belong to, the one it is asked through first; none: it belongs to no call. */
  calls: readonly Call[];
  /** Aborted when the server withdraws its question. */
  signal: AbortSignal;
}

/** Answers the requests of a server: each is put to the client of the one session it belongs to, or refused. */
export class ServerQuestions {
  readonly #context: InboundContext;
  readonly #owners: MessageOwners;
  readonly #clientTasks: ClientTasks;
  /** Requests that are not answered yet, by the server's ids. */
  readonly #unanswered = new Map<RequestId, AbortController>();
  /** How many of them each client has, by session id. */
  readonly #counts = new Map<string, number>();

  constructor(context: InboundContext, to: { owners: MessageOwners; clientTasks: ClientTasks }) {
    this.#context = context;
    this.#owners = to.owners;
    this.#clientTasks = to.clientTasks;
  }

  /** `origin`: the request on whose stream it came, on transports that have such streams. */
  receive(request: RpcRequest, origin?: Origin): void {
    this.#answer(request, origin).catch((thrown) => this.#giveUp(request, thrown));
  }

  /** The server has cancelled its request. */
  withdraw(params: Params): void {
    const why = `the server withdrew its question: ${
      textOf(memberOf(params, "reason")) ?? "no reason given"
    }`;
    this.#controllerOf(idIn(params, "requestId"))?.abort(new ExaiError("CANCELLED", why));
  }

  /** The server has ended: withdraws its questions. */
  stop(reason: ExaiError): void {
    for (const controller of this.#unanswered.values()) controller.abort(reason);
  }

  /** The request the server calls `id`; servers may write a number as text in one of the two messages. */
  #controllerOf(id: unknown): AbortController | undefined {
    const other = typeof id === "number" ? String(id) : mintedId(id as RequestId);
    return this.#unanswered.get(id as RequestId) ?? this.#unanswered.get(other);
  }

  async #answer(request: RpcRequest, origin?: Origin): Promise<void> {
    const controller = new AbortController();
    if (this.#unanswered.has(request.id)) {
      const inUse = "another request of yours has this id and is not answered yet";
      const error = toRpcError(new ExaiError("INVALID_REQUEST", inUse));
      return this.#context.send(answerTo(request, { error }));
    }
    this.#unanswered.set(request.id, controller);
    let result: Result;
    try {
      result = await this.#handle(request, { signal: controller.signal, origin });
    } catch (thrown) {
      result = { error: toRpcError(thrown) };
    }
    // A cancelled request gets no answer.
    if (this.#unanswered.delete(request.id) && !controller.signal.aborted) {
      this.#context.send(answerTo(request, result));
    }
  }

  /** Answering has failed: sends an error, as the server may wait without a time-out. */
  #giveUp(request: RpcRequest, thrown: unknown): void {
    logHandlerError("a request of a server", thrown);
    this.#unanswered.delete(request.id);
    const error = toRpcError(new ExaiError("INTERNAL", messageOf(thrown)));
    this.#context.send(answerTo(request, { error }));
  }

  async #handle(
    request: RpcRequest,
    { signal, origin }: { signal: AbortSignal; origin?: Origin },
  ): Promise<Result> {
    const { method } = request;
    const params = paramsOf(request) ?? {};
    if (method === "ping") return { result: {} };
    const roots = method === "roots/list" ? this.#context.roots.current : undefined;
    const addressee = this.#owners.addressee(params, { origin, isQuestion: true });
    // A client that can be asked only within its calls has told nobody its roots.
    const hasRootsToTell = addressee?.call?.parking && isObject(addressee.caller.capabilities.roots);
    if (roots && !(roots === "none" && hasRootsToTell)) return this.#sharedRoots(roots);
    const capability = ownEntry(CLIENT_CAPABILITY, method);
    const runner = this.#clientTasks.ownerOfRequest(method, params);
    const to = runner ? { caller: runner } : addressee ?? this.#refuse(method, capability, origin);
    // On a stream the origin is known, so such a server can be shared although it asks questions.
    if (!origin) this.#context.onQuestion?.({ method, capability, candidates: [], isRefused: false });
    const calls = this.#callsOf(to, { origin, capability });
    const caller = calls[0]?.caller ?? to.caller;
    checkAnswerable(method, params, caller.capabilities);
    // The latest owner of an id counts: some servers use one id for all elicitations.
    const elicitation = memberOf(params, "elicitationId");
    if (typeof elicitation === "string") this.#context.handles.elicitations.set(elicitation, caller);
    const answer = await this.#ask(request, { caller, calls, signal });
    return this.#clientTasks.answerToServer(caller, request, answer);
  }

  /** The calls a question may belong to, the one it is asked through first. */
  #callsOf(
    { caller, call }: Addressee,
    { origin, capability }: { origin?: Origin; capability: string | undefined },
  ): readonly Call[] {
    if (!call || origin) return [call ?? []].flat();
    const { attribution, pendingQuestions } = this.#context;
    const calls = attribution.callsOf(caller);
    // Requests of one client may declare different capabilities.
    const able = calls.filter((one) => capability && isObject(one.caller.capabilities[capability]));
    const unable = calls.filter((one) => !able.includes(one) && !one.parking?.isParked);
    // A parked call has asked already, and may stay so for minutes. Beside it another is likelier to ask, if only to be
    // refused.
    const likely = able.every(({ parking }) => parking?.isParked) && unable.length > 0 ? unable : able;
    return pendingQuestions.inOrder(likely.length > 0 ? likely : calls);
  }

  #sharedRoots(roots: readonly Root[] | "none"): Result {
    this.#context.roots.asked();
    if (roots !== "none") return { result: { roots: [...roots] } };
    throw new ExaiError("METHOD_NOT_FOUND", "this client does not offer roots");
  }

  async #ask(request: RpcRequest, { caller, calls, signal }: QuestionTarget): Promise<Result> {
    const { method } = request;
    const params = paramsOf(request) ?? {};
    const { taskAliases, elicitationAliases } = this.#context.handles;
    const named = elicitationAliases.toClient(caller, withoutProgressToken(params));
    const understood = withoutUnsupportedTask(method, named, caller.capabilities);
    const shown = this.#clientTasks.toClient(taskAliases.toClient(understood));
    using _unanswered = this.#count(caller);
    using question = this.#context.pendingQuestions.open(calls);
    const options: AskOptions = {
      signal: AbortSignal.any([signal, question.signal]),
      onProgress: this.#progressTo(caller, params),
    };
    const answer = calls.length === 0
      ? await caller.ask(method, shown, options)
      : await askOnceFor(calls, { method, params: shown, options });
    return changedResult(answer, (result) => taskAliases.toServer(result));
  }

  /**
   * Counts one more unanswered question of a client until it is disposed.
   *
   * @throws {ExaiError} `OVER_CAPACITY` beyond {@linkcode MAX_UNANSWERED}
   */
  #count({ id }: Caller): Disposable {
    const count = this.#counts.get(id) ?? 0;
    if (count >= MAX_UNANSWERED) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `${MAX_UNANSWERED} of your requests to this client are not answered yet`,
      );
    }
    this.#counts.set(id, count + 1);
    return {
      [Symbol.dispose]: () => {
        const rest = this.#counts.get(id)! - 1;
        if (rest > 0) this.#counts.set(id, rest);
        else this.#counts.delete(id);
      },
    };
  }

  /** Rejects a question that cannot be attributed: as every client it may be for would, or with the reason. */
  #refuse(method: string, capability: string | undefined, origin?: Origin): never {
    const { attribution, name, capabilities: advertised, refusalAdvice } = this.#context;
    const candidates = origin ? [] : attribution.candidates();
    const able = candidates.filter(({ capabilities }) => !capability || isObject(capabilities[capability]));
    if (capability && (!isObject(advertised[capability]) || candidates.length > 0 && able.length === 0)) {
      throw new ExaiError("METHOD_NOT_FOUND", `this client does not offer ${capability}`);
    }
    if (!origin) {
      this.#context.onQuestion?.({ method, capability, candidates: able, isRefused: candidates.length > 0 });
      this.#noteRefused(method);
    }
    const at = new Date().toISOString();
    this.#context.log?.(`${at} ${visible(method)} refused: it cannot be told which window it is for`);
    throw new ExaiError(
      "INVALID_REQUEST",
      candidates.length === 0
        ? `${method} belongs to no call that is running, so to no client`
        : `${method} was refused: calls of several windows run on server "${name}" or have just ended, and it cannot ` +
          `be told which of them asks; ${refusalAdvice}`,
    );
  }

  /** Notes the refusal on each running call, as any of them may have needed the answer. */
  #noteRefused(method: string): void {
    for (const { trace } of this.#context.attribution.runningCalls()) {
      if (trace) {
        trace.note = `${visible(method)} of its server was refused: it may have been for another window`;
      }
    }
  }

  /** Forwards the client's progress under the server's own token, if it gave one. */
  #progressTo(caller: Caller, params: Params): AskOptions["onProgress"] {
    const token = progressTokenIn(params);
    if (token === undefined) return undefined;
    const isOfTask = relatedTask(params) !== undefined;
    return (progress) => {
      const named = isOfTask
        ? this.#context.handles.taskAliases.toServer(progress)
        : this.#clientTasks.toServer(caller, progress);
      this.#context.send(notificationOf("notifications/progress", withMember(named, "progressToken", token)));
    };
  }
}

/** `params` without a progress token of the server; in a text the client's door puts its own in its place. */
function withoutProgressToken(params: Params): Params {
  if (params instanceof RawObject) return params;
  if (!isObject(params._meta) || !("progressToken" in params._meta)) return params;
  const { progressToken: _, ...meta } = params._meta;
  return { ...params, _meta: meta };
}

/** The request id in a member of `params`, with all its digits. */
function idIn(params: Params, name: string): unknown {
  if (!(params instanceof RawObject)) return params[name];
  const text = params.textOf(name);
  return text === undefined ? undefined : readRequestId(text);
}

/** The server's own progress token in `params`, with all its digits. */
function progressTokenIn(params: Params): Json | undefined {
  const raw = params instanceof RawObject ? params.objectAt("_meta") : undefined;
  const meta = raw ? undefined : memberOf(params, "_meta");
  const token = raw ? raw.get("progressToken") : isObject(meta) ? meta.progressToken : undefined;
  return raw && typeof token === "number" ? rawJson(raw.textOf("progressToken")!) : token;
}
