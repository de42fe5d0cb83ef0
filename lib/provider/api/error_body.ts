import { jsonObjectsIn } from "../../base/embedded_json.ts";
import { isObject, type Json, type JsonObject } from "../../base/json.ts";
import { SECOND_MS } from "../../base/units.ts";
import { titleOfPage } from "./web_page.ts";

/** What an error response says. */
export interface ErrorBody {
  /** The reason, in the words of whoever refused the request; empty if there is none. */
  reason: string;
  /** Its codes and types in lower case, the innermost first. */
  codes: string[];
  /** The HTTP status in the body, which stands for that of the response where the response has none. */
  status?: number;
  /** The parameter it names in a field of its own. */
  parameter?: string;
  retryAfterMs?: number;
  /** Whether it is a web page, which no API sends but what stands before it. */
  isPage?: boolean;
  /** Whether it has the form of an OpenAI API, so that there is one at the URL. */
  isOfApi?: boolean;
}

/** Errors within errors that are read: of a gateway, of the provider it asked, of its server. */
const MAX_DEPTH = 8;
const MAX_LISTED = 3;

/** Fields that hold an inner error, which is nearer to the cause than what stands beside it. */
const INNER = [
  "error",
  "errors",
  "inner_error",
  "upstream_error",
  "original_error",
  "response",
  "body",
  "base_resp",
] as const;

/** Fields that hold the reason. */
const REASONS = [
  "message",
  "detail",
  "details",
  "error_message",
  "error_msg",
  "error_description",
  "status_msg",
  "errorMessage",
  "msg",
  "description",
  "reason",
  "title",
  "text",
] as const;

/** Fields that hold a code. */
const CODES = ["code", "type", "status", "reason", "error_type", "error_code", "status_code"] as const;

/**
 * Reads an error in any of the shapes providers and gateways give it: nested objects, lists, JSON within texts, plain text,
 * a web page.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readErrorBody } from "./error_body.ts";
 *
 * const raw = '{"error": {"message": "At most 1 image", "code": "too_many_images"}}';
 * const { reason, codes } = readErrorBody({ message: "Provider returned error", metadata: { raw } });
 * assertEquals([reason, codes], ["At most 1 image", ["too_many_images"]]);
 * ```
 */
export function readErrorBody(body: unknown): ErrorBody {
  const found: ErrorBody = { reason: "", codes: [] };
  const error = isObject(body) ? body.error : undefined;
  if (isObject(error) && typeof error.message === "string") found.isOfApi = true;
  found.reason = read(body as Json | undefined, found, 0).replaceAll(/\s+/g, " ").trim();
  return found;
}

/** Returns the reason in `value`, and adds its codes to `found`. */
function read(value: Json | undefined, found: ErrorBody, depth: number): string {
  if (depth > MAX_DEPTH) return "";
  if (typeof value === "string") return readText(value, found, depth);
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) {
    const reasons = value.slice(0, MAX_LISTED).map((one) => read(one, found, depth + 1));
    return reasons.filter((reason) => reason !== "").join("; ");
  }
  return isObject(value) ? readObject(value, found, depth) : "";
}

function readText(text: string, found: ErrorBody, depth: number): string {
  if (/^\s*<(?:!|\?xml|[a-z]+[\s>])/i.test(text)) {
    found.isPage = true;
    return titleOfPage(text);
  }
  const page = text.search(/<(?:!doctype|html)[\s>]/i);
  if (page > 0) return `${text.slice(0, page).trim()} ${titleOfPage(text.slice(page))}`.trim();
  if (!text.includes("{")) return text.trim();
  for (const object of jsonObjectsIn(text)) {
    const reason = readObject(object, found, depth + 1);
    if (reason !== "") return reason;
  }
  return text.trim();
}

function readObject(error: JsonObject, found: ErrorBody, depth: number): string {
  const inner = readInner(error, found, depth);
  readCodes(error, found);
  const own = REASONS.map((field) => {
    const value = error[field];
    // A detail may be a list of what is wrong with which field.
    return value === undefined || value === null ? "" : read(value, found, depth + 1);
  }).find((reason) => reason !== "") ?? "";
  const reason = inner || own;
  const place = Array.isArray(error.loc) ? error.loc.filter((part) => part !== "body").join(".") : "";
  if (place !== "") found.parameter ??= place;
  return place === "" || reason === "" ? withHints(reason, error) : `${place}: ${reason}`;
}

