import { clipRedacted } from "../base/text.ts";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { checkEnvelope, isRequestId, responseTo, type RpcError, type RpcMessage } from "./rpc.ts";

/** JSON-RPC: internal error. Malformed responses have no separate code. */
const INTERNAL = -32603;

/** How much of a malformed answer is shown. */
const MAX_SHOWN_CHARS = 200;

/**
 * Validates one message of a server. A malformed answer is repaired where its meaning is clear, and becomes an error
 * response otherwise, so that its request does not wait in vain.
 *
 * @returns the message, or what is wrong with one that answers nothing
 */
export function readServerMessage(value: unknown, server: string): RpcMessage | string {
  if (!isObject(value)) return "a message must be an object";
  // No request has a result or an error; some servers repeat the method in the response.
  if (value.method === undefined || isAnswer(value)) return readAnswer(value, server);
  if (value.params !== null) return checkEnvelope(value);
  const { params: _, ...message } = value;
  return checkEnvelope(message);
}

/** Whether `value` answers a request, well-formed or not. */
export function isAnswer(value: JsonObject): boolean {
  return isRequestId(unwrappedId(value.id)) && ("result" in value || "error" in value);
}

/** An id that is returned as an array of one. */
function unwrappedId(id: Json | undefined): Json | undefined {
  return Array.isArray(id) && id.length === 1 ? id[0] : id;
}

function readAnswer(value: JsonObject, server: string): RpcMessage | string {
  const { result, error } = value;
  const id = unwrappedId(value.id);
  if (!isRequestId(id)) {
    return id === null && isObject(error)
      ? responseTo(null, { error: readError(error, server) })
      : checkEnvelope(value) as string;
  }
  const malformed = (what: string) => responseTo(id, { error: malformedAnswer(what, server) });
  const isError = error !== undefined && error !== null;
  if (isError && result !== undefined && result !== null) {
    return malformed("it has both a result and an error");
  }
  if (isError) return responseTo(id, { error: readError(error, server) });
  if (isObject(result)) return responseTo(id, { result });
  if (result === undefined) return malformed("it has neither a result nor an error");
  return malformed(`its result must be an object, and is ${shown(result)}`);
}

/** The error response for a malformed answer. */
export function malformedAnswer(what: string, server: string): RpcError {
  return {
    code: INTERNAL,
    message: `server "${server}" sent a malformed answer: ${what}`,
    data: { code: "INTERNAL", server, malformed: true },
  };
}

function readError(error: Json, server: string): RpcError {
  if (!isObject(error)) {
    return malformedAnswer(
      `its error must be an object with a code and a message, and is ${shown(error)}`,
      server,
    );
  }
  const { code, message, data } = error;
  const rest = data === undefined ? {} : { data };
  if (typeof code === "number" && typeof message === "string") return { code, message, ...rest };
  if (typeof code === "number") {
    return { code, message: message === undefined ? "" : shown(message), ...rest };
  }
  const said = typeof message === "string" ? message : shown(error);
  return malformedAnswer(`its error has no code; it says: ${said}`, server);
}

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN_CHARS ? `${clipRedacted(text, MAX_SHOWN_CHARS)}...` : text;
}
