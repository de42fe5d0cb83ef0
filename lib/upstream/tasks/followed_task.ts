import { delay } from "@std/async/delay";
import { untilAborted } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { isObject, type JsonObject, numberOf, textOf } from "../../base/json.ts";
import { SECOND_MS } from "../../base/units.ts";
import { type Call, derive, type InputAnswers, type TaskHints } from "../../call/call.ts";
import { waitingFor } from "../../call/wait.ts";
import { CODES } from "../../wire/codes.ts";
import { exactResult, resultMember } from "../../wire/raw_message.ts";
import type { Result } from "../../wire/rpc.ts";
import { answersTo } from "../instance/link/input_rounds.ts";
import { answerOfHop } from "../instance/link/modern_answer.ts";

/** When to ask for the state of a task again, where its server does not say; and the bounds of what it may say. */
const POLL_MS = SECOND_MS;
const MIN_POLL_MS = SECOND_MS / 10;
const MAX_POLL_MS = 60 * SECOND_MS;

/** How often in a row the state may be asked for in vain: a server may be out of reach, or overloaded, for a moment. */
const MAX_FAILURES = 5;
/** Errors of a server that does not know the task, or tasks at all, and will not a moment later (SEP-2663). */
const LASTING = new Set([CODES.INVALID_PARAMS.rpc, CODES.METHOD_NOT_FOUND.rpc]);

interface FollowOptions {
  /** The server's name. */
  server: string;
  /** Sends the server a request about the task on behalf of the call. */
  ask(method: string, params: JsonObject, answers?: InputAnswers): Promise<Result>;
  /** Whether the server can still be asked. */
  isOpen(): boolean;
}

/** Whether the server has begun a task for the request (SEP-2663, polymorphic results). */
export function isTask(answer: Result): boolean {
  return !answer.error && resultMember(answer, "resultType") === "task";
}

/**
 * Waits for a task that a server has begun for `call`, on behalf of its client: asks for its state as often as the server
 * suggests, puts its questions to the client, and cancels it with the call. A client that follows tasks is given one of
 * the daemon's meanwhile.
 *
 * @param created what the server has answered, which {@linkcode isTask}
 * @returns what the call would have been answered with
 * @throws {ExaiError} the signal's reason; `OUTCOME_UNKNOWN` when the server can no longer be asked
 */
export async function followTask(call: Call, created: Result, options: FollowOptions): Promise<Result> {
  const state = exactResult(created as { result: JsonObject });
  const taskId = textOf(state.taskId);
  if (taskId === undefined) {
    throw new ExaiError("INTERNAL", `server "${options.server}" has begun a task without a taskId`);
  }
  const what = `a task of server "${options.server}" to end`;
  using task = new FollowedTask(call, { ...options, taskId });
  return await waitingFor(call, what, task.end(state));
}

class FollowedTask implements Disposable {
  readonly #call: Call;
  readonly #options: FollowOptions & { taskId: string };
  /** Questions that were put to the client; a server shows them until it has taken the answers. */
  readonly #asked = new Set<string>();
  /** Aborted when the task has ended: its open questions are withdrawn. */
  readonly #over = new AbortController();
  /** Aborted with the call, or with what went wrong with a question. */
  readonly #stop = new AbortController();
  /** Resolved when an answer was sent, so that the state is asked for soon. */
  #answered = Promise.withResolvers<void>();
  #failures = 0;

  constructor(call: Call, options: FollowOptions & { taskId: string }) {
    this.#call = call;
    this.#options = options;
  }

  /** The outcome of the task, whose state is `state` now. */
  async end(state: JsonObject): Promise<Result> {
    const { signal } = this.#call;
    const onAbort = () => {
      this.#cancel();
      this.#stop.abort(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      // The answer that names it may say less of it than its state does.
      for (let now = state, isCreation = true;; isCreation = false) {
        const outcome = isCreation ? undefined : this.#outcomeOf(now);
        if (outcome) return outcome;
        this.#call.early?.giveTask?.(hintsOf(now));
        if (isObject(now.inputRequests)) this.#askAll(now.inputRequests);
        await this.#pause(isCreation && now.status !== "working" ? 0 : pollMsOf(now));
        now = await this.#state() ?? now;
      }
    } catch (thrown) {
      if (!signal.aborted) this.#cancel();
      throw thrown;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#over.abort(new ExaiError("CANCELLED", "the task has ended"));
  }

  #outcomeOf({ status, result, error, statusMessage }: JsonObject): Result | undefined {
    const { server } = this.#options;
    switch (status) {
      case "completed":
        if (isObject(result) && (result.resultType ?? "complete") === "complete") {
          return this.#asAnswer({ result });
        }
        throw new ExaiError(
          "INTERNAL",
          `server "${server}" has completed a task without a result of its call`,
        );
      case "failed": {
        const { code, message, data } = isObject(error) ? error : {};
        const failure = {
          code: numberOf(code) ?? -32603,
          message: textOf(message) ?? textOf(statusMessage) ?? "the task has failed",
          ...(data === undefined ? {} : { data }),
        };
        return this.#asAnswer({ error: failure });
      }
      case "cancelled": {
        const why = textOf(statusMessage);
        throw new ExaiError(
          "CANCELLED",
          `server "${server}" has cancelled its task${why === undefined ? "" : `: ${why}`}`,
        );
      }
      case "working":
      case "input_required":
        return undefined;
    }
    throw new ExaiError("INTERNAL", `server "${server}" gave a task no status that tasks have`);
  }

