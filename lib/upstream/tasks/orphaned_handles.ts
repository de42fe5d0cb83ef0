import { ExaiError } from "../../base/errors.ts";
import { textOf } from "../../base/json.ts";
import { quoteValue } from "../../base/text.ts";
import { type Call, type Caller, paramOf } from "../../call/call.ts";
import type { Result } from "../../wire/rpc.ts";
import type { UnfetchedTask, UnfetchedTasks } from "./unfetched_tasks.ts";
import { BoundedMap } from "../bounded_map.ts";
import { HandleTable, MAX_HANDLES } from "./handle_table.ts";
import type { TaskAliases } from "./task_aliases.ts";

const RETRY_ADVICE = "it may have run: begin it again if that does no harm";

/** A connection that has ended, and the handles given out on it. */
interface ClosedConnection {
  readonly handles: {
    readonly tasks: HandleTable;
    readonly elicitations: HandleTable;
    readonly taskAliases: TaskAliases;
  };
  readonly tasks: UnfetchedTasks;
  /** Id of the child process; undefined for a server behind a URL. */
  readonly pid: number | undefined;
}

/**
 * The handles of one server given out on connections that have ended. They keep their owners: a server may still know
 * what they name.
 */
export class OrphanedHandles {
  readonly tasks = new HandleTable();
  readonly elicitations = new HandleTable();
  /** Why the connection of each task ended, by the client's id of the task. */
  readonly #why = new WeakMap<Caller, Map<string, string>>();

  /** Takes over the handles of a connection that has ended, and reports its interrupted tasks as failed. */
  add({ handles, tasks, pid }: ClosedConnection, why: string): void {
    const { taskAliases } = handles;
    for (const [handle, caller] of handles.tasks) this.#lose(caller, taskAliases.clientName(handle), why);
    this.tasks.addAll(handles.tasks);
    this.elicitations.addAll(handles.elicitations);
    const interrupted = tasks.takeInterrupted();
    // A server behind a URL may continue its tasks; a process that has ended does not.
    if (pid === undefined) return;
    for (const task of interrupted) notifyFailed(task, taskAliases.clientName(task.taskId), why);
  }

  /**
   * Checks the answer to a call about a task that was not created on a running connection. The server may know the task
   * nevertheless.
   *
   * @throws {ExaiError} `INVALID_PARAMS` with the reason when the task is lost
   */
  explain(call: Call, answer: Result): Result {
    const taskId = paramOf(call, "taskId");
    const why = this.whyLost(call.caller, taskId);
    if (!answer.error || why === undefined) return answer;
    throw new ExaiError(
      "INVALID_PARAMS",
      `task ${quoteValue(taskId)} is lost: ${why}, and on the next connection it is not known ` +
        `(${answer.error.message}); ${RETRY_ADVICE}`,
    );
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.tasks.forget(caller);
    this.elicitations.forget(caller);
  }

  /** Why the task that the client of `caller` calls `taskId` is lost; undefined: it is not. */
  whyLost(caller: Caller, taskId: unknown): string | undefined {
    return this.#why.get(caller)?.get(textOf(taskId) ?? "");
  }

  /** @throws {ExaiError} `INVALID_PARAMS` when the task of the caller is lost and its id belongs to another session now */
  checkName(caller: Caller, taskId: unknown): void {
    const why = this.whyLost(caller, taskId);
    if (why === undefined) return;
    throw new ExaiError(
      "INVALID_PARAMS",
      `there is no task ${quoteValue(taskId)} of this session any more: it is lost: ${why}; ${RETRY_ADVICE}`,
    );
  }

  #lose(caller: Caller, name: string, why: string): void {
    let lost = this.#why.get(caller);
    if (!lost) this.#why.set(caller, lost = new BoundedMap(MAX_HANDLES));
    if (!lost.has(name)) lost.set(name, why);
  }
}

/** Reports a task as failed to its client, in place of the server (MCP basic/utilities/tasks, status). */
function notifyFailed({ caller, createdAt, ttl }: UnfetchedTask, taskId: string, why: string): void {
  const now = new Date().toISOString();
  caller.notify("notifications/tasks/status", {
    taskId,
    status: "failed",
    statusMessage: `the task is lost: ${why}; ${RETRY_ADVICE}`,
    createdAt: createdAt ?? now,
    lastUpdatedAt: now,
    ttl,
  });
}
