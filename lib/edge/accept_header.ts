/** The two media types an answer may come in (MCP basic/transports). */
const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";

/**
 * Gives `request` the Accept header that stands for what its own means: that of a client that takes anything, says so
 * in other letters or leaves it out. One that takes less than it must is left as it is, and refused for it.
 */
export function normalizeAccept(request: Request): void {
  const { method, headers } = request;
  if (method !== "POST" && method !== "GET") return;
  const given = headers.get("accept");
  const needed = method === "POST" ? [JSON_TYPE, EVENTS_TYPE] : [EVENTS_TYPE];
  if (given !== null && needed.every((type) => given.includes(type))) return;
  if (!needed.every((type) => accepts(given ?? "", type))) return;
  const plain = new Headers(headers);
  plain.set("accept", `${JSON_TYPE}, ${EVENTS_TYPE}`);
  Object.defineProperty(request, "headers", { value: plain });
}

function accepts(accept: string, type: string): boolean {
  const ranges = accept.split(",").map((range) => range.split(";")[0]!.trim().toLowerCase()).filter(Boolean);
  if (ranges.length === 0) return true;
  return ranges.some((range) => range === "*/*" || range === type || range === `${type.split("/")[0]}/*`);
}
