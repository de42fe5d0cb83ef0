import { type ErrorCode, ExaiError } from "../../base/errors.ts";
import { retryAfterMs } from "../../base/http_response.ts";
import { redact } from "../../base/log.ts";
import { clip, clipRedacted, trimEndOf } from "../../base/text.ts";
import type { FaultKind } from "../provider.ts";
import { type ErrorBody, readErrorBody } from "./error_body.ts";
import { faultOf, subjectOf, withCodeOfWords } from "./fault_codes.ts";
import { keyAdvice, likelyUrl, type ProviderSite, wrongPathAdvice } from "./provider_site.ts";

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
  /** Where the request went, for advice; not shown as a detail. */
  site?: ProviderSite;
}

const MAX_MESSAGE_CHARS = 1200;

/** The part of a provider's reason that is shown, so that advice after it is not cut. */
const MAX_REASON_CHARS = 400;

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
  const { retryAfterMs, cause, site: _site, ...details } = info;
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

/** How an error response came. */
interface ResponseFacts {
  /** Whether a part of the answer preceded it. */
  hasOutput: boolean;
  /** Whether it was the whole response, so that nothing was generated. */
  isWhole?: boolean;
}

/** Converts an error response, or an error within an answer, to a provider error. */
export function fromApiError(
  error: ApiError,
  info: ProviderErrorInfo,
  { hasOutput, isWhole = false }: ResponseFacts,
): ExaiError {
  const { provider } = info;
  const read = readErrorBody(error.error);
  // An error event in a stream has no HTTP status; OpenRouter sends it as `code`.
  const status = error.status ?? read.status;
  const body = withCodeOfWords(read, status);
  const all = {
    ...info,
    status,
    retryAfterMs: retryAfterMs(error.headers) ?? body.retryAfterMs,
    cause: error,
  };
  const reason = shortened(read.reason || read.codes[0] || withoutStatus(error.message));
  const fault = faultOf(body, status) ?? (isWhole ? "refused" : undefined);
  if (hasOutput || fault === undefined) {
    return providerError("cut", `${provider} broke off its answer: ${reason}${CUT_ADVICE}`, all);
  }
  const said = status === undefined ? `${provider} refused` : `${provider} answered ${status}`;
  const isPathUnknown = isWhole && fault === "refused" && body.codes.length === 0 && status === undefined;
  const advice = isPathUnknown ? wrongPathAdvice(info.site) : adviceFor({ fault, body, status }, info);
  return providerError(fault, `${said}: ${reason}${advice}`, all);
}

const CUT_ADVICE = ". The model may have run on, so it was not asked again; repeat the call to ask anew";

/** The packages write `404 status code (no body)` where a response says nothing. */
function withoutStatus(message: string): string {
  const text = message.replace(/^\d{3} /, "");
  return text === "" || /status code/.test(text) ? "no reason given" : text;
}

function shortened(reason: string): string {
  const text = reason.length > MAX_REASON_CHARS ? `${clipRedacted(reason, MAX_REASON_CHARS)}…` : reason;
  return trimEndOf(text, ". ");
}

interface Refusal {
  fault: NonNullable<ReturnType<typeof faultOf>>;
  body: ErrorBody;
  status: number | undefined;
}

function adviceFor({ fault, body, status }: Refusal, { model, site }: ProviderErrorInfo): string {
  const subject = subjectOf(body);
  switch (fault) {
    case "auth":
      if (body.isPage) {
        return ". That is the page of a proxy or firewall before it: check the network and its URL";
      }
      return `. ${keyAdvice(site, subject === "credit" || status === 402 ? "credit" : "key")}`;
    case "rate_limit":
      return ". It is asked too often; wait, or name a model of another provider";
    case "outage":
      return ". It has an outage; try again later, or name a model of another provider";
    case "cut":
      return CUT_ADVICE;
  }
  if (subject === "window" || status === 413) {
    return ". Name a model with a larger window (listmodels shows them), or give it less";
  }
  if (subject === "content") {
    return ". Its filter refused the question; put it differently, or name another model";
  }
  if (status !== 404 && status !== 405 && subject !== "model") {
    return ". Change what it names, or name another model";
  }
  const listed = model === undefined ? "" : `. Check that it has ${model}; listmodels shows what it has`;
  if (subject === "model" || (body.isOfApi && likelyUrl(site) === undefined)) return listed;
  return `${listed}${wrongPathAdvice(site)}`;
}
