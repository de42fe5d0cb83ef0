import { isObject, type Json, type JsonObject, textOf } from "../../base/json.ts";
import type { ApiError } from "../api/provider_errors.ts";

/** Deepest nesting of an error in the message of another. */
const MAX_NESTED = 3;

/** A wrong key is answered as a wrong request. */
const WRONG_KEY = ["API_KEY_INVALID", "API_KEY_EXPIRED"];

/**
 * Reads the error response that the `@google/genai` package throws; undefined for any other error. It has the body as
 * its message, and no headers: how long to wait stands in the body (https://ai.google.dev/api/rest/v1beta/Status).
 */
export function readGeminiError(thrown: unknown): ApiError | undefined {
  if (!(thrown instanceof Error) || thrown.name !== "ApiError" || !("status" in thrown)) return undefined;
  const { status } = thrown;
  if (typeof status !== "number") return undefined;
  const error = innermost(thrown.message) ?? { message: thrown.message };
  const details = Array.isArray(error.details) ? error.details.filter(isObject) : [];
  const isWrongKey = details.some(({ reason }) => WRONG_KEY.includes(textOf(reason) ?? ""));
  return {
    status: isWrongKey ? 401 : status,
    headers: waitHeaders(details),
    error: { message: error.message, code: error.code, type: error.status },
    message: textOf(error.message) ?? thrown.message,
  };
}

/** The error in a text such as `got status: 429. {"error": …}`, or in the message of that error, and so on. */
function innermost(text: string, depth = 0): JsonObject | undefined {
  const start = text.search(/[{[]/);
  if (start < 0 || depth > MAX_NESTED) return undefined;
  let value: Json;
  try {
    value = JSON.parse(text.slice(start));
  } catch {
    return undefined;
  }
  const body = Array.isArray(value) ? value[0] : value;
  const error = isObject(body) ? body.error : undefined;
  if (!isObject(error)) return undefined;
  return innermost(textOf(error.message) ?? "", depth + 1) ?? error;
}

function waitHeaders(details: readonly JsonObject[]): Headers | undefined {
  const delay = details.map(({ retryDelay }) => textOf(retryDelay)).find((text) => text !== undefined);
  const [, seconds] = /^(\d+(?:\.\d+)?)s$/.exec(delay ?? "") ?? [];
  return seconds === undefined ? undefined : new Headers({ "retry-after": seconds });
}
