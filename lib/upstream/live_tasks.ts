import { delay } from "@std/async/delay";
import { type JsonObject, textOf } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { isSameSession } from "../call/owner.ts";
import type { Result } from "../wire/rpc.ts";
import { MAX_HANDLE_CHARS } from "./handle_table.ts";

/** Tasks kept at most; beyond that the oldest are forgotten. */
const MAX_TASKS = 10_000;

/** A timer cannot be set for as long as some tasks last. */
const MAX_TIMER_MS = MINUTE_MS;

/** What a task is that does not run any more. */
const OVER: ReadonlySet<unknown> = new Set(["completed", "failed", "cancelled"]);

/** One task, as far as its window may have to be told of it. */
export interface LiveTask {
  readonly caller: Caller;
  /** As its server calls it. */
  readonly taskId: string;
  readonly createdAt: string | undefined;
  /** In milliseconds from its creation; null: without end. */
  readonly ttl: number | null;
  readonly expiresAtMs: number;
  isOver: boolean;
}

/**
 * The tasks begun on one instance whose results nobody has fetched yet (MCP basic/utilities/tasks). While there are any
 * the instance must go on: a task cannot be taken to another.
 */
export class LiveTasks {
  readonly #byId = new Map<string, LiveTask>();
  /** Those that ran when the server ended. */
  #cut: LiveTask[] = [];
  /** Resolved when one is gone. */
  #gone: PromiseWithResolvers<void> | undefined;

  /** Notes the task a result has made; `ttl` is in milliseconds, none or null means without end. */
  begun(caller: Caller, task: JsonObject, nowMs = monotonicNow()): void {
    const { taskId } = task;
    if (typeof taskId !== "string" || taskId.length > MAX_HANDLE_CHARS) return;
    const ttl = typeof task.ttl === "number" ? task.ttl : null;
    const createdAt = textOf(task.createdAt)?.slice(0, MAX_HANDLE_CHARS);
    const expiresAtMs = nowMs + (ttl ?? Infinity);
    this.#byId.set(taskId, { caller, taskId, createdAt, ttl, expiresAtMs, isOver: false });
    if (this.#byId.size <= MAX_TASKS) return;
    const [oldest] = this.#byId.keys();
    this.#byId.delete(oldest!);
  }

  /** The server has answered a request about a task: one whose result was fetched, or that was cancelled, is over. */
  answered(method: string, taskId: unknown, { result, error }: Result): void {
    const id = textOf(taskId);
    if (error || id === undefined) return;
    if (method !== "tasks/get") this.#forget([id]);
    else this.hasStatus(id, result.status);
  }

  /** The server says how far a task is: of one that is over it has no more to say. */
  hasStatus(taskId: unknown, status: unknown): void {
    const id = textOf(taskId);
    const task = id === undefined ? undefined : this.#byId.get(id);
    if (task && OVER.has(status)) task.isOver = true;
  }

  /** Whether another session than `caller` has a task that runs. */
  othersRun(caller: Caller, nowMs = monotonicNow()): boolean {
    return this.#byId.values().some((task) => !isSameSession(task.caller, caller) && runs(task, nowMs));
  }

  /** Whether `caller` has any. */
  has(caller: Caller): boolean {
    return this.#byId.values().some((task) => isSameSession(task.caller, caller));
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    const isTheirs = (task: LiveTask) => isSameSession(task.caller, caller);
    this.#forget(this.#byId.values().filter(isTheirs).map(({ taskId }) => taskId).toArray());
    this.#cut = this.#cut.filter((task) => !isTheirs(task));
  }

  /** The server has ended: there is nothing more to fetch. */
  clear(nowMs = monotonicNow()): void {
    this.#cut.push(...this.#byId.values().filter((task) => runs(task, nowMs)));
    this.#forget([...this.#byId.keys()]);
  }

  /** As {@linkcode clear}; gives those that ran till then, once. */
  takeCut(): LiveTask[] {
    this.clear();
    return this.#cut.splice(0);
  }

  /** Resolves when nobody wants the result of any, or `signal` aborts. */
  async over(signal: AbortSignal): Promise<void> {
    for (;;) {
      const remainingMs = this.remainingMs();
      if (remainingMs === 0 || signal.aborted) return;
      this.#gone ??= Promise.withResolvers();
      const timer = new AbortController();
      const waited = AbortSignal.any([signal, timer.signal]);
      const later = delay(Math.min(remainingMs, MAX_TIMER_MS), { signal: waited }).catch(() => {});
      await Promise.race([this.#gone.promise, later]);
      timer.abort();
    }
  }

  #forget(taskIds: readonly string[]): void {
    for (const taskId of taskIds) this.#byId.delete(taskId);
    this.#gone?.resolve();
    this.#gone = undefined;
  }

  /** For how long there may be a task that somebody wants the result of, in milliseconds; 0: there is none. */
  remainingMs(nowMs = monotonicNow()): number {
    let latestMs = nowMs;
    for (const [taskId, { expiresAtMs }] of this.#byId) {
      if (expiresAtMs <= nowMs) this.#byId.delete(taskId);
      else latestMs = Math.max(latestMs, expiresAtMs);
    }
    return latestMs - nowMs;
  }
}

function runs({ isOver, expiresAtMs }: LiveTask, nowMs: number): boolean {
  return !isOver && expiresAtMs > nowMs;
}
