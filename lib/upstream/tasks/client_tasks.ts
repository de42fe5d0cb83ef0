import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { quoteValue } from "../../base/text.ts";
import type { Caller } from "../../call/call.ts";
import type { Result, RpcRequest } from "../../wire/rpc.ts";
import { createdTask, MAX_HANDLE_CHARS, MAX_HANDLES, relatedTask } from "./handle_table.ts";
import { renameTasks } from "./task_aliases.ts";
import { isTaskMethod } from "../method_kind.ts";

/**
 * The tasks that clients run for questions of one server (MCP basic/utilities/tasks). To the server the daemon is one
 * client, but each client assigns its own ids, most of them by counting: the server gets a unique id instead. Tasks for
 * other servers have no id here.
 */
export class ClientTasks {
  readonly #byName = new Map<string, { caller: Caller; own: string }>();
  /** The server's ids by session and client id. */
  readonly #names = new Map<Caller, Map<string, string>>();

  /** The owner of the task that the server calls `name`. */
  ownerOf(name: unknown): Caller | undefined {
    return typeof name === "string" ? this.#byName.get(name)?.caller : undefined;
  }

  /** The server's id of the task that the client of `caller` calls `own`; undefined: not a task for this server. */
  serverName(caller: Caller, own: unknown): string | undefined {
    return typeof own === "string" ? this.#names.get(caller)?.get(own) : undefined;
  }

  /**
   * The owner of the task that a request of the server is about; undefined: it is not about a task.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when no session runs the task for this server
   */
  ownerOfRequest(method: string, { taskId }: JsonObject): Caller | undefined {
    if (!isTaskMethod(method) || taskId === undefined) return undefined;
    const owner = this.ownerOf(taskId);
    if (owner) return owner;
    throw new ExaiError("INVALID_PARAMS", `no client runs a task ${quoteValue(taskId)} for this server`);
  }

  /** A message of the server with the client's task ids. */
  toClient(params: JsonObject): JsonObject {
    if (this.#byName.size === 0) return params;
    return renameTasks(params, (name) => this.#byName.get(name)?.own);
  }

  /** A message of the client of `caller` with the server's task ids. */
  toServer(caller: Caller, params: JsonObject): JsonObject {
    const names = this.#names.get(caller);
    return names ? renameTasks(params, (own) => names.get(own)) : params;
  }

  /**
   * The answer of a client to a question with the server's task ids; notes the task it has created.
   *
   * @throws {ExaiError} `INVALID_REQUEST` when the task's id is too long
   */
  answerToServer(caller: Caller, { method, params }: RpcRequest, answer: Result): Result {
    const { result } = answer;
    if (!result) return answer;
    const { task, tasks } = result;
    if (isTaskMethod(method)) {
      const shown = this.toServer(caller, result);
      if (!Array.isArray(tasks)) return { ...answer, result: shown };
      // The client may run tasks for other servers too.
      const own = tasks.filter(isObject).filter(({ taskId }) =>
        this.serverName(caller, taskId) !== undefined
      );
      return { ...answer, result: { ...shown, tasks: own.map((one) => this.toServer(caller, one)) } };
    }
    const created = createdTask(result);
    if (typeof created !== "string") return answer;
    this.#created(caller, created);
    // If the question belongs to a task of the server, so does the answer.
    const shown = relatedTask(params) === undefined ? this.toServer(caller, result) : result;
    return { ...answer, result: { ...shown, task: this.toServer(caller, task as JsonObject) } };
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    for (const name of this.#names.get(caller)?.values() ?? []) this.#byName.delete(name);
    this.#names.delete(caller);
  }

  #created(caller: Caller, own: string): void {
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
    const [oldest] = names;
    names.delete(oldest![0]);
    this.#byName.delete(oldest![1]);
  }
}
