import { clip } from "../../base/text.ts";
import { type ErrorCode, ExaiError } from "../../base/errors.ts";
import { isObject } from "../../base/json.ts";
import { redact } from "../../base/log.ts";
import { retryAfterMs } from "../../base/http_response.ts";
import type { FaultKind } from "../provider.ts";

const CODES: Readonly<Record<FaultKind, ErrorCode>> = {
  rate_limit: "UPSTREAM_UNAVAILABLE",
  outage: "UPSTREAM_UNAVAILABLE",
  breaker_open: "UPSTREAM_UNAVAILABLE",
  auth: "CONFIG",
  refused: "INVALID_PARAMS",
  cut: "OUTCOME_UNKNOWN",
  malformed: "UPSTREAM_UNAVAILABLE",
  empty: "UPSTREAM_UNAVAILABLE",
  too_large: "TOO_LARGE",
  timeout: "TIMEOUT",
};

/** What is known of a fault beside its kind. */
export interface FaultFacts {
  provider: string;
  model?: string;
  /** HTTP status of the answer, if there was one. */
  status?: number;
  retryAfterMs?: number;
  cause?: unknown;
}

const MAX_MESSAGE_CHARS = 600;

/** An error of a provider; no secret is in its message, whatever the provider wrote. */
export function providerFault(kind: FaultKind, message: string, facts: FaultFacts): ExaiError {
  const { retryAfterMs, cause, ...details } = facts;
  const clean = redact(message);
  const short = clean.length > MAX_MESSAGE_CHARS ? `${clip(clean, MAX_MESSAGE_CHARS)}…` : clean;
  return new ExaiError(CODES[kind], short, { cause, retryAfterMs, details: { ...details, fault: kind } });
}

/** The kind of fault `thrown` stands for; undefined when it is none of a provider. */
export function faultOf(thrown: unknown): FaultKind | undefined {
  return thrown instanceof ExaiError ? thrown.details?.fault as FaultKind | undefined : undefined;
}

/** Faults after which nothing was generated, so that the same may be asked again, here or elsewhere. */
export function isSafeToRepeat(kind: FaultKind | undefined): boolean {
  return kind === "rate_limit" || kind === "outage" || kind === "breaker_open";
}

/** Words a 429 uses for an account that is empty: waiting does not help. Kimi, OpenAI, Z.AI (code 1113). */
const OUT_OF_QUOTA = /insufficient_quota|exceeded_current_quota|billing_hard_limit|^1113$/;

/** A gateway that gave up waiting for the model, which may well have run on: asking again may bill twice. */
const GATEWAY_TIMEOUTS: readonly number[] = [504, 524, 598, 599];

/** What an HTTP status says went wrong, given the provider's own `code` or `type` for it. */
function faultOfStatus(status: number, code = ""): FaultKind {
  if (status === 429) return OUT_OF_QUOTA.test(code) ? "auth" : "rate_limit";
  if (GATEWAY_TIMEOUTS.includes(status)) return "cut";
  if (status >= 500 || status === 408) return "outage";
  if (status === 401 || status === 402 || status === 403) return "auth";
  return "refused";
}

/** What the `openai` package throws for an answer that is an error, as far as it is read here. */
interface ApiError {
  status?: number;
  headers?: Headers;
  error?: unknown;
  message: string;
}

/** Whether `thrown` is an answer of the API that says what went wrong. */
export function isApiError(thrown: unknown): thrown is ApiError {
  return thrown instanceof Error && "status" in thrown && "headers" in thrown && "error" in thrown;
}

/** An API's error answer as a fault; `hasOutput` when part of an answer had come before it. */
export function faultOfApi(error: ApiError, facts: FaultFacts, hasOutput: boolean): ExaiError {
  const { provider } = facts;
  const said = wordsOf(error);
  // An error within a stream has no status of its own; OpenRouter puts it into `code`.
  const status = error.status ?? (/^\d{3}$/.test(said.code) ? Number(said.code) : undefined);
  const all = { ...facts, status, retryAfterMs: retryAfterMs(error.headers), cause: error };
  if (hasOutput || status === undefined) {
    return providerFault("cut", `${provider} broke off its answer: ${said.message}`, all);
  }
  const kind = faultOfStatus(status, said.code || said.type);
  return providerFault(
    kind,
    `${provider} answered ${status}: ${said.message}${advice(kind, facts, status)}`,
    all,
  );
}

function wordsOf(error: ApiError): { message: string; code: string; type: string } {
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

function advice(kind: FaultKind, { model }: FaultFacts, status: number): string {
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
