import { ExaiError } from "../base/errors.ts";
import { textOf } from "../base/json.ts";
import { quoteValue } from "../base/text.ts";
import type { Call, Caller } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import type { LiveTask, LiveTasks } from "./live_tasks.ts";
import { HandleTable, MAX_HANDLES } from "./handle_table.ts";
import type { TaskNames } from "./task_names.ts";

const AGAIN = "it may have run: begin it again if that does no harm";

/** A connection that is over, and what was given out on it. */
interface LostConnection {
  readonly handles: {
    readonly owners: HandleTable;
    readonly elicitations: HandleTable;
    readonly taskNames: TaskNames;
  };
  readonly tasks: LiveTasks;
  /** Of a child process; undefined for a server behind a URL. */
  readonly pid: number | undefined;
}

/**
 * The handles of one server that were given out on connections that are over: a server may keep what they name, and
 * nobody else may have it.
 */
export class LostTasks {
  readonly owners = new HandleTable();
  readonly elicitations = new HandleTable();
  /** Why the connection of each is over, by what its session calls it. */
  readonly #why = new WeakMap<Caller, Map<string, string>>();

  /** A connection is over. Windows whose tasks ended with it are told, whether they ask or not. */
  add({ handles, tasks, pid }: LostConnection, why: string): void {
    const { owners, taskNames } = handles;
    for (const [handle, caller] of owners) this.#lose(caller, taskNames.nameOf(handle), why);
    this.owners.takeOver(owners);
    this.elicitations.takeOver(handles.elicitations);
    const cut = tasks.takeCut();
    // A server behind a URL may go on with its tasks; a process that has ended does not.
    if (pid === undefined) return;
    for (const task of cut) tell(task, taskNames.nameOf(task.taskId), why);
  }

  /**
   * The answer to a call about a task that no running connection has begun: the server's own where it knows the task all
   * the same.
   *
   * @throws {ExaiError} `INVALID_PARAMS` that says what has become of the caller's task
   */
  explained({ caller, params }: Call, answer: Result): Result {
    const why = this.whyLost(caller, params.taskId);
    if (!answer.error || why === undefined) return answer;
    throw new ExaiError(
      "INVALID_PARAMS",
      `task ${quoteValue(params.taskId)} is lost: ${why}, and on the next connection it is not known ` +
        `(${answer.error.message}); ${AGAIN}`,
    );
  }

  /** A session is over: what it was given is nobody's. */
  forget(caller: Caller): void {
    this.owners.forget(caller);
    this.elicitations.forget(caller);
  }

  /** Why the task that `caller` calls `taskId` is lost; undefined when it is none that was. */
  whyLost(caller: Caller, taskId: unknown): string | undefined {
    return this.#why.get(caller)?.get(textOf(taskId) ?? "");
  }

  /** @throws {ExaiError} `INVALID_PARAMS` when the caller's task is lost, and what it is called names another's now */
  checkName(caller: Caller, taskId: unknown): void {
    const why = this.whyLost(caller, taskId);
    if (why === undefined) return;
    throw new ExaiError(
      "INVALID_PARAMS",
      `there is no task ${quoteValue(taskId)} of this session any more: it is lost: ${why}; ${AGAIN}`,
    );
  }

  #lose(caller: Caller, name: string, why: string): void {
    let lost = this.#why.get(caller);
    if (!lost) this.#why.set(caller, lost = new Map());
    if (!lost.has(name)) lost.set(name, why);
    if (lost.size > MAX_HANDLES) lost.delete(lost.keys().next().value!);
  }
}

/** Tells a window what has become of its task, as its server would (MCP basic/utilities/tasks, status). */
function tell({ caller, createdAt, ttl }: LiveTask, taskId: string, why: string): void {
  const now = new Date().toISOString();
  caller.notify("notifications/tasks/status", {
    taskId,
    status: "failed",
    statusMessage: `the task is lost: ${why}; ${AGAIN}`,
    createdAt: createdAt ?? now,
    lastUpdatedAt: now,
    ttl,
  });
}
