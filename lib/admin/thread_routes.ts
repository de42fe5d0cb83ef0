import { ExaiError } from "../base/errors.ts";
import { OPERATOR } from "../call/owner.ts";
import type { Thread, ThreadStore, ThreadWithTurns } from "../state/thread_store.ts";
import type { Route } from "../edge/http_handler.ts";
import { allowMethod } from "./route_guards.ts";

/** Maximum number of threads searched for an abbreviated id. */
export const MAX_THREADS = 10_000;

/** Access to the threads of all owners, for the commands. */
export interface ThreadAccess {
  list(options?: { limit?: number }): Promise<Thread[]>;
  show(id: string): Promise<ThreadWithTurns>;
  delete(id: string): Promise<boolean>;
}

/** Access to all threads of `store`, as the operator. */
export function allThreads(store: ThreadStore): ThreadAccess {
  return {
    list: (options) => store.list(OPERATOR, options),
    show: (id) => store.show(OPERATOR, id),
    delete: (id) => store.delete(OPERATOR, id),
  };
}

/** The threads over HTTP: while the daemon runs, commands must not open their database. */
export function threadRoutes(threads: ThreadAccess): [string, Route][] {
  return [
    [
      "/threads",
      allowMethod("GET", async () => Response.json({ threads: await threads.list({ limit: MAX_THREADS }) })),
    ],
    [
      "/threads/show",
      allowMethod("GET", async (request) => Response.json(await threads.show(idIn(request)))),
    ],
    [
      "/threads/delete",
      allowMethod("POST", async (request) => Response.json({ deleted: await threads.delete(idIn(request)) })),
    ],
  ];
}

function idIn(request: Request): string {
  const id = new URL(request.url).searchParams.get("id");
  if (id) return id;
  throw new ExaiError("INVALID_PARAMS", "the id of a thread is missing: ?id=ID");
}