/** The reason of the error within `error`, if there is one. */
function readInner(error: JsonObject, found: ErrorBody, depth: number): string {
  const metadata = isObject(error.metadata) ? error.metadata : {};
  // OpenRouter says "Provider returned error", and what it was in the metadata.
  const candidates = [metadata.raw, ...INNER.map((field) => error[field])];
  for (const candidate of candidates) {
    if (candidate === undefined || candidate === null) continue;
    const reason = read(candidate, found, depth + 1) || readFields(candidate, found);
    if (reason !== "") return reason;
  }
  return "";
}

/** The reason in an object that has what is wrong under the name of each field: `{"temperature": ["must be 1"]}`. */
function readFields(fields: Json, found: ErrorBody): string {
  if (!isObject(fields)) return "";
  const told = Object.entries(fields).flatMap(([name, reasons]) =>
    Array.isArray(reasons) && reasons.every((reason) => typeof reason === "string") && reasons.length > 0
      ? [{ name, reason: reasons.join("; ") }]
      : []
  );
  if (told.length > 0) found.parameter ??= told[0]!.name;
  return told.slice(0, MAX_LISTED).map(({ name, reason }) => `${name}: ${reason}`).join("; ");
}

function readCodes(error: JsonObject, found: ErrorBody): void {
  for (const field of CODES) {
    const value = error[field];
    const code = typeof value === "number" ? String(value) : typeof value === "string" ? value : "";
    if (code === "" || code.length > 60) continue;
    if (/^[45]\d\d$/.test(code)) found.status ??= Number(code);
    else if (!found.codes.includes(code.toLowerCase())) found.codes.push(code.toLowerCase());
  }
  if (typeof error.param === "string" && error.param !== "") found.parameter ??= error.param;
  found.retryAfterMs ??= waitOf(error);
  // OpenRouter names what a moderator flagged, and answers 403.
  if (isObject(error.metadata) && Array.isArray(error.metadata.reasons)) found.codes.push("content_filter");
  // What a Google API says beside its message, such as why a key is invalid and when to ask again.
  for (const detail of Array.isArray(error.details) ? error.details : []) {
    if (!isObject(detail)) continue;
    if (typeof detail.reason === "string") found.codes.push(detail.reason.toLowerCase());
    found.retryAfterMs ??= waitOf(detail);
  }
}

/** The wait that an error asks for in its body: `"retryDelay": "34s"`, or a number of seconds. */
function waitOf(error: JsonObject): number | undefined {
  const metadata = isObject(error.metadata) ? error.metadata : {};
  const wait = error.retryDelay ?? error.retry_after ?? metadata.retry_after_seconds ?? metadata.retry_after;
  const seconds = typeof wait === "number"
    ? wait
    : Number(/^(\d+(?:\.\d+)?)s?$/.exec(String(wait))?.[1] ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * SECOND_MS) : undefined;
}

/** Adds who said it behind a gateway, what it advises, and which filters were hit. */
function withHints(reason: string, error: JsonObject): string {
  const metadata = isObject(error.metadata) ? error.metadata : {};
  const who = typeof metadata.provider_name === "string" ? ` (said ${metadata.provider_name})` : "";
  const hint = typeof metadata.remedy_hint === "string" ? `. ${metadata.remedy_hint}` : "";
  const flagged = Array.isArray(metadata.reasons) ? ` (${metadata.reasons.map(String).join(", ")})` : "";
  const inner = isObject(error.innererror) ? error.innererror : {};
  const results = isObject(inner.content_filter_result) ? Object.entries(inner.content_filter_result) : [];
  const hit = results.filter(([, result]) => isObject(result) && result.filtered === true).map(([name]) =>
    name
  );
  return `${reason}${who}${flagged}${hit.length > 0 ? ` (filtered: ${hit.join(", ")})` : ""}${hint}`;
}
