import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../base/json.ts";
import { quoteValue } from "../base/text.ts";
import { HOUR_MS } from "../base/units.ts";
import { type Call, type Caller, paramOf, type TaskHints, type Whereabouts } from "../call/call.ts";
import { mayUse, ownerKey } from "../call/owner.ts";
import type { FinalStatus, TaskRecord, TaskRecords } from "../call/task_records.ts";
import type { Result } from "../wire/rpc.ts";
import { isAboutTask, taskOutcome } from "../wire/tasks_extension.ts";
import { RunningTask, shownEnd } from "./daemon_task.ts";
import type { DetachedCall } from "./detached_calls.ts";

/** How long a task is kept after the longest time it may take. */
const RESULT_MS = 24 * HOUR_MS;

/** Outcomes that could not be written, kept in memory; the oldest are dropped. */
const MAX_UNWRITTEN = 256;

interface DaemonTasksOptions {
  records: TaskRecords;
  /** The longest that a task may take, in milliseconds. */
  maxMs: number;
}

/** A call that becomes a task. */
interface BeginningTask {
  detached: DetachedCall;
  /** The call it was. */
  call: Pick<Call, "caller" | "parking">;
  hints?: TaskHints;
}

/** The calls that go on as tasks, for clients that ask for their state (SEP-2663), and those that have ended. */
export class DaemonTasks {
  readonly #options: DaemonTasksOptions;
  readonly #running = new Map<string, RunningTask>();
  readonly #unwritten = new Map<string, TaskRecord>();

  constructor(options: DaemonTasksOptions) {
    this.#options = options;
  }

  /** Makes a task of a detached call, which has its handle for an id. It is kept on disk when this resolves. */
  async begin({ detached, call, hints }: BeginningTask): Promise<RunningTask> {
    const record = {
      taskId: detached.handle,
      owner: ownerKey(await call.caller.belonging.owner()),
      createdAtMs: detached.startedAtMs,
      ttlMs: this.#options.maxMs + RESULT_MS,
    };
    const cancel = () => {
      this.#end(task, "cancelled", {});
      detached.cancel(new ExaiError("CANCELLED", "its client has cancelled the task"));
    };
    const task = new RunningTask(record, { call, hints, cancel });
    this.#running.set(record.taskId, task);
    this.#options.records.add(record);
    detached.watchers.add(({ message }) => message !== undefined && task.hint({ statusMessage: message }));
    void detached.outcome.then((result) => {
      this.#end(task, result.error ? "failed" : "completed", taskOutcome(result));
      detached.release?.();
    });
    return task;
  }

  /** The daemon stops: what becomes of those that run is not known, and the next daemon says so. */
  leave(): void {
    for (const task of this.#running.values()) task[Symbol.dispose]();
    this.#running.clear();
  }

  /** The answer to a call about a task that was made here; undefined for any other call. */
  answer(call: Call): Promise<Result> | undefined {
    return isAboutTask(call.caller, call.method) ? this.#answer(call) : undefined;
  }

  async #answer(call: Call): Promise<Result> {
    const taskId = textOf(paramOf(call, "taskId"));
    if (taskId === undefined) throw new ExaiError("INVALID_PARAMS", "taskId must be a text");
    const found = await this.#find(call.caller, taskId);
    if (!found) throw noSuchTask(taskId);
    if (call.method === "tasks/get") return { result: stateOf(found) };
    if (found instanceof RunningTask) {
      if (call.method === "tasks/cancel") found.cancel();
      else found.answer(responsesIn(call));
    }
    return { result: {} };
  }

  /**
   * Tells `caller` of each change of those of `taskIds` that it may see, as `notifications/tasks`. A task that waits for
   * its client, or has ended, is told at once: it may have come to that before.
   *
   * @returns those of them; dispose of it to be told no more
   */
  async watch(
    caller: Pick<Caller, "identity" | "notify">,
    taskIds: readonly string[],
  ): Promise<Disposable & { readonly taskIds: readonly string[] }> {
    const watched = new DisposableStack();
    const seen: string[] = [];
    const tell = (task: JsonObject) => caller.notify("notifications/tasks", task);
    for (const taskId of new Set(taskIds)) {
      const found = await this.#find(caller, taskId);
      if (!found) continue;
      seen.push(taskId);
      if (found instanceof RunningTask) {
        found.watchers.add(tell);
        watched.defer(() => void found.watchers.delete(tell));
      }
      const state = stateOf(found);
      if (state.status !== "working") tell(state);
    }
    return { taskIds: seen, [Symbol.dispose]: () => watched.dispose() };
  }

  /** A task that `caller` may see. */
  async #find(
    caller: Pick<Whereabouts, "identity">,
    taskId: string,
  ): Promise<RunningTask | TaskRecord | undefined> {
    const identity = await caller.identity();
    const running = this.#running.get(taskId);
    const found = running ?? this.#unwritten.get(taskId) ?? this.#options.records.get(taskId);
    const owner = found instanceof RunningTask ? found.record.owner : found?.owner;
    return owner !== undefined && mayUse(identity, owner) ? found : undefined;
  }

  #end(task: RunningTask, status: FinalStatus, outcome: JsonObject): void {
    const { taskId } = task.record;
    // A task that its client has cancelled stays so, whatever becomes of the call.
    if (!this.#running.delete(taskId)) return;
    const ended = { ...task.record, status, outcome, updatedAtMs: Date.now() };
    const isKept = this.#options.records.finish(taskId, { status, outcome, updatedAtMs: ended.updatedAtMs });
    if (!isKept) this.#keepUnwritten(ended);
    task.tell(shownEnd(ended));
    task[Symbol.dispose]();
  }

  #keepUnwritten(record: TaskRecord): void {
    this.#unwritten.set(record.taskId, record);
    const [oldest] = this.#unwritten.keys();
    if (this.#unwritten.size > MAX_UNWRITTEN && oldest !== undefined) this.#unwritten.delete(oldest);
  }
}

/** The answer to the call that became `task`. */
export function createdResult({ shown }: RunningTask): Result {
  const { inputRequests: _, ...created } = shown;
  return { result: { resultType: "task", ...created } };
}

function stateOf(task: RunningTask | TaskRecord): JsonObject {
  return task instanceof RunningTask ? task.shown : shownEnd(task);
}

function responsesIn(call: Call): JsonObject {
  const responses = paramOf(call, "inputResponses");
  if (isObject(responses)) return responses;
  throw new ExaiError("INVALID_PARAMS", "inputResponses must be an object with an answer for each key");
}

function noSuchTask(taskId: string): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `there is no task ${
      quoteValue(taskId)
    } here: a task is known to the windows of the workspace it was begun in, ` +
      "until its ttl is over or newer results take its place",
  );
}
