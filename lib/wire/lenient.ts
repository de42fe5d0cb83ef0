import { isObject, type Json, type JsonObject } from "../base/json.ts";

/** Parameters that may be left out in every request, and for which some clients write null. */
const OPTIONAL = ["cursor", "arguments", "_meta"];

/**
 * A client's message as it is meant: null where something optional may stand is the same as nothing there. Every door
 * reads messages through this, and so does the shim; what is well formed is given back as it is.
 */
export function normalizeMessage(message: JsonObject): JsonObject {
  const { params } = message;
  if (params === undefined || message.method === undefined) return message;
  if (params === null) return without(message, ["params"]);
  if (!isObject(params) || !OPTIONAL.some((name) => params[name] === null)) return message;
  return { ...message, params: without(params, OPTIONAL.filter((name) => params[name] === null)) };
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

/** Messages one batch may hold. */
const MAX_BATCH = 100;

/** The only revision of MCP that has batches. */
const BATCH_REVISION = "2025-03-26";

/**
 * Why an array cannot be taken as a batch of messages from a client that has agreed on `revision`; undefined when it
 * can.
 */
export function batchFault(batch: readonly Json[], revision: string | undefined): string | undefined {
  if (revision !== BATCH_REVISION) {
    const agreed = revision === undefined ? "none is agreed on yet" : `this client has agreed on ${revision}`;
    return `an array is no message: only MCP ${BATCH_REVISION} has batches, and ${agreed}; send one message at a time`;
  }
  if (batch.length === 0) return "a batch must hold a message";
  return batch.length > MAX_BATCH ? `a batch may hold ${MAX_BATCH} messages at most` : undefined;
}

/** A string of JSON, one without an end to the end of the text, or a number JSON has no word for. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/gs;

/**
 * Parses `text`, where need be with `null` in place of the numbers JSON does not have: Python's `json.dumps` writes NaN
 * and Infinity unless told otherwise.
 *
 * @throws {SyntaxError} it is no JSON in that way either
 */
export function parseLenient(text: string): { value: unknown; isMended: boolean } {
  try {
    return { value: JSON.parse(text), isMended: false };
  } catch (thrown) {
    if (!/NaN|Infinity/.test(text)) throw thrown;
    const mended = text.replace(STRING_OR_NUMBER, (found) => found.startsWith('"') ? found : "null");
    return { value: JSON.parse(mended), isMended: true };
  }
}
