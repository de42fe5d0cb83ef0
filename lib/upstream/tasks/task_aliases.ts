import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import type { Caller } from "../../call/call.ts";
import { endsWithCaller } from "../../call/owner.ts";
import { changedResult, replacedAt } from "../../wire/raw_edits.ts";
import { exactResult, resultMember } from "../../wire/raw_message.ts";
import { type Params, RawObject } from "../../wire/raw_object.ts";
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
    for (const [own, shown] of this.#shown) if (endsWithCaller(shown.caller, caller)) this.#drop(own);
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
  toClient<P extends Params>(params: P): P {
    if (this.#shown.size === 0) return params;
    return renameTasks(params, (own) => this.#shown.get(own)?.name);
  }

  /** A message of a client with the server's task ids. */
  toServer<P extends Params>(params: P): P {
    if (this.#shown.size === 0) return params;
    return renameTasks(params, (name) => this.#own.get(name));
  }

  /**
   * An answer of the server with the client's task ids: a task, a list of tasks, or a message about one. Of an answer that
   * came as text only a list is parsed.
   */
  resultToClient(answer: Result): Result {
    if (this.#shown.size === 0 || answer.error) return answer;
    const nameOf = (own: string) => this.#shown.get(own)?.name;
    if (resultMember(answer, "tasks") === undefined) {
      return changedResult(answer, (result) => renameTasks(renameTasks(result, nameOf), nameOf, "task"));
    }
    const result = this.toClient(exactResult(answer));
    const { tasks } = result;
    if (!Array.isArray(tasks)) return { result };
    return { result: { ...result, tasks: tasks.map((one) => isObject(one) ? this.toClient(one) : one) } };
  }

  #drop(own: string): void {
    const shown = this.#shown.get(own);
    if (!shown) return;
    this.#shown.delete(own);
    this.#own.delete(shown.name);
  }
}

/**
 * `params` with the task ids in `taskId` and in `_meta` replaced, where `nameOf` has a replacement; with `member`, those in
 * that member.
 */
export function renameTasks<P extends Params>(
  params: P,
  nameOf: (name: string) => string | undefined,
  member?: "task",
): P {
  if (params instanceof RawObject) {
    const path = member === undefined ? [] : [member];
    const rename = (id: Json) => typeof id === "string" ? nameOf(id) : undefined;
    const named = replacedAt(params, [...path, "taskId"], rename);
    return replacedAt(named, [...path, "_meta", RELATED_TASK, "taskId"], rename) as typeof params;
  }
  if (member === undefined) return renamed(params, nameOf) as P;
  const { [member]: inner } = params as JsonObject;
  return isObject(inner) ? { ...params, [member]: renamed(inner, nameOf) } : params;
}

function renamed(params: JsonObject, nameOf: (name: string) => string | undefined): JsonObject {
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
