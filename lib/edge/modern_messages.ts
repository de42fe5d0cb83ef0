import { ExaiError } from "../base/errors.ts";
import { type Era, isModern, META, MODERN_REVISIONS } from "../wire/client_claim.ts";
import { LATEST_REVISION } from "../wire/mcp.ts";
import type { RawMessage } from "../wire/raw_message.ts";
import { readClientText } from "../wire/raw_reader.ts";
import { acceptsBoth } from "./accept_header.ts";
import { InvalidMessageError, rpcErrorResponse } from "./error_response.ts";

/** What tells the era of a message. */
interface MessageEra {
  era: Era;
  /** Whether it says so itself, as each request of the modern era must. */
  hasClaim: boolean;
}

/**
 * The era of a message that came in a POST with `headers`: by its own content, and where that says nothing by its
 * headers (MCP basic/versioning, basic/transports/streamable-http). Another message of the same client may be of the
 * other era.
 */
export function eraOf(message: RawMessage, headers: Headers): MessageEra {
  const hasClaim = message.kind !== "response" && isModern(message.body);
  if (hasClaim) return { era: "modern", hasClaim };
  const isInitialize = message.kind === "request" && message.method === "initialize";
  return { era: isInitialize ? "legacy" : eraByHeaders(headers), hasClaim };
}

function eraByHeaders(headers: Headers): Era {
  return !headers.has("mcp-session-id") && namesModernRevision(headers) ? "modern" : "legacy";
}

/** Whether a client that sends this `MCP-Protocol-Version` must send a claim in each request. */
function namesModernRevision(headers: Headers): boolean {
  const revision = headers.get("mcp-protocol-version") ?? "";
  return /^\d{4}-\d\d-\d\d$/.test(revision) && revision > LATEST_REVISION;
}

/**
 * The response to a POST that failed, with the codes of the era of its message; of that which its headers name where the
 * message could not be read.
 */
export function failureResponse(thrown: unknown, headers: Headers, message?: RawMessage): Response {
  const era = message ? eraOf(message, headers).era : eraByHeaders(headers);
  const idText = message?.kind === "request" ? message.idText : undefined;
  return thrown instanceof InvalidMessageError
    ? rpcErrorResponse(thrown.error, era, thrown.idText)
    : rpcErrorResponse(thrown, era, idText);
}

/** The response to a message of the modern era that is not served; undefined for one that is. */
export function refusalOf(
  message: RawMessage,
  { headers, hasClaim }: { headers: Headers; hasClaim: boolean },
): Response | undefined {
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
  if (hasClaim) return undefined;
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
  const response = rpcErrorResponse(new ExaiError(code, why), "modern", idText);
  return status === undefined ? response : new Response(response.body, { status, headers: response.headers });
}

/**
 * Refuses a batch with requests of the modern era, which has none.
 *
 * @throws {InvalidMessageError}
 */
export function refuseModernBatch(texts: readonly string[], headers: Headers): void {
  const isOfModern = eraByHeaders(headers) === "modern" || texts.some((text) => {
    const reading = readClientText(text);
    return reading.kind === "message" && reading.message.kind !== "response" &&
      isModern(reading.message.body);
  });
  if (!isOfModern) return;
  throw new InvalidMessageError(
    `MCP ${MODERN_REVISIONS[0]} has no batches; send each message in a POST of its own`,
  );
}
