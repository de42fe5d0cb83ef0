import { type ErrorCode, ExaiError } from "../../base/errors.ts";
import { retryAfterMs } from "../../base/http_response.ts";
import { isObject } from "../../base/json.ts";
import { redact } from "../../base/log.ts";
import { clip } from "../../base/text.ts";
import type { FaultKind } from "../provider.ts";

const CODES: Readonly<Record<FaultKind, ErrorCode>> = {
  rate_limit: "UPSTREAM_UNAVAILABLE",
  outage: "UPSTREAM_UNAVAILABLE",
  breaker_open: "UPSTREAM_UNAVAILABLE",
  budget: "CONFIG",
  auth: "CONFIG",
  refused: "INVALID_PARAMS",
  cut: "OUTCOME_UNKNOWN",
  malformed: "UPSTREAM_UNAVAILABLE",
  empty: "UPSTREAM_UNAVAILABLE",
  too_large: "TOO_LARGE",
  timeout: "TIMEOUT",
};

/** Details of a provider error besides its kind. */
export interface ProviderErrorInfo {
  provider: string;
  model?: string;
  /** The HTTP status of the response, if there was one. */
  status?: number;
  retryAfterMs?: number;
  cause?: unknown;
}

const MAX_MESSAGE_CHARS = 600;

/**
 * Creates a provider error. Secrets in the message are redacted, since it may quote the provider.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { faultKindOf, isSafeToRetry, providerError } from "./provider_errors.ts";
 *
 * const error = providerError("rate_limit", "acme answered 429", { provider: "acme", retryAfterMs: 1000 });
 * assertEquals([error.code, error.retryAfterMs], ["UPSTREAM_UNAVAILABLE", 1000]);
 * assertEquals(isSafeToRetry(faultKindOf(error)), true);
 * ```
 */
export function providerError(kind: FaultKind, message: string, info: ProviderErrorInfo): ExaiError {
  const { retryAfterMs, cause, ...details } = info;
  const redacted = redact(message);
  const text = redacted.length > MAX_MESSAGE_CHARS ? `${clip(redacted, MAX_MESSAGE_CHARS)}…` : redacted;
  return new ExaiError(CODES[kind], text, { cause, retryAfterMs, details: { ...details, fault: kind } });
}

/** The kind of a provider error; undefined for other errors. */
export function faultKindOf(thrown: unknown): FaultKind | undefined {
  return thrown instanceof ExaiError ? thrown.details?.fault as FaultKind | undefined : undefined;
}

/** Whether nothing was generated, so that the request may be sent again to the same or another model. */
export function isSafeToRetry(kind: FaultKind | undefined): boolean {
  return kind === "rate_limit" || kind === "outage" || kind === "breaker_open" || kind === "budget";
}

/**
 * The error codes of Kimi, OpenAI and Z.AI (1113) for an account without credit, sent with 429. Waiting does not help.
 */
const OUT_OF_QUOTA = /insufficient_quota|exceeded_current_quota|billing_hard_limit|^1113$/;

/** A gateway timed out while the model may still have been running: a retry may be billed twice. */
const GATEWAY_TIMEOUTS: readonly number[] = [504, 524, 598, 599];

/** Maps an HTTP status and the provider's error `code` or `type`. */
function faultForStatus(status: number, code = ""): FaultKind {
  if (status === 429) return OUT_OF_QUOTA.test(code) ? "auth" : "rate_limit";
  if (GATEWAY_TIMEOUTS.includes(status)) return "cut";
  if (status >= 500 || status === 408) return "outage";
  if (status === 401 || status === 402 || status === 403) return "auth";
  return "refused";
}

/** An error response, as the packages of `openai` and `@anthropic-ai/sdk` throw it. */
export interface ApiError {
  status?: number;
  headers?: Headers;
  error?: unknown;
  message: string;
}

/** The error response in `thrown`, if it is one. Checks its fields, since importing the class would load the package. */
export function asApiError(thrown: unknown): ApiError | undefined {
  const isResponse = thrown instanceof Error && "status" in thrown && "headers" in thrown &&
    "error" in thrown;
  return isResponse ? thrown as ApiError : undefined;
}

/** Converts an API error to a provider error; `hasOutput` tells whether part of an answer preceded it. */
export function fromApiError(error: ApiError, info: ProviderErrorInfo, hasOutput: boolean): ExaiError {
  const { provider } = info;
  const body = readErrorBody(error);
  // An error event in a stream has no HTTP status; OpenRouter sends it as `code`.
  const status = error.status ?? (/^\d{3}$/.test(body.code) ? Number(body.code) : undefined);
  const all = { ...info, status, retryAfterMs: retryAfterMs(error.headers), cause: error };
  if (hasOutput || status === undefined) {
    return providerError("cut", `${provider} broke off its answer: ${body.message}`, all);
  }
  const kind = faultForStatus(status, body.code || body.type);
  return providerError(
    kind,
    `${provider} answered ${status}: ${body.message}${adviceFor(kind, info, status)}`,
    all,
  );
}

function readErrorBody(error: ApiError): { message: string; code: string; type: string } {
  const body = isObject(error.error) ? error.error : {};
  const inner = isObject(body.error) ? body.error : body;
  const text = (value: unknown) =>
    typeof value === "string" || typeof value === "number" ? String(value) : "";
  return {
    message: text(inner.message) || text(inner.detail) || error.message,
    code: text(inner.code),
    type: text(inner.type),
  };
}

function adviceFor(kind: FaultKind, { model }: ProviderErrorInfo, status: number): string {
  switch (kind) {
    case "auth":
      return status === 401 || status === 403
        ? ". Check its key, and that the key may use this model"
        : ". Its account has nothing left, or may not do this";
    case "rate_limit":
      return ". It is asked too often; wait, or name a model of another provider";
    case "outage":
      return ". It has an outage; try again later, or name a model of another provider";
    case "cut":
      return ". The model may have run on, so it was not asked again";
    default:
      return status === 404
        ? `. Check its URL, and that it has ${model ?? "this"}; listmodels shows what it has`
        : "";
  }
}
