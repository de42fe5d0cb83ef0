import { isObject, type JsonObject } from "../../base/json.ts";
import type { Caller } from "../../call/call.ts";
import { isSameSession } from "../../call/owner.ts";
import type { Result } from "../../wire/rpc.ts";
import { MAX_HANDLE_CHARS } from "./handle_table.ts";

/** Names kept at most, for a session and for an instance; beyond that the oldest are forgotten. */
const MAX_NAMES = 10_000;

/** In `_meta`: the task a message is about (MCP basic/utilities/tasks). */
const RELATED = "io.modelcontextprotocol/related-task";

/** What each session knows tasks by, on whichever server they run, and who gave out the name. */
const known = new WeakMap<Caller, Map<string, TaskAliases>>();

/**
 * What the tasks of one instance are called in its sessions. A server is free to count its tasks, so that two servers,
 * or two processes of one, name theirs alike. A session that knows a task by that name already is told another for the
 * second; all other names are the server's own. A name stays taken when its instance has gone: who still asks for the
 * task must not be given that of another.
 */
export class TaskAliases {
  /** By the server's own name, of those that are called otherwise. */
  readonly #shown = new Map<string, { name: string; caller: Caller }>();
  /** The server's own names, by what they are called. */
  readonly #own = new Map<string, string>();

  /** A session has begun the task that the server calls `own`. */
  add(caller: Caller, own: string): void {
    if (own.length > MAX_HANDLE_CHARS) return;
    this.#drop(own);
    let names = known.get(caller);
    if (!names) known.set(caller, names = new Map());
    const holder = names.get(own);
    const name = holder === undefined || holder === this ? own : crypto.randomUUID();
    names.set(name, this);
    if (names.size > MAX_NAMES) names.delete(names.keys().next().value!);
    if (name === own) return;
    this.#shown.set(own, { name, caller });
    this.#own.set(name, own);
    if (this.#shown.size > MAX_NAMES) this.#drop(this.#shown.keys().next().value!);
  }

  /** Forgets the names of a session that is over. */
  forget(caller: Caller): void {
    for (const [own, shown] of this.#shown) if (isSameSession(shown.caller, caller)) this.#drop(own);
  }

  /** What its session calls the task that the server calls `own`. */
  clientName(own: string): string {
    return this.#shown.get(own)?.name ?? own;
  }

  /** What the server calls the task a session calls `name`; undefined when that is no task of this instance. */
  serverName(name: unknown): unknown {
    if (typeof name !== "string" || this.#shown.size === 0) return name;
    return this.#own.get(name) ?? (this.#shown.has(name) ? undefined : name);
  }

  /** What a session calls a task, or what belongs to one, for what the server sends. */
  toClient(params: JsonObject): JsonObject {
    if (this.#shown.size === 0) return params;
    return renameTasks(params, (own) => this.#shown.get(own)?.name);
  }

  /** The other way round, for what a session sends. */
  toServer(params: JsonObject): JsonObject {
    if (this.#shown.size === 0) return params;
    return renameTasks(params, (name) => this.#own.get(name));
  }

  /** `answer` of the server as its session is to see it: a task, a list of them, or what belongs to one. */
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

/** `params` with other names for the task it is, and for the one it belongs to, where `nameOf` has any. */
export function renameTasks(params: JsonObject, nameOf: (name: string) => string | undefined): JsonObject {
  const { taskId, _meta: meta } = params;
  const name = typeof taskId === "string" ? nameOf(taskId) : undefined;
  const related = isObject(meta) ? meta[RELATED] : undefined;
  const relatedId = isObject(related) ? related.taskId : undefined;
  const relatedName = typeof relatedId === "string" ? nameOf(relatedId) : undefined;
  if (name === undefined && relatedName === undefined) return params;
  const changed = { ...params };
  if (name !== undefined) changed.taskId = name;
  if (relatedName !== undefined) {
    changed._meta = { ...meta as JsonObject, [RELATED]: { ...related as JsonObject, taskId: relatedName } };
  }
  return changed;
}
