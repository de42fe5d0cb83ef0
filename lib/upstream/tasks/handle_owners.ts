import { isObject, type JsonObject } from "../../base/json.ts";
import type { Call, Caller } from "../../call/call.ts";
import type { RequestId, Result } from "../../wire/rpc.ts";
import { type TaskRequest, WithdrawnTaskRequests } from "./withdrawn_requests.ts";
import type { UnfetchedTasks } from "./unfetched_tasks.ts";
import { ElicitationAliases } from "./elicitation_aliases.ts";
import type { OrphanedHandles } from "./orphaned_handles.ts";
import { createdTask, HandleTable, noSuchTask, requiredElicitations, TaskProgress } from "./handle_table.ts";
import { TaskAliases } from "./task_aliases.ts";

/** What results of one upstream give their sessions to come back with: tasks, their progress, URL elicitations. */
export class HandleOwners {
  /** Whose the tasks are. */
  readonly tasks: HandleTable;
  /** Whose the URL elicitations are: a server may call one as it calls a task. */
  readonly elicitations: HandleTable;
  readonly progress = new TaskProgress();
  readonly taskAliases = new TaskAliases();
  readonly elicitationAliases = new ElicitationAliases();
  readonly withdrawn = new WithdrawnTaskRequests();
  readonly #tasks: UnfetchedTasks;
  readonly #lost: OrphanedHandles | undefined;

  /** `lost`: what was given out on the connections before this one. */
  constructor(tasks: UnfetchedTasks, lost?: OrphanedHandles) {
    this.#tasks = tasks;
    this.#lost = lost;
    this.tasks = new HandleTable(lost?.tasks);
    this.elicitations = new HandleTable(lost?.elicitations);
  }

  /** Notes whose the handles in the result of `call` are, which was asked under `id`. */
  note(id: RequestId, { caller, progressToken }: TaskRequest, { result, error }: Result): void {
    if (error) {
      for (const elicitation of requiredElicitations(error.data)) {
        if (typeof elicitation === "string") this.elicitations.set(elicitation, caller);
      }
      return;
    }
    const task = createdTask(result);
    if (typeof task === "string") this.tasks.set(task, caller);
    if (task === undefined || !isObject(result?.task)) return;
    if (typeof task === "string") this.taskAliases.add(caller, task);
    this.#tasks.add(caller, result.task as JsonObject);
    // The token stays good for as long as the task (MCP basic/utilities/tasks, progress).
    if (progressToken !== undefined) this.progress.set(id, { caller, progressToken });
  }

  /**
   * The answer to a request that was withdrawn has come.
   *
   * @returns the task it has begun, which nobody waits for
   */
  noteWithdrawn(id: RequestId, answer: Result): string | undefined {
    const beginning = this.withdrawn.take(id);
    const task = answer.result && createdTask(answer.result);
    if (typeof task !== "string") return undefined;
    if (beginning) this.note(id, beginning, answer);
    else this.tasks.setEnded(task);
    return task;
  }

  /** The server has answered a request about the task that it calls `taskId`. */
  answered(method: string, taskId: unknown, answer: Result): void {
    this.#tasks.answered(method, taskId, answer);
  }

  /** Whether `caller` has begun the task it calls `taskId`, on this very connection. */
  isTaskOf(caller: Caller, taskId: unknown): boolean {
    return this.tasks.holds(caller, this.taskAliases.serverName(taskId));
  }

  /**
   * What the server calls the task that `caller` calls `taskId`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it is another session's, or the name of another server's task
   */
  ownTask(caller: Caller, taskId: unknown): unknown {
    const own = this.taskAliases.serverName(taskId);
    try {
      if (own === undefined && taskId !== undefined) throw noSuchTask(taskId);
      this.tasks.checkTask(caller, own);
      return own;
    } catch (thrown) {
      this.#lost?.checkName(caller, taskId);
      throw thrown;
    }
  }

  /** An answer of the server as the session of the call is to see it. */
  toSession({ method, caller }: Call, answer: Result): Result {
    if (answer.error) return this.elicitationAliases.resultToClient(caller, answer);
    return this.taskAliases.resultToClient(
      method === "tasks/list" ? this.tasks.filterTasks(caller, answer) : answer,
    );
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.tasks.forget(caller);
    this.elicitations.forget(caller);
    this.progress.forget(caller);
    this.taskAliases.forget(caller);
    this.withdrawn.forget(caller);
    this.#tasks.forget(caller);
  }
}
