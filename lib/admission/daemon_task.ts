import type { JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { TaskHints } from "../call/call.ts";
import type { TaskRecord } from "../call/task_records.ts";
import { TaskQuestions } from "./task_questions.ts";

/** When a client may ask for the state of a task again, where its server says nothing of it. */
const POLL_MS = SECOND_MS;

/** A call that goes on as a task (SEP-2663), while it runs. */
export class RunningTask {
  readonly record: Pick<TaskRecord, "taskId" | "owner" | "createdAtMs" | "ttlMs">;
  readonly questions = new TaskQuestions(() => this.#changed());
  /** Called with the state at each change of the status. */
  readonly watchers = new Set<(task: JsonObject) => void>();
  readonly #cancel: () => void;
  #hints: TaskHints;
  #updatedAtMs: number;

  /** @param cancel stops the call */
  constructor(record: RunningTask["record"], { hints = {}, cancel }: { hints?: TaskHints; cancel(): void }) {
    this.record = record;
    this.#hints = hints;
    this.#updatedAtMs = record.createdAtMs;
    this.#cancel = cancel;
  }

  /** The server has said more of it. */
  hint(hints: TaskHints): void {
    this.#hints = { ...this.#hints, ...hints };
    this.#updatedAtMs = Date.now();
  }

  cancel(): void {
    this.#cancel();
  }

  /** Its state, as `tasks/get` answers it. */
  get shown(): JsonObject {
    const { statusMessage, pollIntervalMs } = this.#hints;
    const isAsking = this.questions.size > 0;
    return {
      ...shownTimes({ ...this.record, updatedAtMs: this.#updatedAtMs }),
      status: isAsking ? "input_required" : "working",
      ...(statusMessage === undefined ? {} : { statusMessage }),
      pollIntervalMs: pollIntervalMs ?? POLL_MS,
      ...(isAsking ? { inputRequests: this.questions.requests } : {}),
    };
  }

  /** Tells `task`, the new state. */
  tell(task: JsonObject): void {
    for (const watch of [...this.watchers]) watch(task);
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
