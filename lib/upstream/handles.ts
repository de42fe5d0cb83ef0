import { isObject, type JsonObject } from "../base/json.ts";
import type { Call, Caller } from "../call/call.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import type { LiveTasks } from "./live_tasks.ts";
import { ElicitationNames } from "./elicitation_names.ts";
import { createdTask, noSuchTask, Owners, requiredElicitations, TaskProgress } from "./owners.ts";
import { TaskNames } from "./task_names.ts";

/** What results of one upstream give their sessions to come back with: tasks, their progress, URL elicitations. */
export class Handles {
  readonly owners: Owners;
  readonly progress = new TaskProgress();
  readonly taskNames = new TaskNames();
  readonly elicitationNames = new ElicitationNames();
  readonly #tasks: LiveTasks;

  /** `before`: whose the handles are that were given out on the connections before this one. */
  constructor(tasks: LiveTasks, before?: Owners) {
    this.#tasks = tasks;
    this.owners = new Owners(before);
  }

  /** Notes whose the handles in the result of `call` are, which was asked under `id`. */
  note(id: RequestId, call: Call, { result, error }: Result): void {
    const { caller, progressToken } = call;
    if (error) {
      for (const elicitation of requiredElicitations(error.data)) this.#own(elicitation, caller);
      return;
    }
    const task = createdTask(result);
    this.#own(task, caller);
    if (task === undefined || !isObject(result?.task)) return;
    if (typeof task === "string") this.taskNames.add(caller, task);
    this.#tasks.begun(caller, result.task as JsonObject);
    // The token stays good for as long as the task (MCP basic/utilities/tasks, progress).
    if (progressToken !== undefined) this.progress.set(id, { caller, progressToken });
  }

  /** Whether `caller` has begun the task it calls `taskId`, on this very connection. */
  isTaskOf(caller: Caller, taskId: unknown): boolean {
    return this.owners.holds(caller, this.taskNames.ownOf(taskId));
  }

  /**
   * What the server calls the task that `caller` calls `taskId`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it is another session's, or the name of another server's task
   */
  ownTask(caller: Caller, taskId: unknown): unknown {
    const own = this.taskNames.ownOf(taskId);
    if (own === undefined && taskId !== undefined) throw noSuchTask(taskId);
    this.owners.checkTask(caller, own);
    return own;
  }

  /** An answer of the server as the session of the call is to see it. */
  asSeen({ method, caller }: Call, answer: Result): Result {
    if (answer.error) return this.elicitationNames.shownResult(caller, answer);
    return this.taskNames.shownResult(
      method === "tasks/list" ? this.owners.filterTasks(caller, answer) : answer,
    );
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.owners.forget(caller);
    this.progress.forget(caller);
    this.taskNames.forget(caller);
    this.#tasks.forget(caller);
  }

  #own(handle: unknown, caller: Caller): void {
    if (typeof handle === "string") this.owners.set(handle, caller);
  }
}
