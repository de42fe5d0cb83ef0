import { ExaiError } from "../base/errors.ts";
import type { Route } from "../edge/doors.ts";

/** A route that takes one method. */
export function only(method: string, route: Route): Route {
  return (request) => {
    if (request.method === method) return route(request);
    throw new ExaiError("INVALID_REQUEST", `${new URL(request.url).pathname} takes ${method} only`);
  };
}
