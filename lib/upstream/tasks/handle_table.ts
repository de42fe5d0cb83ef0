import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { quoteValue } from "../../base/text.ts";
import type { Caller } from "../../call/call.ts";
import { BoundedMap } from "../bounded_map.ts";
import { endsWithCaller, isSameSession } from "../../call/owner.ts";
import { exactResult } from "../../wire/raw_message.ts";
import { memberOf, type Params } from "../../wire/raw_object.ts";
import { mintedId, type RequestId, type Result } from "../../wire/rpc.ts";

/** Handles kept at most; beyond that the oldest are forgotten. */
export const MAX_HANDLES = 10_000;
/** Longest handle kept, in characters; servers choose the ids of their tasks freely. */
export const MAX_HANDLE_CHARS = 1024;

/** The owner of a handle whose session has ended. */
const SESSION_ENDED = Symbol("session ended");

/**
 * The sessions that own handles of a server: tasks (MCP basic/utilities/tasks) or URL elicitations. A message that names
 * one is routed to its session, also after the call that created it has ended.
 *
 * A handle belongs to its session, not to the workspace: two processes of one server may give out the same.
 */
export class HandleTable {
  readonly #callers = new BoundedMap<string, Caller | typeof SESSION_ENDED>(MAX_HANDLES);
  readonly #before: HandleTable | undefined;

  /** `before`: handles of earlier connections, looked up second. */
  constructor(before?: HandleTable) {
    this.#before = before;
  }

  set(handle: string, caller: Caller): void {
    if (handle.length <= MAX_HANDLE_CHARS) this.#callers.set(handle, caller);
  }

  /** Adds a handle of a session that has already ended. */
  setEnded(handle: string): void {
    if (handle.length <= MAX_HANDLE_CHARS) this.#callers.set(handle, SESSION_ENDED);
  }

  /** The handles of sessions that have not ended. */
  *[Symbol.iterator](): Generator<[handle: string, caller: Caller]> {
    for (const [handle, owner] of this.#callers) if (owner !== SESSION_ENDED) yield [handle, owner];
  }

  /** Whether `handle` is known, also if its session has ended. */
  has(handle: unknown): boolean {
    return this.#ownerOf(handle) !== undefined;
  }

  /** The owner of `handle`; undefined if it is unknown or its session has ended. */
  get(handle: unknown): Caller | undefined {
    const caller = this.#ownerOf(handle);
    return caller === SESSION_ENDED ? undefined : caller;
  }

  /** Whether `caller` owns `handle` on this connection, rather than an earlier one. */
  holds(caller: Caller, handle: unknown): boolean {
    const owner = typeof handle === "string" ? this.#callers.get(handle) : undefined;
    return owner !== undefined && owner !== SESSION_ENDED && isSameSession(owner, caller);
  }

  /** Adds the handles of `other`, whose connection has ended. */
  addAll(other: HandleTable): void {
    for (const [handle, owner] of other.#callers) {
      this.#callers.delete(handle);
      this.#callers.set(handle, owner);
    }
  }

  /**
   * Rejects every task that `caller` does not own, including unknown ones: a server behind a URL may have tasks from
   * before this daemon was started.
   *
   * @throws {ExaiError} `INVALID_PARAMS`, as for a task that does not exist
   */
  checkTask(caller: Caller, taskId: unknown): void {
    if (this.#isOpenTo(caller, taskId)) return;
    throw noSuchTask(taskId);
  }

  /** A result of `tasks/list` with only the tasks of `caller`. */
  filterTasks(caller: Caller, answer: Result): Result {
    const page = answer.error ? undefined : exactResult(answer);
    if (!Array.isArray(page?.tasks)) return answer;
    const tasks = page.tasks.filter((task) =>
      this.#isOpenTo(caller, isObject(task) ? task.taskId : undefined)
    );
    return tasks.length === page.tasks.length ? answer : { result: { ...page, tasks } };
  }

  /** Marks the handles of a session that has ended. */
  forget(caller: Caller): void {
    for (const [handle, owner] of this.#callers) {
      if (owner !== SESSION_ENDED && endsWithCaller(owner, caller)) this.#callers.set(handle, SESSION_ENDED);
    }
  }

  #isOpenTo(caller: Caller, taskId: unknown): boolean {
    const owner = this.get(taskId);
    return owner !== undefined && isSameSession(owner, caller);
  }

  #ownerOf(handle: unknown): Caller | typeof SESSION_ENDED | undefined {
    if (typeof handle !== "string") return undefined;
    const own = this.#callers.get(handle);
    return own === undefined && this.#before ? this.#before.#callers.get(handle) : own;
  }
}

export function noSuchTask(taskId: unknown): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `there is no task ${
      quoteValue(taskId)
    } of this session: a task is known to the session that began it, for as ` +
      "long as that lasts and the daemon runs",
  );
}

/** The session and token that progress of a task is forwarded to, by the token the server was given. */
export class TaskProgress {
  readonly #byToken = new BoundedMap<RequestId, { caller: Caller; progressToken: RequestId }>(MAX_HANDLES);

  set(token: RequestId, to: { caller: Caller; progressToken: RequestId }): void {
    this.#byToken.set(token, to);
  }

  get(token: RequestId) {
    return this.#byToken.get(mintedId(token));
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    for (const [token, to] of this.#byToken) {
      if (endsWithCaller(to.caller, caller)) this.#byToken.delete(token);
    }
  }
}

/** In `_meta`: the task a message is about (MCP basic/utilities/tasks). */
export const RELATED_TASK = "io.modelcontextprotocol/related-task";

/**
 * The id of the task a message belongs to, from its `_meta` (MCP basic/utilities/tasks).
 *
 * @example
 * ```ts
 * import { relatedTask } from "./handle_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const _meta = { "io.modelcontextprotocol/related-task": { taskId: "t1" } };
 * assertEquals(relatedTask({ _meta }), "t1");
 * ```
 */
export function relatedTask(params: Params | undefined): unknown {
  const meta = params && memberOf(params, "_meta");
  const related = isObject(meta) ? meta[RELATED_TASK] : undefined;
  return isObject(related) ? related.taskId : undefined;
}

/** The id of the task that a request run as a task has created. */
export function createdTask({ task }: JsonObject): unknown {
  return isObject(task) ? task.taskId : undefined;
}

/** Ids of the URL elicitations that an error requires to be completed first (-32042, MCP client/elicitation). */
export function requiredElicitations(data: unknown): unknown[] {
  const elicitations = isObject(data) ? data.elicitations : undefined;
  if (!Array.isArray(elicitations)) return [];
  return elicitations.map((elicitation) => isObject(elicitation) ? elicitation.elicitationId : undefined);
}
