import { isObject, type JsonObject, parseJson } from "../base/json.ts";
import { registerPassingSecret } from "../base/secrets.ts";
import { quoteName } from "../base/text.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { HelperFault } from "./helper_programs.ts";

/** The headers that a program has printed. */
export interface HelperHeaders {
  headers: Readonly<Record<string, string>>;
  /** Until when they are good, in milliseconds since 1970. */
  untilMs: number;
  /** Whether the program has said until when. */
  isOwnExpiry: boolean;
}

/** How long headers are good where the program does not say it. */
const DEFAULT_MS = 5 * MINUTE_MS;

/** They are renewed this long before their end, but for no more than a tenth of their time. */
const MARGIN_MS = 10 * SECOND_MS;

/** A number of seconds since 1970 is below this until the year 5138; milliseconds are above it since 1973. */
const SECONDS_BELOW = 1e11;

const EXPIRY_KEYS = ["expires_at", "expires_in", "ttl"];

/** Headers that the transport sets: another value would make a request a different one. */
const RESERVED =
  /^(?:host|connection|keep-alive|transfer-encoding|upgrade|te|trailer|content-.*|accept|last-event-id|mcp-.*)$/i;

/** Shorter words of a header stand in any text. */
const MIN_SECRET_CHARS = 8;

/**
 * Reads what a headers helper prints: `{"Authorization": "Bearer …"}`, or `{"headers": {…}}`, with `expires_at` (seconds
 * since 1970, or a date), `expires_in` or `ttl` (seconds) beside them. Every word of a header is kept out of the logs.
 *
 * @throws {HelperFault} saying what is wrong, without what was printed
 */
export function readHelperHeaders(output: string, nowMs: number): HelperHeaders {
  const printed = parseJson(output);
  if (!isObject(printed)) {
    throw new HelperFault('it did not print a JSON object, as {"Authorization": "Bearer …"}');
  }
  const { headers: nested, ...flat } = printed;
  const given: JsonObject = isObject(nested) ? nested : flat;
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (value === null || EXPIRY_KEYS.includes(name)) continue;
    addHeader(headers, name, value);
  }
  if ([...headers].length === 0) throw new HelperFault("it printed no headers");
  const ownMs = expiryOf(printed, nowMs);
  const endMs = ownMs ?? nowMs + DEFAULT_MS;
  if (endMs <= nowMs) {
    throw new HelperFault("it printed headers that have expired; it may itself have to be signed in");
  }
  const untilMs = endMs - Math.min(MARGIN_MS, (endMs - nowMs) / 10);
  return { headers: Object.fromEntries(headers), untilMs, isOwnExpiry: ownMs !== undefined };
}

function addHeader(headers: Headers, name: string, value: JsonObject[string]): void {
  if (typeof value !== "string" && typeof value !== "number") {
    throw new HelperFault(`its header ${quoteName(name)} is no text`);
  }
  if (RESERVED.test(name)) {
    throw new HelperFault(`its header ${quoteName(name)} is for EXAI to set; leave it out`);
  }
  for (const word of String(value).split(/\s+/)) {
    if (word.length >= MIN_SECRET_CHARS) registerPassingSecret(word);
  }
  try {
    headers.set(name, String(value));
  } catch {
    throw new HelperFault(`its ${quoteName(name)} is no HTTP header: a header name and one line of text`);
  }
}

/** Undefined where it does not say. */
function expiryOf(
  { expires_at: at, expires_in: within, ttl }: JsonObject,
  nowMs: number,
): number | undefined {
  const seconds = [within, ttl].find((value) => value !== undefined && value !== null);
  if (at !== undefined && at !== null) {
    const number = Number(at);
    const ms = Number.isNaN(number)
      ? Date.parse(String(at))
      : number < SECONDS_BELOW
      ? number * SECOND_MS
      : number;
    if (Number.isNaN(ms)) throw new HelperFault("its expires_at is neither seconds since 1970 nor a date");
    return ms;
  }
  if (seconds === undefined) return undefined;
  const number = typeof seconds === "string" || typeof seconds === "number" ? Number(seconds) : NaN;
  if (Number.isNaN(number)) throw new HelperFault("its expires_in is no number of seconds");
  return nowMs + number * SECOND_MS;
}
