import type { JsonObject } from "../base/json.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { askOnce, type AskOptions, type Call, type TaskHints } from "../call/call.ts";
import { checkAnswerable } from "../call/client_capabilities.ts";
import type { TaskRecord } from "../call/task_records.ts";
import { OpenQuestions } from "../round_trips/open_questions.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";

/** When a client may ask for the state of a task again, where its server says nothing of it. */
const POLL_MS = SECOND_MS;

/** How long a client may leave a question of its task unanswered: what the call holds is held meanwhile. */
const ANSWER_MS = 10 * MINUTE_MS;

interface RunningTaskOptions {
  /** The call it is made of. */
  call: Pick<Call, "caller" | "parking">;
  hints?: TaskHints;
  /** Stops the call. */
  cancel(): void;
}

/** A call that goes on as a task (SEP-2663), while it runs. */
export class RunningTask {
  readonly record: Pick<TaskRecord, "taskId" | "owner" | "createdAtMs" | "ttlMs">;
  /** Called with the state at each change of the status. */
  readonly watchers = new Set<(task: JsonObject) => void>();
  readonly #options: RunningTaskOptions;
  readonly #questions = new OpenQuestions(() => {});
  #patience: ReturnType<typeof setTimeout> | undefined;
  #hints: TaskHints;
  #updatedAtMs: number;

  constructor(record: RunningTask["record"], options: RunningTaskOptions) {
    this.record = record;
    this.#options = options;
    this.#hints = options.hints ?? {};
    this.#updatedAtMs = record.createdAtMs;
  }

  /** The server has said more of it. */
  hint(hints: TaskHints): void {
    this.#hints = { ...this.#hints, ...hints };
    this.#updatedAtMs = Date.now();
  }

  cancel(): void {
    this.#questions.giveUp("the task was cancelled");
    this.#options.cancel();
  }

  /**
   * The client's answer to a question, which is shown with the state until it is there. The call's time stands still
   * meanwhile.
   *
   * @throws {ExaiError} `METHOD_NOT_FOUND` for what the client has not declared; `CANCELLED`, `TIMEOUT`
   */
  async ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    return await askOnce(options, () => this.#ask(method, params, options));
  }

  async #ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    const { call: { caller, parking } } = this.#options;
    checkAnswerable(method, params, caller.capabilities);
    const answer = this.#questions.add(method, params, options);
    clearTimeout(this.#patience);
    const giveUp = () => this.#questions.giveUp("its task was not updated in time");
    this.#patience = setTimeout(giveUp, ANSWER_MS);
    // Others that wait for what the call holds end its rest.
    using _hurry = parking?.watch((isParked) => isParked || giveUp());
    parking?.park();
    this.#changed();
    try {
      return await answer;
    } finally {
      if (this.#questions.size === 0) {
        clearTimeout(this.#patience);
        parking?.resume();
      }
      this.#changed();
    }
  }

  /**
   * Answers the open questions among `responses`; others were answered before, or never asked, and are ignored.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when an answer is none to its question; no question is then answered
   */
  answer(responses: JsonObject): void {
    this.#questions.settle(responses);
  }

  /** Its state, as `tasks/get` answers it. */
  get shown(): JsonObject {
    const { statusMessage, pollIntervalMs } = this.#hints;
    const isAsking = this.#questions.size > 0;
    return {
      ...shownTimes({ ...this.record, updatedAtMs: this.#updatedAtMs }),
      status: isAsking ? "input_required" : "working",
      ...(statusMessage === undefined ? {} : { statusMessage }),
      pollIntervalMs: pollIntervalMs ?? POLL_MS,
      ...(isAsking ? { inputRequests: this.#questions.toJson() } : {}),
    };
  }

  /** Tells `task`, the new state. */
  tell(task: JsonObject): void {
    for (const watch of [...this.watchers]) watch(task);
  }

  /** Its call has ended: nobody is told anything more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#patience);
    this.watchers.clear();
  }

  #changed(): void {
    this.#updatedAtMs = Date.now();
    this.tell(this.shown);
  }
}

/** The state of a task that has ended, as `tasks/get` answers it. */
export function shownEnd(record: TaskRecord): JsonObject {
  return { ...shownTimes(record), status: record.status ?? "failed", ...record.outcome };
}

function shownTimes(
  { taskId, createdAtMs, updatedAtMs, ttlMs }: Pick<
    TaskRecord,
    "taskId" | "createdAtMs" | "updatedAtMs" | "ttlMs"
  >,
): JsonObject {
  return {
    taskId,
    createdAt: new Date(createdAtMs).toISOString(),
    lastUpdatedAt: new Date(updatedAtMs).toISOString(),
    ttlMs,
  };
}
