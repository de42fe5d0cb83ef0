import { isObject } from "../../base/json.ts";
import type { Call, Caller } from "../../call/call.ts";
import { resultMember } from "../../wire/raw_message.ts";
import type { RequestId, Result } from "../../wire/rpc.ts";
import { type TaskRequest, WithdrawnTaskRequests } from "./withdrawn_requests.ts";
import type { UnfetchedTasks } from "./unfetched_tasks.ts";
import { ElicitationAliases } from "./elicitation_aliases.ts";
import type { OrphanedHandles } from "./orphaned_handles.ts";
import { HandleTable, noSuchTask, requiredElicitations, TaskProgress } from "./handle_table.ts";
import { TaskAliases } from "./task_aliases.ts";

/** The handles that results of one instance give to their sessions: tasks, their progress, URL elicitations. */
export class HandleOwners {
  /** The owners of tasks. */
  readonly tasks: HandleTable;
  /** The owners of URL elicitations; apart from tasks, as a server may use one id for both. */
  readonly elicitations: HandleTable;
  readonly progress = new TaskProgress();
  readonly taskAliases = new TaskAliases();
  readonly elicitationAliases = new ElicitationAliases();
  readonly withdrawn = new WithdrawnTaskRequests();
  readonly #unfetched: UnfetchedTasks;
  readonly #orphaned: OrphanedHandles | undefined;

  /** `orphaned`: handles given out on earlier connections. */
  constructor(unfetched: UnfetchedTasks, orphaned?: OrphanedHandles) {
    this.#unfetched = unfetched;
    this.#orphaned = orphaned;
    this.tasks = new HandleTable(orphaned?.tasks);
    this.elicitations = new HandleTable(orphaned?.elicitations);
  }

  /** Notes the owner of the handles in the result of the request `id`. */
  note(id: RequestId, { caller, progressToken }: TaskRequest, answer: Result): void {
    if (answer.error) {
      for (const elicitation of requiredElicitations(answer.error.data)) {
        if (typeof elicitation === "string") this.elicitations.set(elicitation, caller);
      }
      return;
    }
    const task = resultMember(answer, "task");
    if (!isObject(task) || task.taskId === undefined) return;
    if (typeof task.taskId === "string") {
      this.tasks.set(task.taskId, caller);
      this.taskAliases.add(caller, task.taskId);
    }
    this.#unfetched.add(caller, task);
    // The token stays valid for the lifetime of the task (MCP basic/utilities/tasks, progress).
    if (progressToken !== undefined) this.progress.set(id, { caller, progressToken });
  }

  /**
   * Notes the answer to a withdrawn request.
   *
   * @returns the id of the task it has created, if any
   */
  noteWithdrawn(id: RequestId, answer: Result): string | undefined {
    const request = this.withdrawn.take(id);
    const created = resultMember(answer, "task");
    const task = isObject(created) ? created.taskId : undefined;
    if (typeof task !== "string") return undefined;
    if (request) this.note(id, request, answer);
    else this.tasks.setEnded(task);
    return task;
  }

  /** The server has answered a request about a task; `taskId` is its own id. */
  answered(method: string, taskId: unknown, answer: Result): void {
    this.#unfetched.answered(method, taskId, answer);
  }

  /** Whether `caller` has created the task on this connection; `taskId` is the client's id. */
  isTaskOf(caller: Caller, taskId: unknown): boolean {
    return this.tasks.holds(caller, this.taskAliases.serverName(taskId));
  }

  /**
   * The server's id of the task that the client of `caller` calls `taskId`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it is a task of another session or another server
   */
  ownTask(caller: Caller, taskId: unknown): unknown {
    const own = this.taskAliases.serverName(taskId);
    try {
      if (own === undefined && taskId !== undefined) throw noSuchTask(taskId);
      this.tasks.checkTask(caller, own);
      return own;
    } catch (thrown) {
      this.#orphaned?.checkName(caller, taskId);
      throw thrown;
    }
  }

  /** An answer of the server with the ids its session knows; parsed only where it is a list of tasks. */
  toSession({ method, caller }: Call, answer: Result): Result {
    if (answer.error) return this.elicitationAliases.resultToClient(caller, answer);
    return this.taskAliases.resultToClient(
      method === "tasks/list" ? this.tasks.filterTasks(caller, answer) : answer,
    );
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.tasks.forget(caller);
    this.elicitations.forget(caller);
    this.progress.forget(caller);
    this.taskAliases.forget(caller);
    this.withdrawn.forget(caller);
    this.#unfetched.forget(caller);
  }
}
