import { ExaiError } from "../base/errors.ts";
import type { Route } from "../edge/http_handler.ts";

/** A route that takes one method. */
export function allowMethod(method: string, route: Route): Route {
  return (request, by) => {
    if (request.method === method) return route(request, by);
    throw new ExaiError("INVALID_REQUEST", `${new URL(request.url).pathname} takes ${method} only`);
  };
}

/** Routes that show or change what is the owner's. Other users who are let in have a session, and no more. */
export function ownerOnly(routes: readonly [string, Route][]): [string, Route][] {
  return routes.map(([path, route]) => [path, (request, by) => {
    if (by.isOwner) return route(request, by);
    throw new ExaiError(
      "FORBIDDEN",
      `${path} is for the user the daemon runs as, or for who shows its token`,
    );
  }]);
}
