import { delay } from "@std/async/delay";
import { untilAborted } from "../../base/abort.ts";
import { type JsonObject, textOf } from "../../base/json.ts";
import { monotonicNow } from "../../base/time.ts";
import { MINUTE_MS } from "../../base/units.ts";
import type { Caller } from "../../call/call.ts";
import { endsWithCaller, isSameSession } from "../../call/owner.ts";
import { resultMember } from "../../wire/raw_message.ts";
import type { Result } from "../../wire/rpc.ts";
import { BoundedMap } from "../bounded_map.ts";
import { MAX_HANDLE_CHARS } from "./handle_table.ts";

/** Tasks kept at most; beyond that the oldest are forgotten. */
const MAX_TASKS = 10_000;

/** Longest single timer: tasks may outlast what `setTimeout` can wait. */
const MAX_TIMER_MS = MINUTE_MS;

/** Statuses a task does not leave (MCP basic/utilities/tasks). */
const FINAL_STATUSES: ReadonlySet<unknown> = new Set(["completed", "failed", "cancelled"]);

/** What may have to be reported to the client of a task. */
export interface UnfetchedTask {
  readonly caller: Caller;
  /** The server's own id. */
  readonly taskId: string;
  readonly createdAt: string | undefined;
  /** In milliseconds from its creation; null: unlimited. */
  readonly ttl: number | null;
  readonly expiresAtMs: number;
  /** Whether it has a final status. */
  isOver: boolean;
}

/**
 * The tasks of one instance whose results were not fetched yet (MCP basic/utilities/tasks). The instance must run while
 * there are any: a task cannot move to another.
 */
export class UnfetchedTasks {
  readonly #byId = new BoundedMap<string, UnfetchedTask>(MAX_TASKS);
  /** Tasks that were running when the server ended. */
  #interrupted: UnfetchedTask[] = [];
  /** Resolved when the next task is removed. */
  #removed: PromiseWithResolvers<void> | undefined;

  /** Adds a task that a result has created; `task.ttl` is in milliseconds, absent or null: unlimited. */
  add(caller: Caller, task: JsonObject, nowMs = monotonicNow()): void {
    const { taskId } = task;
    if (typeof taskId !== "string" || taskId.length > MAX_HANDLE_CHARS) return;
    const ttl = typeof task.ttl === "number" ? task.ttl : null;
    const createdAt = textOf(task.createdAt)?.slice(0, MAX_HANDLE_CHARS);
    const expiresAtMs = nowMs + (ttl ?? Infinity);
    this.#byId.set(taskId, { caller, taskId, createdAt, ttl, expiresAtMs, isOver: false });
  }

  /** The server has answered a request about a task: removes it once it was fetched or cancelled. */
  answered(method: string, taskId: unknown, answer: Result): void {
    const id = textOf(taskId);
    if (answer.error || id === undefined) return;
    if (method !== "tasks/get") this.#remove([id]);
    else this.setStatus(id, resultMember(answer, "status"));
  }

  /** The server has reported the status of a task. */
  setStatus(taskId: unknown, status: unknown): void {
    const id = textOf(taskId);
    const task = id === undefined ? undefined : this.#byId.get(id);
    if (task && FINAL_STATUSES.has(status)) task.isOver = true;
  }

  /** Whether another session than `caller` has a running task. */
  hasRunningOfOthers(caller: Caller, nowMs = monotonicNow()): boolean {
    return this.#byId.values().some((task) => !isSameSession(task.caller, caller) && isRunning(task, nowMs));
  }

  /** Whether `caller` has any. */
  has(caller: Caller): boolean {
    return this.#byId.values().some((task) => isSameSession(task.caller, caller));
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    const isTheirs = (task: UnfetchedTask) => endsWithCaller(task.caller, caller);
    this.#remove(this.#byId.values().filter(isTheirs).map(({ taskId }) => taskId).toArray());
    this.#interrupted = this.#interrupted.filter((task) => !isTheirs(task));
  }

  /** The server has ended: no task can be fetched any more. */
  clear(nowMs = monotonicNow()): void {
    this.#interrupted.push(...this.#byId.values().filter((task) => isRunning(task, nowMs)));
    this.#remove([...this.#byId.keys()]);
  }

  /** As {@linkcode clear}; returns the tasks that were running until then, each only once. */
  takeInterrupted(): UnfetchedTask[] {
    this.clear();
    return this.#interrupted.splice(0);
  }

  /** Resolves when every task was fetched or has expired, or `signal` aborts. */
  async allFetched(signal: AbortSignal): Promise<void> {
    for (;;) {
      const remainingMs = this.remainingMs();
      if (remainingMs === 0 || signal.aborted) return;
      this.#removed ??= Promise.withResolvers();
      const timer = new AbortController();
      const waited = AbortSignal.any([signal, timer.signal]);
      const expired = delay(Math.min(remainingMs, MAX_TIMER_MS), { signal: waited }).catch(() => {});
      await Promise.race([this.#removed.promise, expired]);
      timer.abort();
    }
  }

  #remove(taskIds: readonly string[]): void {
    for (const taskId of taskIds) this.#byId.delete(taskId);
    this.#removed?.resolve();
    this.#removed = undefined;
  }

  /** Time until the last task expires, in milliseconds; 0: there is none. */
  remainingMs(nowMs = monotonicNow()): number {
    let latestMs = nowMs;
    for (const [taskId, { expiresAtMs }] of this.#byId) {
      if (expiresAtMs <= nowMs) this.#byId.delete(taskId);
      else latestMs = Math.max(latestMs, expiresAtMs);
    }
    return latestMs - nowMs;
  }
}

function isRunning({ isOver, expiresAtMs }: UnfetchedTask, nowMs: number): boolean {
  return !isOver && expiresAtMs > nowMs;
}

/** What runs calls and tasks: an instance. */
interface TaskRunner {
  /** Requests that are not answered yet. */
  readonly inflight: number;
  readonly alive: boolean;
  readonly tasks: UnfetchedTasks;
  /** Resolves when no request is in flight. */
  idle(): Promise<void>;
}

/** Resolves when `instance` has no call in flight and no unfetched task, or when `signal` aborts. */
export async function untilUnused(instance: TaskRunner, signal: AbortSignal): Promise<void> {
  const { tasks } = instance;
  while ((instance.inflight > 0 || tasks.remainingMs() > 0) && !signal.aborted) {
    await untilAborted(instance.idle(), signal).catch(() => {});
    // Tasks of a lost session cannot be fetched.
    if (instance.alive) await tasks.allFetched(signal);
    else tasks.clear();
  }
}
