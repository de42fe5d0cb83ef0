import { isObject, type JsonObject } from "../../base/json.ts";
import type { Caller } from "../../call/call.ts";
import { isSameSession } from "../../call/owner.ts";
import type { Result } from "../../wire/rpc.ts";
import { BoundedMap } from "../bounded_map.ts";
import { MAX_HANDLE_CHARS, RELATED_TASK } from "./handle_table.ts";

/** Names kept at most, for a session and for an instance; beyond that the oldest are forgotten. */
const MAX_NAMES = 10_000;

/** The task ids each session knows, of any server, and the aliases of the instance that gave them out. */
const known = new WeakMap<Caller, Map<string, TaskAliases>>();

/**
 * The ids of one instance's tasks as its sessions know them. Two servers, or two processes of one, may use the same id,
 * for example by counting. If a session knows an id already, the second task gets an alias; all others keep the server's
 * id. An id stays taken after its instance has ended: a late request for the task must not reach another.
 */
export class TaskAliases {
  /** Aliases by the server's id. */
  readonly #shown = new Map<string, { name: string; caller: Caller }>();
  /** The server's ids by alias. */
  readonly #own = new Map<string, string>();

  /** A session has created a task; `own` is the server's id. */
  add(caller: Caller, own: string): void {
    if (own.length > MAX_HANDLE_CHARS) return;
    this.#drop(own);
    let names = known.get(caller);
    if (!names) known.set(caller, names = new BoundedMap(MAX_NAMES));
    const holder = names.get(own);
    const name = holder === undefined || holder === this ? own : crypto.randomUUID();
    names.set(name, this);
    if (name === own) return;
    this.#shown.set(own, { name, caller });
    this.#own.set(name, own);
    if (this.#shown.size > MAX_NAMES) this.#drop(this.#shown.keys().next().value!);
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    for (const [own, shown] of this.#shown) if (isSameSession(shown.caller, caller)) this.#drop(own);
  }

  /** The client's id of the task that the server calls `own`. */
  clientName(own: string): string {
    return this.#shown.get(own)?.name ?? own;
  }

  /** The server's id of the task that a client calls `name`; undefined when it is a task of another instance. */
  serverName(name: unknown): unknown {
    if (typeof name !== "string" || this.#shown.size === 0) return name;
    return this.#own.get(name) ?? (this.#shown.has(name) ? undefined : name);
  }

  /** A message of the server with the client's task ids. */
  toClient(params: JsonObject): JsonObject {
    if (this.#shown.size === 0) return params;
    return renameTasks(params, (own) => this.#shown.get(own)?.name);
  }

  /** A message of a client with the server's task ids. */
  toServer(params: JsonObject): JsonObject {
    if (this.#shown.size === 0) return params;
    return renameTasks(params, (name) => this.#own.get(name));
  }

  /** An answer of the server with the client's task ids: a task, a list of tasks, or a message about one. */
  resultToClient(answer: Result): Result {
    if (this.#shown.size === 0 || !answer.result) return answer;
    const result = this.toClient(answer.result);
    const { task, tasks } = result;
    if (isObject(task)) return { ...answer, result: { ...result, task: this.toClient(task) } };
    if (!Array.isArray(tasks)) return { ...answer, result };
    return {
      ...answer,
      result: { ...result, tasks: tasks.map((one) => isObject(one) ? this.toClient(one) : one) },
    };
  }

  #drop(own: string): void {
    const shown = this.#shown.get(own);
    if (!shown) return;
    this.#shown.delete(own);
    this.#own.delete(shown.name);
  }
}

/** `params` with the task ids in `taskId` and in `_meta` replaced, where `nameOf` has a replacement. */
export function renameTasks(params: JsonObject, nameOf: (name: string) => string | undefined): JsonObject {
  const { taskId, _meta: meta } = params;
  const name = typeof taskId === "string" ? nameOf(taskId) : undefined;
  const related = isObject(meta) ? meta[RELATED_TASK] : undefined;
  const relatedId = isObject(related) ? related.taskId : undefined;
  const relatedName = typeof relatedId === "string" ? nameOf(relatedId) : undefined;
  if (name === undefined && relatedName === undefined) return params;
  const changed = { ...params };
  if (name !== undefined) changed.taskId = name;
  if (relatedName !== undefined) {
    changed._meta = {
      ...meta as JsonObject,
      [RELATED_TASK]: { ...related as JsonObject, taskId: relatedName },
    };
  }
  return changed;
}
