import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { quoteValue } from "../base/text.ts";
import type { Caller } from "../call/call.ts";
import type { Result, RpcRequest } from "../wire/rpc.ts";
import { createdTask, MAX_HANDLE_CHARS, MAX_HANDLES, relatedTask } from "./handle_table.ts";
import { renamed } from "./task_names.ts";
import { namesItsTask } from "./work.ts";

/**
 * The tasks as which clients run the questions of one server (MCP basic/utilities/tasks). To the server the daemon is
 * one client, and each window names its tasks as it likes, most of them by counting: the server is told a name made
 * here, which is one session's and no other's. What was begun for another server has no name here.
 */
export class ClientTasks {
  readonly #byName = new Map<string, { caller: Caller; own: string }>();
  /** What the server calls them, by the names their sessions have for them. */
  readonly #names = new Map<Caller, Map<string, string>>();

  /** Whose task it is that the server calls `name`. */
  ownerOf(name: unknown): Caller | undefined {
    return typeof name === "string" ? this.#byName.get(name)?.caller : undefined;
  }

  /** What the server calls the task that `caller` calls `own`; undefined when that is no task for this server. */
  nameOf(caller: Caller, own: unknown): string | undefined {
    return typeof own === "string" ? this.#names.get(caller)?.get(own) : undefined;
  }

  /**
   * Whose task a request of the server is about.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it names one that no session runs for it
   */
  askedAbout(method: string, { taskId }: JsonObject): Caller | undefined {
    if (!namesItsTask(method) || taskId === undefined) return undefined;
    const owner = this.ownerOf(taskId);
    if (owner) return owner;
    throw new ExaiError("INVALID_PARAMS", `no client runs a task ${quoteValue(taskId)} for this server`);
  }

  /** What the server sends, with the names that the session has for its tasks. */
  inward(params: JsonObject): JsonObject {
    if (this.#byName.size === 0) return params;
    return renamed(params, (name) => this.#byName.get(name)?.own);
  }

  /** What `caller` sends, with the names that the server has for its tasks. */
  outward(caller: Caller, params: JsonObject): JsonObject {
    const names = this.#names.get(caller);
    return names ? renamed(params, (own) => names.get(own)) : params;
  }

  /**
   * The answer of `caller` to a question, as the server is to see it; notes the task it has made.
   *
   * @throws {ExaiError} `INVALID_REQUEST` when that has a name nobody could keep
   */
  shownAnswer(caller: Caller, { method, params }: RpcRequest, answer: Result): Result {
    const { result } = answer;
    if (!result) return answer;
    const { task, tasks } = result;
    if (namesItsTask(method)) {
      const shown = this.outward(caller, result);
      if (!Array.isArray(tasks)) return { ...answer, result: shown };
      // The others are none of this server's: they were begun for another.
      const own = tasks.filter(isObject).filter(({ taskId }) => this.nameOf(caller, taskId) !== undefined);
      return { ...answer, result: { ...shown, tasks: own.map((one) => this.outward(caller, one)) } };
    }
    const created = createdTask(result);
    if (typeof created !== "string") return answer;
    this.#begun(caller, created);
    // Of a question on behalf of a task of the server, the answer belongs to that.
    const shown = relatedTask(params) === undefined ? this.outward(caller, result) : result;
    return { ...answer, result: { ...shown, task: this.outward(caller, task as JsonObject) } };
  }

  /** Forgets a session that is over. */
  forget(caller: Caller): void {
    for (const name of this.#names.get(caller)?.values() ?? []) this.#byName.delete(name);
    this.#names.delete(caller);
  }

  #begun(caller: Caller, own: string): void {
    if (own.length > MAX_HANDLE_CHARS) {
      throw new ExaiError(
        "INVALID_REQUEST",
        `the client's answer is malformed: a taskId may hold ${MAX_HANDLE_CHARS} characters at most`,
      );
    }
    let names = this.#names.get(caller);
    if (!names) this.#names.set(caller, names = new Map());
    if (names.has(own)) return;
    const name = crypto.randomUUID();
    names.set(own, name);
    this.#byName.set(name, { caller, own });
    if (names.size <= MAX_HANDLES) return;
    const [[oldest, its]] = names as unknown as [[string, string]];
    names.delete(oldest);
    this.#byName.delete(its);
  }
}
