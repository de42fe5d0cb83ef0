import { ExaiError } from "../base/errors.ts";
import { type Era, isModern, META, MODERN_REVISIONS } from "../wire/client_claim.ts";
import { thrownForEra } from "../wire/era_errors.ts";
import { LATEST_REVISION } from "../wire/mcp.ts";
import type { RawMessage } from "../wire/raw_message.ts";
import { readClientText } from "../wire/raw_reader.ts";
import { acceptsBoth } from "./accept_header.ts";
import { InvalidMessageError, rpcErrorResponse } from "./error_response.ts";

/**
 * The era of a message that came in a POST with `headers`: by its own content, and where that says nothing by its
 * headers (MCP basic/versioning, basic/transports/streamable-http). Another message of the same client may be of the
 * other era.
 */
export function eraOf(message: RawMessage, headers: Headers): Era {
  if (message.kind !== "response" && isModern(message.body)) return "modern";
  if (message.kind === "request" && message.method === "initialize") return "legacy";
  if (headers.has("mcp-session-id")) return "legacy";
  return namesModernRevision(headers) ? "modern" : "legacy";
}

/** Whether a client that sends this `MCP-Protocol-Version` must send a claim in each request. */
function namesModernRevision(headers: Headers): boolean {
  const revision = headers.get("mcp-protocol-version") ?? "";
  return /^\d{4}-\d\d-\d\d$/.test(revision) && revision > LATEST_REVISION;
}

/** The response to a request of the modern era that was not passed on, with the code which the error has there. */
export function modernErrorResponse(thrown: unknown, idText?: string): Response {
  return rpcErrorResponse(thrown, idText, (error) => thrownForEra(error, "modern"));
}

/** The response to a request whose body was not read: its headers alone tell the era. */
export function errorResponseByHeaders(thrown: unknown, headers: Headers): Response {
  return !headers.has("mcp-session-id") && namesModernRevision(headers)
    ? modernErrorResponse(thrown)
    : rpcErrorResponse(thrown);
}

/** The response to a message of the modern era that is not served; undefined for one that is. */
export function refusalOf(message: RawMessage, headers: Headers): Response | undefined {
  const idText = message.kind === "request" ? message.idText : "null";
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    return refuse("INVALID_REQUEST", "Content-Type must be application/json", { status: 415, idText });
  }
  if (message.kind === "response") {
    return refuse("INVALID_REQUEST", "a POST holds a request or a notification, not a response", { idText });
  }
  if (message.kind === "notification") return undefined;
  if (!acceptsBoth(headers)) {
    const why = "Accept must list application/json and text/event-stream";
    return refuse("INVALID_REQUEST", why, { status: 406, idText });
  }
  if (isModern(message.body)) return undefined;
  const why = `_meta must hold ${META.revision} and ${META.capabilities}, as MCP-Protocol-Version says ${
    headers.get("mcp-protocol-version")
  }`;
  return refuse("INVALID_PARAMS", why, { idText });
}

function refuse(
  code: "INVALID_REQUEST" | "INVALID_PARAMS",
  why: string,
  { status, idText }: { status?: number; idText: string },
): Response {
  const response = modernErrorResponse(new ExaiError(code, why), idText);
  return status === undefined ? response : new Response(response.body, { status, headers: response.headers });
}

/**
 * Refuses a batch with requests of the modern era, which has none.
 *
 * @throws {InvalidMessageError}
 */
export function refuseModernBatch(texts: readonly string[], headers: Headers): void {
  const isOfModern = !headers.has("mcp-session-id") && namesModernRevision(headers) || texts.some((text) => {
    const reading = readClientText(text);
    return reading.kind === "message" && reading.message.kind !== "response" &&
      isModern(reading.message.body);
  });
  if (!isOfModern) return;
  throw new InvalidMessageError(
    `MCP ${MODERN_REVISIONS[0]} has no batches; send each message in a POST of its own`,
  );
}
