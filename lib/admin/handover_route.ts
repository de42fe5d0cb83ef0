import { ExaiError } from "../base/errors.ts";
import type { Release } from "../base/release.ts";
import type { Route } from "../edge/http_handler.ts";
import { allowMethod } from "./route_guards.ts";

/** What a daemon that is asked to end in favour of a newer one says; `waits_for` says in words what it finishes first. */
export type HandoverAnswer = { state: "waiting"; waits_for: string } | { state: "stopping" };

/** What the route needs of the daemon. */
export interface HandoverAdmin {
  isOlderThan(release: Release): boolean;
  /** Waits some seconds for a moment at which nothing would be lost. */
  request(successor: Release): Promise<HandoverAnswer>;
}

/** `POST /handover?version=1.2.3&committed_at=TIME`: a newer daemon asks this one to end. It asks again while it waits. */
export function handoverRoute(handover: HandoverAdmin): Route {
  return allowMethod("POST", async (request) => {
    const { searchParams } = new URL(request.url);
    const version = searchParams.get("version") ?? "";
    const successor = { version, committedAt: searchParams.get("committed_at") ?? undefined };
    if (!handover.isOlderThan(successor)) {
      throw new ExaiError("INVALID_PARAMS", "this daemon ends only in favour of a newer one");
    }
    return Response.json(await handover.request(successor));
  });
}
