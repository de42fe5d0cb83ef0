import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import { quoteValue } from "../base/text.ts";
import { type Call, type Caller, derive, paramOf, type Target } from "../call/call.ts";
import { sift } from "../call/definitions.ts";
import { allPages } from "../call/pages.ts";
import type { Server } from "../call/server.ts";
import { waitingFor } from "../call/wait.ts";
import { resultMember } from "../wire/raw_message.ts";
import { MAX_ID_CHARS, type Result } from "../wire/rpc.ts";

/** Tasks remembered for one session; at the limit the oldest is dropped. */
const MAX_TASKS = 10_000;

const log = getLogger(["exai", "router"]);

/** Sends a call to a server. */
type Ask = (server: Server, call: Call) => Promise<Result>;

/** Which server each task of a session runs on (MCP 2025-11-25, basic/utilities/tasks). */
export class TaskRoutes {
  readonly #bySession = new WeakMap<Caller, Map<string, Server>>();

  /** Remembers the task a call has created, if any. */
  note(caller: Caller, server: Server, result: Result): void {
    const taskId = (resultMember(result, "task") as JsonObject | undefined)?.taskId;
    if (typeof taskId !== "string" || taskId.length > MAX_ID_CHARS) return;
    const tasks = this.#bySession.get(caller) ?? new Map<string, Server>();
    this.#bySession.set(caller, tasks);
    tasks.set(taskId, server);
    if (tasks.size > MAX_TASKS) tasks.delete(tasks.keys().next().value!);
  }

  forget(caller: Caller): void {
    this.#bySession.delete(caller);
  }

  /** @throws {ExaiError} `INVALID_PARAMS` when the caller has no such task */
  serverOf(call: Call): Server {
    const taskId = paramOf(call, "taskId");
    const server = this.#bySession.get(call.caller)?.get(textOf(taskId) ?? "");
    if (server) return server;
    throw new ExaiError("INVALID_PARAMS", `there is no task ${quoteValue(taskId)} of this session`);
  }

  /**
   * The session's tasks on all servers; a server that does not answer within `deadlineMs` is left out.
   */
  async list(call: Call, ask: Ask, deadlineMs: number): Promise<Result> {
    if (paramOf(call, "cursor") !== undefined) {
      throw new ExaiError("INVALID_PARAMS", "cursor is none of this server's");
    }
    const routes = this.#bySession.get(call.caller);
    // A server whose configuration has changed lists the tasks of its earlier instances too.
    const servers = new Map(Array.from(routes?.values() ?? [], (server) => [server.name, server]));
    const lists = await Promise.all(Array.from(servers.values(), async (server) => {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(lateError(deadlineMs)), deadlineMs);
      try {
        const own = derive(call, { signal: AbortSignal.any([call.signal, late.signal]) });
        const listed = untilAborted(allTasks((call) => ask(server, call), own), own.signal);
        const tasks = await waitingFor(call, `server "${server.name}" to list its tasks`, listed);
        // Drops a task id that the session has on another server as well.
        return tasks.filter(({ taskId }) => leadsTo(routes, { taskId, server }));
      } catch (thrown) {
        if (call.signal.aborted) throw thrown;
        log.warning("{server} is left out of tasks/list: {message}", {
          server: server.name,
          message: messageOf(thrown),
        });
        return [];
      } finally {
        clearTimeout(timer);
      }
    }));
    return { result: { tasks: lists.flat() } };
  }
}

/** Whether `taskId` of the session is not on another server than `server`. */
function leadsTo(
  routes: ReadonlyMap<string, Server> | undefined,
  { taskId, server }: { taskId: unknown; server: Server },
): boolean {
  return (routes?.get(textOf(taskId) ?? "")?.name ?? server.name) === server.name;
}

function lateError(deadlineMs: number): ExaiError {
  return new ExaiError("TIMEOUT", `it did not answer within ${deadlineMs} ms`);
}

async function allTasks(ask: Target, call: Call): Promise<readonly JsonObject[]> {
  const askPage = (params: JsonObject) => ask(derive(call, { params }));
  const { entries, fault } = await allPages(askPage, { method: "tasks/list", field: "tasks" });
  const sifted = sift("tasks", entries);
  for (const text of [...[fault ?? []].flat(), ...sifted.faults]) log.warning("tasks/list: {text}", { text });
  return sifted.entries;
}
