import { ExaiError } from "../base/errors.ts";
import type { Route } from "../edge/http_handler.ts";
import { checkQuery } from "./query_names.ts";

/** Restricts `route` to one HTTP method. */
export function allowMethod(method: string, route: Route): Route {
  return (request, by) => {
    if (request.method === method) return route(request, by);
    throw new ExaiError("INVALID_REQUEST", `${new URL(request.url).pathname} takes ${method} only`);
  };
}

/** Restricts routes to the owner, and to the queries they know. Other accepted users may only open sessions. */
export function ownerOnly(routes: readonly [string, Route][]): [string, Route][] {
  return routes.map(([path, route]) => [path, (request, by) => {
    if (by.isOwner) {
      checkQuery(request.url);
      return route(request, by);
    }
    throw new ExaiError(
      "FORBIDDEN",
      `${path} is only for the user the daemon runs as, and clients with its token`,
    );
  }]);
}
