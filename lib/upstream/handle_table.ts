import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { quoteValue } from "../base/text.ts";
import type { Caller } from "../call/call.ts";
import { isSameSession } from "../call/owner.ts";
import { mintedId, type RequestId, type Result } from "../wire/rpc.ts";

/** Handles kept at most; beyond that the oldest are forgotten. */
export const MAX_HANDLES = 10_000;
/** Longest handle that is kept; a server names its tasks as it likes. */
export const MAX_HANDLE_CHARS = 1024;

/** Stands for the session of a handle when that is over. */
const OVER = Symbol("over");

/**
 * Which session a handle of an upstream belongs to: a task (MCP basic/utilities/tasks) or a URL elicitation. Messages
 * that carry one find their session although the call that made it has ended.
 *
 * A handle belongs to its session alone, not to the workspace: its name is the server's, and two processes of one server
 * may give out the same.
 */
export class HandleTable {
  readonly #callers = new Map<string, Caller | typeof OVER>();
  readonly #before: HandleTable | undefined;

  /** `before`: those of connections that are over, whose handles are still theirs. */
  constructor(before?: HandleTable) {
    this.#before = before;
  }

  set(handle: string, caller: Caller): void {
    if (handle.length <= MAX_HANDLE_CHARS) this.#add(handle, caller);
  }

  /** What `handle` names was made for a session that was over by then. */
  setOver(handle: string): void {
    if (handle.length <= MAX_HANDLE_CHARS) this.#add(handle, OVER);
  }

  /** Those of sessions that go on. */
  *[Symbol.iterator](): Generator<[handle: string, caller: Caller]> {
    for (const [handle, owner] of this.#callers) if (owner !== OVER) yield [handle, owner];
  }

  #add(handle: string, owner: Caller | typeof OVER): void {
    this.#callers.set(handle, owner);
    if (this.#callers.size <= MAX_HANDLES) return;
    const [oldest] = this.#callers.keys();
    this.#callers.delete(oldest!);
  }

  /** Whether it is known, be it of a session that is over: it belongs to nobody else then. */
  has(handle: unknown): boolean {
    return this.#ownerOf(handle) !== undefined;
  }

  get(handle: unknown): Caller | undefined {
    const caller = this.#ownerOf(handle);
    return caller === OVER ? undefined : caller;
  }

  /** Whether `caller` was given `handle` on this very connection. */
  holds(caller: Caller, handle: unknown): boolean {
    const owner = typeof handle === "string" ? this.#callers.get(handle) : undefined;
    return owner !== undefined && owner !== OVER && isSameSession(owner, caller);
  }

  /** Goes on for `other`, whose connection is over. */
  takeOver(other: HandleTable): void {
    for (const [handle, owner] of other.#callers) {
      this.#callers.delete(handle);
      this.#add(handle, owner);
    }
  }

  /**
   * Refuses the task of another session, also when that session is over, and one that nobody was given here: a server
   * behind a URL keeps tasks that were begun before this daemon was started.
   *
   * @throws {ExaiError} `INVALID_PARAMS`, as for a task that does not exist
   */
  checkTask(caller: Caller, taskId: unknown): void {
    if (this.#isOpenTo(caller, taskId)) return;
    throw noSuchTask(taskId);
  }

  /** A result of `tasks/list` with the tasks of `caller` alone. */
  filterTasks(caller: Caller, answer: Result): Result {
    if (!Array.isArray(answer.result?.tasks)) return answer;
    const tasks = answer.result.tasks.filter((task) =>
      this.#isOpenTo(caller, isObject(task) ? task.taskId : undefined)
    );
    return { result: { ...answer.result, tasks } };
  }

  /** A session is over: its handles are nobody's. */
  forget(caller: Caller): void {
    for (const [handle, owner] of this.#callers) {
      if (owner !== OVER && isSameSession(owner, caller)) this.#callers.set(handle, OVER);
    }
  }

  #isOpenTo(caller: Caller, taskId: unknown): boolean {
    const owner = this.get(taskId);
    return owner !== undefined && isSameSession(owner, caller);
  }

  #ownerOf(handle: unknown): Caller | typeof OVER | undefined {
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

/** Whom the progress of a task goes to, by the token the server was given, and under which token. */
export class TaskProgress {
  readonly #byToken = new Map<RequestId, { caller: Caller; progressToken: RequestId }>();

  set(token: RequestId, to: { caller: Caller; progressToken: RequestId }): void {
    this.#byToken.set(token, to);
    if (this.#byToken.size <= MAX_HANDLES) return;
    const [oldest] = this.#byToken.keys();
    this.#byToken.delete(oldest!);
  }

  get(token: RequestId) {
    return this.#byToken.get(mintedId(token));
  }

  /** Forgets everything of a session that is over. */
  forget(caller: Caller): void {
    for (const [token, to] of this.#byToken) {
      if (isSameSession(to.caller, caller)) this.#byToken.delete(token);
    }
  }
}

/** The task a message says it belongs to. */
export function relatedTask(params: JsonObject | undefined): unknown {
  const meta = params?._meta as JsonObject | undefined;
  return (meta?.["io.modelcontextprotocol/related-task"] as JsonObject | undefined)?.taskId;
}

/** The task a result has made: of a request that was to run as one. */
export function createdTask(result: JsonObject): unknown {
  return (result.task as JsonObject | undefined)?.taskId;
}

/** Ids of the URL elicitations an error says must be completed first (-32042, MCP client/elicitation). */
export function requiredElicitations(data: unknown): unknown[] {
  const elicitations = (data as JsonObject | undefined)?.elicitations;
  return Array.isArray(elicitations)
    ? elicitations.map((one) => (one as JsonObject | null)?.elicitationId)
    : [];
}
