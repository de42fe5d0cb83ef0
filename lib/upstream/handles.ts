import { isObject, type JsonObject } from "../base/json.ts";
import type { Call, Caller } from "../call/call.ts";
import type { RequestId, Result } from "../wire/rpc.ts";
import type { LiveTasks } from "./live_tasks.ts";
import { createdTask, Owners, requiredElicitations, TaskProgress } from "./owners.ts";

/** What results of one upstream give their sessions to come back with: tasks, their progress, URL elicitations. */
export class Handles {
  readonly owners: Owners;
  readonly progress = new TaskProgress();
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
    this.#tasks.begun(caller, result.task as JsonObject);
    // The token stays good for as long as the task (MCP basic/utilities/tasks, progress).
    if (progressToken !== undefined) this.progress.set(id, { caller, progressToken });
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    this.owners.forget(caller);
    this.progress.forget(caller);
    this.#tasks.forget(caller);
  }

  #own(handle: unknown, caller: Caller): void {
    if (typeof handle === "string") this.owners.set(handle, caller);
  }
}
