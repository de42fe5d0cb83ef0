import { ExaiError } from "../../base/errors.ts";
import { isObject } from "../../base/json.ts";
import { quoteValue } from "../../base/text.ts";
import type { Caller } from "../../call/call.ts";
import { changedResult, paramsOf } from "../../wire/raw_edits.ts";
import { resultMember } from "../../wire/raw_message.ts";
import { memberOf, type Params } from "../../wire/raw_object.ts";
import type { Result, RpcRequest } from "../../wire/rpc.ts";
import { MAX_HANDLE_CHARS, MAX_HANDLES, relatedTask } from "./handle_table.ts";
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
  ownerOfRequest(method: string, params: Params): Caller | undefined {
    const taskId = isTaskMethod(method) ? memberOf(params, "taskId") : undefined;
    if (taskId === undefined) return undefined;
    const owner = this.ownerOf(taskId);
    if (owner) return owner;
    throw new ExaiError("INVALID_PARAMS", `no client runs a task ${quoteValue(taskId)} for this server`);
  }

  /** A message of the server with the client's task ids. */
  toClient<P extends Params>(params: P): P {
    if (this.#byName.size === 0) return params;
    return renameTasks(params, (name) => this.#byName.get(name)?.own);
  }

  /** A message of the client of `caller` with the server's task ids. */
  toServer<P extends Params>(caller: Caller, params: P): P {
    const names = this.#names.get(caller);
    return names ? renameTasks(params, (own) => names.get(own)) : params;
  }

  /**
   * The answer of a client to a question with the server's task ids; notes the task it has created. Only a list of tasks
   * is parsed.
   *
   * @throws {ExaiError} `INVALID_REQUEST` when the task's id is too long
   */
  answerToServer(caller: Caller, request: RpcRequest, answer: Result): Result {
    if (answer.error) return answer;
    if (isTaskMethod(request.method)) {
      const tasks = resultMember(answer, "tasks");
      if (!Array.isArray(tasks)) return changedResult(answer, (result) => this.toServer(caller, result));
      // The client may run tasks for other servers too.
      const own = tasks.filter(isObject).filter(({ taskId }) =>
        this.serverName(caller, taskId) !== undefined
      );
      const shown = this.toServer(caller, answer.result);
      return { result: { ...shown, tasks: own.map((one) => this.toServer(caller, one)) } };
    }
    const task = resultMember(answer, "task");
    if (!isObject(task) || typeof task.taskId !== "string") return answer;
    this.#created(caller, task.taskId);
    // If the question belongs to a task of the server, so does the answer.
    const isOfTask = relatedTask(paramsOf(request)) !== undefined;
    return changedResult(answer, (result) => this.#taskToServer(caller, result, isOfTask));
  }

  #taskToServer<P extends Params>(caller: Caller, result: P, isOfTask: boolean): P {
    const shown = isOfTask ? result : this.toServer(caller, result);
    const names = this.#names.get(caller)!;
    return renameTasks(shown, (own) => names.get(own), "task");
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
