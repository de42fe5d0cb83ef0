/** The media types of a response to Streamable HTTP (MCP basic/transports). */
const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";

/** What a client must accept in response to a POST. */
const POST_TYPES = [JSON_TYPE, EVENTS_TYPE];

/** Whether a response to a POST with these headers may be JSON, and may be a stream of events. */
export function acceptsBoth(headers: Headers): boolean {
  const given = headers.get("accept") ?? "";
  return POST_TYPES.every((type) => accepts(given, type));
}

/**
 * Rewrites the Accept header of `request` to the canonical one when it is equivalent: wildcards, other letter case, or
 * no header. Any other header is left as it is, to be rejected by the transport.
 */
export function normalizeAccept(request: Request): void {
  const { method, headers } = request;
  if (method !== "POST" && method !== "GET") return;
  const given = headers.get("accept");
  const needed = method === "POST" ? POST_TYPES : [EVENTS_TYPE];
  if (given !== null && needed.every((type) => given.includes(type))) return;
  if (!needed.every((type) => accepts(given ?? "", type))) return;
  const canonical = new Headers(headers);
  canonical.set("accept", `${JSON_TYPE}, ${EVENTS_TYPE}`);
  Object.defineProperty(request, "headers", { value: canonical });
}

function accepts(accept: string, type: string): boolean {
  const ranges = accept.split(",").map((range) => range.split(";")[0]!.trim().toLowerCase()).filter(Boolean);
  if (ranges.length === 0) return true;
  return ranges.some((range) => range === "*/*" || range === type || range === `${type.split("/")[0]}/*`);
}
