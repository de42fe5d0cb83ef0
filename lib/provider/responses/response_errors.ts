import { isObject, ownEntry, textOf } from "../../base/json.ts";
import { type ApiError, asApiError } from "../api/provider_errors.ts";

/**
 * The error codes of a response that failed after it was accepted, as the HTTP status they would have had before. A code
 * that is missing here says nothing of whether the model ran.
 */
const STATUS: Readonly<Record<string, number>> = {
  rate_limit_exceeded: 429,
  insufficient_quota: 402,
  invalid_prompt: 400,
  data_residency_mismatch: 400,
  bio_policy: 400,
  misalignment_policy_violation: 400,
  context_length_exceeded: 400,
  content_filter: 400,
  invalid_image: 400,
  invalid_image_format: 400,
  invalid_base64_image: 400,
  invalid_image_url: 400,
  invalid_image_mode: 400,
  image_too_large: 413,
  image_too_small: 400,
  image_parse_error: 400,
  image_content_policy_violation: 400,
  image_file_too_large: 413,
  image_file_not_found: 400,
  unsupported_image_media_type: 415,
  empty_image_file: 400,
  failed_to_download_image: 400,
  model_not_found: 404,
};

/** The HTTP status that fits the error code of a failed response; undefined if the model may have run. */
export function statusOfCode(code: string): number | undefined {
  return ownEntry(STATUS, code);
}

/** Reads an error event of a stream, which the `openai` package throws without a status. */
export function readStreamError(thrown: unknown): ApiError | undefined {
  const error = asApiError(thrown);
  if (error === undefined || error.status !== undefined) return error;
  const code = isObject(error.error) ? textOf(error.error.code) ?? textOf(error.error.type) : undefined;
  const { headers, message } = error;
  return { status: statusOfCode(code ?? ""), headers, error: error.error, message };
}
