import { ExaiError } from "../base/errors.ts";
import { OPERATOR } from "../call/owner.ts";
import type { Thread, ThreadStore, ThreadWithTurns } from "../state/thread_store.ts";
import type { Route } from "../edge/http_handler.ts";
import { allowMethod } from "./route_guards.ts";

/** Threads looked through for an id that was shortened. */
export const MAX_THREADS = 10_000;

/** What may be done with threads from outside of tools: all of them, whosever they are. */
export interface ThreadAccess {
  list(options?: { limit?: number }): Promise<Thread[]>;
  show(id: string): Promise<ThreadWithTurns>;
  delete(id: string): Promise<boolean>;
}

/** The threads of `store`, for the commands of the daemon's own user. */
export function allThreads(store: ThreadStore): ThreadAccess {
  return {
    list: (options) => store.list(OPERATOR, options),
    show: (id) => store.show(OPERATOR, id),
    delete: (id) => store.delete(OPERATOR, id),
  };
}

/** The threads over HTTP, for the commands: the daemon alone opens their database. */
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
