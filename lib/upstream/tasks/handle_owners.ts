import { isObject, type JsonObject } from "../../base/json.ts";
import type { Call, Caller } from "../../call/call.ts";
import type { RequestId, Result } from "../../wire/rpc.ts";
import { type Beginning, LateTasks } from "./withdrawn_requests.ts";
import type { LiveTasks } from "./unfetched_tasks.ts";
import { ElicitationNames } from "./elicitation_aliases.ts";
import type { LostTasks } from "./orphaned_handles.ts";
import { createdTask, HandleTable, noSuchTask, requiredElicitations, TaskProgress } from "./handle_table.ts";
import { TaskNames } from "./task_aliases.ts";

/** What results of one upstream give their sessions to come back with: tasks, their progress, URL elicitations. */
export class HandleOwners {
  /** Whose the tasks are. */
  readonly owners: HandleTable;
  /** Whose the URL elicitations are: a server may call one as it calls a task. */
  readonly elicitations: HandleTable;
  readonly progress = new TaskProgress();
  readonly taskNames = new TaskNames();
  readonly elicitationNames = new ElicitationNames();
  readonly late = new LateTasks();
  readonly #tasks: LiveTasks;
  readonly #lost: LostTasks | undefined;

  /** `lost`: what was given out on the connections before this one. */
  constructor(tasks: LiveTasks, lost?: LostTasks) {
    this.#tasks = tasks;
    this.#lost = lost;
    this.owners = new HandleTable(lost?.owners);
    this.elicitations = new HandleTable(lost?.elicitations);
  }

  /** Notes whose the handles in the result of `call` are, which was asked under `id`. */
  note(id: RequestId, { caller, progressToken }: Beginning, { result, error }: Result): void {
    if (error) {
      for (const elicitation of requiredElicitations(error.data)) {
        if (typeof elicitation === "string") this.elicitations.set(elicitation, caller);
      }
      return;
    }
    const task = createdTask(result);
    if (typeof task === "string") this.owners.set(task, caller);
    if (task === undefined || !isObject(result?.task)) return;
    if (typeof task === "string") this.taskNames.add(caller, task);
    this.#tasks.begun(caller, result.task as JsonObject);
    // The token stays good for as long as the task (MCP basic/utilities/tasks, progress).
    if (progressToken !== undefined) this.progress.set(id, { caller, progressToken });
  }

  /**
   * The answer to a request that was withdrawn has come.
   *
   * @returns the task it has begun, which nobody waits for
   */
  noteLate(id: RequestId, answer: Result): string | undefined {
    const beginning = this.late.take(id);
    const task = answer.result && createdTask(answer.result);
    if (typeof task !== "string") return undefined;
    if (beginning) this.note(id, beginning, answer);
    else this.owners.setOver(task);
    return task;
  }

  /** The server has answered a request about the task that it calls `taskId`. */
  answered(method: string, taskId: unknown, answer: Result): void {
    this.#tasks.answered(method, taskId, answer);
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
    try {
      if (own === undefined && taskId !== undefined) throw noSuchTask(taskId);
      this.owners.checkTask(caller, own);
      return own;
    } catch (thrown) {
      this.#lost?.checkName(caller, taskId);
      throw thrown;
    }
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
    this.elicitations.forget(caller);
    this.progress.forget(caller);
    this.taskNames.forget(caller);
    this.late.forget(caller);
    this.#tasks.forget(caller);
  }
}
