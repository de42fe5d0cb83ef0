import { isObject, type JsonObject, ownEntry, textOf } from "../../base/json.ts";
import type { ApiError } from "../api/provider_errors.ts";

/** The HTTP status that an error has outside of a stream (https://platform.claude.com/docs/en/api/errors). */
const STATUS_OF_TYPE: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** The error that an `error` event of a stream tells, as if it had been the response. */
export function streamedError(event: JsonObject): Error & ApiError {
  const { error } = event;
  const { message, type } = isObject(error) ? error : {};
  return Object.assign(new Error(textOf(message) ?? "it told an error"), {
    status: ownEntry(STATUS_OF_TYPE, textOf(type) ?? ""),
    headers: undefined,
    error: event,
  });
}