  /** As if the server had answered the call itself. */
  #asAnswer(outcome: Result): Result {
    const { method, caller: { capabilities } } = this.#call;
    return answerOfHop(outcome, { method, capabilities, server: this.#options.server });
  }

  /** The state now; undefined when it could not be learned this time. */
  async #state(): Promise<JsonObject | undefined> {
    const { taskId, server, ask, isOpen } = this.#options;
    let why: string;
    let isLasting = false;
    try {
      const answer = await this.#untilStopped(ask("tasks/get", { taskId }));
      if (!answer.error) {
        this.#failures = 0;
        return exactResult(answer);
      }
      why = answer.error.message;
      isLasting = LASTING.has(answer.error.code);
    } catch (thrown) {
      if (this.#stop.signal.aborted) throw thrown;
      why = messageOf(thrown);
    }
    if (!isLasting && isOpen() && ++this.#failures < MAX_FAILURES) return undefined;
    throw new ExaiError(
      "OUTCOME_UNKNOWN",
      `server "${server}" has begun a task for the call, and does not say any more what becomes of it: ${why}; ` +
        "it may have been done, in part or whole",
      { details: { server, outcome: "unknown" } },
    );
  }

  /** Puts the questions to the client that it was not asked yet, and the answers to the server. */
  #askAll(inputRequests: JsonObject): void {
    const fresh = Object.entries(inputRequests).filter(([key]) => !this.#asked.has(key));
    for (const [key, request] of fresh) {
      this.#asked.add(key);
      this.#put({ [key]: request }).catch((thrown) => {
        if (!this.#over.signal.aborted) this.#stop.abort(ExaiError.from(thrown));
      });
    }
  }

  async #put(inputRequests: JsonObject): Promise<void> {
    const { taskId, server, ask } = this.#options;
    const call = derive(this.#call, {
      ask: (method, params, options = {}) => {
        const signals = [this.#over.signal, options.signal ?? []].flat();
        return this.#call.ask(method, params, { ...options, signal: AbortSignal.any(signals) });
      },
    });
    const answered = await answersTo(call, { inputRequests }, server);
    if ("error" in answered) throw new ExaiError("INTERNAL", answered.error.message);
    const { error } = await ask("tasks/update", { taskId }, answered.answers);
    if (error) throw new ExaiError("INTERNAL", `server "${server}" refused an answer: ${error.message}`);
    this.#answered.resolve();
  }

  async #pause(ms: number): Promise<void> {
    const timer = new AbortController();
    const passed = delay(ms, { signal: timer.signal }).catch(() => {});
    const { promise } = this.#answered;
    await this.#untilStopped(Promise.race([passed, promise])).finally(() => timer.abort());
    this.#answered = Promise.withResolvers();
  }

  /** Settles as `work` does, unless the call is aborted or a question has failed. */
  #untilStopped<T>(work: Promise<T>): Promise<T> {
    return untilAborted(work, this.#stop.signal);
  }

  /** Nobody waits for the answer: the server decides what it makes of it (SEP-2663, task cancellation). */
  #cancel(): void {
    const { taskId, ask, isOpen } = this.#options;
    if (isOpen()) ask("tasks/cancel", { taskId }).catch(() => {});
  }
}

function hintsOf({ pollIntervalMs, statusMessage }: JsonObject): TaskHints {
  const interval = numberOf(pollIntervalMs);
  const message = textOf(statusMessage);
  return {
    ...(interval === undefined ? {} : { pollIntervalMs: interval }),
    ...(message === undefined ? {} : { statusMessage: message }),
  };
}

function pollMsOf({ pollIntervalMs }: JsonObject): number {
  return Math.min(MAX_POLL_MS, Math.max(MIN_POLL_MS, numberOf(pollIntervalMs) ?? POLL_MS));
}
