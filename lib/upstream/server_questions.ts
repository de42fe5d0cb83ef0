import { ExaiError, messageOf } from "../base/errors.ts";
import { logHandlerError } from "../base/handler_errors.ts";
import { isObject, type JsonObject, ownEntry, textOf } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import type { AskOptions, Call, Caller, Root } from "../call/call.ts";
import { toRpcError } from "../wire/codes.ts";
import { mintedId, type RequestId, responseTo, type Result, type RpcRequest } from "../wire/rpc.ts";
import type { Addressing } from "./addressing.ts";
import { askFor, StandingQuestions } from "./asking.ts";
import type { Addressee } from "./attribution.ts";
import { asUnderstood, CLIENT_CAPABILITY, refuseUnanswerable } from "./client_limits.ts";
import type { ClientTasks } from "./client_tasks.ts";
import type { InboundContext } from "./inbound_context.ts";
import type { Origin } from "./inflight.ts";
import { relatedTask } from "./handle_table.ts";

/** Questions of one server that one client is busy with. */
const MAX_ASKED = 256;

/** Who is asked, for which of its calls, the latest first; none: outside of any. */
interface Asked {
  caller: Caller;
  calls: readonly Call[];
  /** Aborted when the server withdraws its question. */
  signal: AbortSignal;
}

/** What an upstream asks of its client: put to the one session it belongs to, or refused. */
export class ServerQuestions {
  readonly #context: InboundContext;
  readonly #addressing: Addressing;
  readonly #clientTasks: ClientTasks;
  /** Those that a client is busy with. */
  readonly #asked = new Map<RequestId, AbortController>();
  /** How many of them each client is busy with, by session id. */
  readonly #busy = new Map<string, number>();
  readonly #standing = new StandingQuestions();

  constructor(context: InboundContext, to: { addressing: Addressing; clientTasks: ClientTasks }) {
    this.#context = context;
    this.#addressing = to.addressing;
    this.#clientTasks = to.clientTasks;
    context.attribution.onEnded = (call, isWithdrawn) => this.#standing.ended(call, isWithdrawn);
  }

  /** `origin`: the request on whose stream it came, where there are such. */
  receive(request: RpcRequest, origin?: Origin): void {
    this.#answer(request, origin).catch((thrown) => this.#giveUp(request, thrown));
  }

  /** The server wants no answer any more. */
  withdraw({ requestId, reason }: JsonObject): void {
    const why = `the server withdrew its question: ${textOf(reason) ?? "no reason given"}`;
    this.#askedAs(requestId)?.abort(new ExaiError("CANCELLED", why));
  }

  /** The upstream is gone: nobody needs the answers any more. */
  stop(reason: ExaiError): void {
    for (const controller of this.#asked.values()) controller.abort(reason);
  }

  /** The question a server names by `id`; it may write a number as text in one place and not in the other. */
  #askedAs(id: unknown): AbortController | undefined {
    const other = typeof id === "number" ? String(id) : mintedId(id as RequestId);
    return this.#asked.get(id as RequestId) ?? this.#asked.get(other);
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
    logHandlerError("a request of a server", thrown);
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
    const to = runner
      ? { caller: runner }
      : this.#addressing.addressee(params, { origin, isQuestion: true }) ??
        this.#refuse(method, capability, origin);
    // A server whose questions come with the call they belong to may ask many windows at once.
    if (!origin) this.#context.onQuestion({ method, capability, suspects: [], isRefused: false });
    refuseUnanswerable(method, params, to.caller.capabilities);
    // The newest with an id is meant by it from now on: some servers have one id for all.
    if (typeof params.elicitationId === "string") {
      this.#context.handles.elicitations.set(params.elicitationId, to.caller);
    }
    const answer = await this.#ask(request, { caller: to.caller, calls: this.#callsOf(to, origin), signal });
    return this.#clientTasks.shownAnswer(to.caller, request, answer);
  }

  /** The calls a question may be asked for, the latest first. */
  #callsOf({ caller, call }: Addressee, origin?: Origin): readonly Call[] {
    if (!call) return [];
    return origin ? [call] : this.#context.attribution.callsOf(caller).toReversed();
  }

  #sharedRoots(roots: readonly Root[] | "none"): Result {
    this.#context.onRootsAsked();
    if (roots !== "none") return { result: { roots: [...roots] } };
    throw new ExaiError("METHOD_NOT_FOUND", "this client does not offer roots");
  }

  /** Asks the client, for as long as the question stands. */
  async #ask({ method, params = {} }: RpcRequest, { caller, calls, signal }: Asked): Promise<Result> {
    const { taskNames, elicitationNames } = this.#context.handles;
    const named = elicitationNames.outward(caller, withoutProgressToken(params));
    const understood = asUnderstood(method, named, caller.capabilities);
    const shown = this.#clientTasks.inward(taskNames.outward(understood));
    const busy = this.#busy.get(caller.id) ?? 0;
    if (busy >= MAX_ASKED) {
      throw new ExaiError(
        "OVER_CAPACITY",
        `${MAX_ASKED} of your requests to this client are not answered yet`,
      );
    }
    this.#busy.set(caller.id, busy + 1);
    using standing = this.#standing.begin(calls);
    const options: AskOptions = {
      signal: AbortSignal.any([signal, standing.signal]),
      onProgress: this.#progressTo(caller, params),
    };
    try {
      const answer = calls.length === 0
        ? await caller.ask(method, shown, options)
        : await askFor(calls, { method, params: shown, options });
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
        ? this.#context.handles.taskNames.inward(progress)
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
