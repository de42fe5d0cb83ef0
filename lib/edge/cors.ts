import type { Guard } from "./guard.ts";

/** How long a browser may cache a preflight response, in seconds. */
const MAX_AGE_S = "600";

/** The response to a CORS preflight request from an allowed origin; undefined for any other request. */
export function preflight(request: Request, guard: Guard): Response | undefined {
  const origin = request.headers.get("origin");
  const isPreflight = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
  if (!isPreflight || origin === null || !guard.allowsOrigin(origin)) return undefined;
  const response = new Response(null, { status: 204 });
  const requested = request.headers.get("access-control-request-headers");
  response.headers.set("access-control-allow-methods", "GET, POST, DELETE");
  if (requested) response.headers.set("access-control-allow-headers", requested);
  response.headers.set("access-control-max-age", MAX_AGE_S);
  return allowOrigin(response, origin);
}

/** Adds the headers that let a page of an allowed origin read `response`. */
export function withCors(request: Request, response: Response, guard: Guard): Response {
  const origin = request.headers.get("origin");
  return origin !== null && guard.allowsOrigin(origin) ? allowOrigin(response, origin) : response;
}

function allowOrigin(response: Response, origin: string): Response {
  response.headers.set("access-control-allow-origin", origin);
  response.headers.set("access-control-expose-headers", "mcp-session-id, mcp-protocol-version");
  response.headers.append("vary", "Origin");
  return response;
}
