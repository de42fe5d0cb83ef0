import { ExaiError } from "../base/errors.ts";
import type { Release } from "../base/release.ts";
import type { Route } from "../edge/http_handler.ts";
import { allowMethod } from "./route_guards.ts";

/**
 * What a daemon that is asked to end in favour of a newer one says; `waits_for` says in words what it finishes first.
 * `stopped`: it ends because a user has stopped it, not in favour of the one that asks.
 */
export type HandoverAnswer =
  | { state: "waiting"; waits_for: string }
  | { state: "stopping" }
  | { state: "stopped" };

/** Who takes a daemon's place: a newer one, or the service that it is to be from now on. */
export type Successor = { is: "newer"; release: Release } | { is: "service" };

/** What the route needs of the daemon. */
export interface HandoverAdmin {
  /** Whether this daemon ends in favour of `successor`. */
  accepts(successor: Successor): boolean;
  /** Waits some seconds for a moment at which nothing would be lost. */
  request(successor: Successor): Promise<HandoverAnswer>;
}

/**
 * `POST /handover?version=1.2.3&committed_at=TIME`: a newer daemon asks this one to end; `POST /handover?to=service`:
 * `service install` does. Both ask again while they are told to wait.
 */
export function handoverRoute(handover: HandoverAdmin): Route {
  return allowMethod("POST", async (request) => {
    const successor = successorOf(new URL(request.url).searchParams);
    if (!handover.accepts(successor)) {
      throw new ExaiError("INVALID_PARAMS", "this daemon ends only in favour of a newer one");
    }
    return Response.json(await handover.request(successor));
  });
}

function successorOf(query: URLSearchParams): Successor {
  if (query.get("to") === "service") return { is: "service" };
  const committedAt = query.get("committed_at") ?? undefined;
  return { is: "newer", release: { version: query.get("version") ?? "", committedAt } };
}
