import { ownEntry } from "../../base/json.ts";
import type { FaultKind } from "../provider.ts";
import type { ErrorBody } from "./error_body.ts";

type ResponseFault = Extract<FaultKind, "rate_limit" | "outage" | "auth" | "refused" | "cut">;

/** Codes of an account without credit. Waiting does not help, although they are sent with 429. */
const NO_CREDIT = [
  "insufficient_quota",
  "exceeded_current_quota_error",
  "billing_hard_limit_reached",
  "billing_not_active",
  "insufficient_balance",
  "insufficient_credits",
  "insufficient_user_quota",
  "billing_error",
  "arrearage",
  "1113",
  "1309",
];

/** Codes of a question that is longer than the window. */
const TOO_LONG = [
  "context_length_exceeded",
  "request_too_large",
  "exceed_context_size_error",
  "string_above_max_length",
];

/** Codes of a question that a filter holds back. */
const FILTERED = [
  "content_filter",
  "content_policy_violation",
  "responsibleaipolicyviolation",
  "data_inspection_failed",
  "datainspectionfailed",
  "1301",
];

const NO_MODEL = ["model_not_found", "model_not_available", "invalid_model", "1211"];

/**
 * Codes and types of error responses that say more than the HTTP status, in lower case. Numbers are Z.AI's
 * (https://docs.z.ai/api-reference/api-code).
 */
const BY_CODE: Readonly<Partial<Record<ResponseFault, readonly string[]>>> = {
  auth: [
    ...NO_CREDIT,
    "invalid_api_key",
    "incorrect_api_key_error",
    "invalid_authentication_error",
    "authentication_error",
    "unauthenticated",
    "permission_denied",
    "permission_error",
    "permission_denied_error",
    "api_key_invalid",
    "access_terminated_error",
    "account_deactivated",
    "unsupported_country_region_territory",
    "1000",
    "1001",
    "1002",
    "1003",
    "1004",
  ],
  rate_limit: [
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limit_reached_error",
    "rate_limited",
    "too_many_requests",
    "resource_exhausted",
    "engine_overloaded_error",
    "throttling",
    "throttling.ratequota",
    "throttlingexception",
    "limit_requests",
    "1302",
    "1303",
    "1305",
  ],
  refused: [...TOO_LONG, ...FILTERED, ...NO_MODEL, "unsupported_parameter", "unsupported_value"],
  outage: ["overloaded_error", "service_unavailable", "service_unavailable_error", "unavailable"],
};

const FAULT_BY_CODE: Readonly<Record<string, ResponseFault>> = Object.fromEntries(
  Object.entries(BY_CODE).flatMap(([fault, codes]) => codes.map((code) => [code, fault as ResponseFault])),
);

/** Types that say no more than a status; they count where there is none. */
const REFUSED_TYPES = [
  "invalid_request_error",
  "badrequesterror",
  "bad_request",
  "invalid_argument",
  "not_found_error",
];

/**
 * Statuses after which the model may have run, so that a retry may be billed twice: a gateway gave up waiting, or lost
 * the connection to the provider.
 */
const MAY_HAVE_RUN: readonly number[] = [499, 504, 520, 524, 598, 599];

/** Types of a failure at the provider that count where there is no status, as in an answer that has begun. */
const OUTAGE_TYPES = ["api_error", "internal", "internal_server_error"];

/** What an error response means; undefined if it says nothing of the kind. */
export function faultOf(
  { codes }: Pick<ErrorBody, "codes">,
  status: number | undefined,
): ResponseFault | undefined {
  const byCode = codes.map((code) => ownEntry(FAULT_BY_CODE, code)).find((fault) => fault !== undefined);
  if (byCode !== undefined && !(status === 401 || status === 402)) return byCode;
  if (status !== undefined) return faultOfStatus(status);
  if (codes.some((code) => OUTAGE_TYPES.includes(code))) return "outage";
  return codes.some((code) => REFUSED_TYPES.includes(code)) ? "refused" : undefined;
}

function faultOfStatus(status: number): ResponseFault {
  if (status === 429) return "rate_limit";
  if (MAY_HAVE_RUN.includes(status)) return "cut";
  if (status >= 500 || status === 408 || status === 425) return "outage";
  if (status === 401 || status === 402 || status === 403 || status === 407) return "auth";
  return "refused";
}

/** What providers say with no code, or with one for all refusals: Anthropic, xAI, Gemini, Kimi, vLLM, LM Studio. */
const BY_WORDS: readonly { words: RegExp; code: string }[] = [
  {
    words:
      /context (?:length|size|window)|(?:prompt|input) is too long|maximum prompt length|model token limit|exceeds the maximum number of tokens/i,
    code: "context_length_exceeded",
  },
  {
    words: /(?:incorrect|invalid) api key|api key (?:not valid|is invalid|expired)|^authentication error/i,
    code: "invalid_api_key",
  },
  {
    words: /credit balance is too low|insufficient (?:credit|balance|quota)|(?:have|has) any credits/i,
    code: "insufficient_quota",
  },
];

/** The statuses with which a request is refused for any reason. */
const OF_REQUEST: readonly (number | undefined)[] = [undefined, 400, 403, 422];

/** `body` with the code that its words stand for, where its codes say nothing of what it was refused for. */
export function withCodeOfWords<T extends Pick<ErrorBody, "codes" | "reason">>(
  body: T,
  status: number | undefined,
): T {
  const fault = faultOf(body, undefined);
  const isTold = subjectOf(body) !== undefined ||
    (fault !== undefined && fault !== "refused" && fault !== "auth");
  if (isTold || !OF_REQUEST.includes(status)) return body;
  const found = BY_WORDS.find(({ words }) => words.test(body.reason));
  return found === undefined ? body : { ...body, codes: [...body.codes, found.code] };
}

/** What a request was refused for, as far as its codes tell. */
export function subjectOf(
  { codes }: Pick<ErrorBody, "codes">,
): "credit" | "window" | "content" | "model" | undefined {
  const has = (names: readonly string[]) => names.some((name) => codes.includes(name));
  if (has(NO_CREDIT)) return "credit";
  if (has(TOO_LONG)) return "window";
  if (has(FILTERED)) return "content";
  return has(NO_MODEL) ? "model" : undefined;
}
