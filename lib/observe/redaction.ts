import { isRawJson } from "../base/json.ts";
import { redact } from "../base/log.ts";

/** Names of fields whose value must not be recorded. */
const SECRET_KEY =
  /(^|[_.-])(pass(word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?secret|authorization|cookie|credentials?)s?$/i;
const SECRET_CAMEL_KEY = /(Password|Passphrase|Secret|Token|ApiKey|AccessKey|PrivateKey|Credentials?)s?$/;
/** Matches of the above that are not secrets: `progressToken` of MCP, counts of model tokens. */
const HARMLESS = /^(progressToken|(max|total|prompt|completion|input|output)_?tokens?)$/i;

/** Formats of API keys and private keys. */
const SECRET_TEXTS: readonly RegExp[] = [
  /\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/g,
  /\bglpat-[A-Za-z0-9_-]{16,}/g,
  /\bxox[abeprs]-[A-Za-z0-9-]{10,}/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bAIza[A-Za-z0-9_-]{30,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g,
];
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi;
const USER_INFO = /(:\/\/[^\s/:@"]*:)[^\s/@"]+@/g;
/** `--token VALUE` in a command line; a number is a count, as of `--max-tokens 4096`. */
const FLAGGED =
  /((?:^|\s)--?[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key)s?\s+["']?)(?![-\d.]+(?:\s|$))[^\s"'-][^\s"']{3,}/gi;
/** `password=...`, `token: ...` in a text of several words. */
const ASSIGNED =
  /((?:pass(?:word|wd)|secret|token|api[_-]?key|access[_-]?key)s?\\?["']?\s*[=:]\s*\\?["']?)[^\s"'\\,;&]{4,}/gi;

/**
 * `text` with everything that looks like a secret, and every registered secret, replaced by `[secret]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { redactSecrets } from "./redaction.ts";
 *
 * assertEquals(redactSecrets("curl -H 'Authorization: Bearer abcdefgh12'"), "curl -H 'Authorization: Bearer [secret]'");
 * ```
 */
export function redactSecrets(text: string): string {
  let clean = redact(text);
  for (const pattern of SECRET_TEXTS) clean = clean.replace(pattern, "[secret]");
  clean = redactJwts(clean);
  return clean.replace(BEARER, "$1 [secret]").replace(USER_INFO, "$1[secret]@").replace(
    ASSIGNED,
    "$1[secret]",
  )
    .replace(FLAGGED, "$1[secret]");
}

const JWT_BEGIN = "eyJ";
const JWT = /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/y;
const REST_OF_PART = /[\w-]*/y;

/**
 * `text` without JSON Web Tokens. Of each part between dots only the first possible start is tried: a plain regular
 * expression would try each, and scan the rest of the part every time (quadratic).
 */
function redactJwts(text: string): string {
  let clean = "";
  let copied = 0;
  for (let at = text.indexOf(JWT_BEGIN); at >= 0;) {
    JWT.lastIndex = REST_OF_PART.lastIndex = at;
    if (at > 0 && /\w/.test(text[at - 1]!)) at += JWT_BEGIN.length;
    else if (JWT.test(text)) {
      clean += `${text.slice(copied, at)}[secret]`;
      copied = at = JWT.lastIndex;
    } else {
      REST_OF_PART.test(text);
      at = REST_OF_PART.lastIndex;
    }
    at = text.indexOf(JWT_BEGIN, at);
  }
  return clean + text.slice(copied);
}

/**
 * `value` as JSON of at most `maxChars` UTF-16 code units, without secrets: registered ones, fields named like one, and
 * strings that look like one.
 */
export function redactedJson(value: unknown, maxChars: number): string {
  // Cut generously, redact, cut again: a secret that the final cut splits would no longer be recognized.
  const excerptChars = 2 * maxChars + 4096;
  const budget = { chars: excerptChars };
  const whole = JSON.stringify(excerpt(value, { budget, depth: 0 })) ?? "";
  const clean = redactSecrets(whole.length > excerptChars ? whole.slice(0, excerptChars) : whole);
  return clean.length > maxChars ? `${clean.slice(0, maxChars)}… (cut off)` : clean;
}

/** Bounds the recursion of `excerpt`. */
const MAX_DEPTH = 64;

/** A copy of `value` without fields named like a secret, of at most about `budget` characters. */
function excerpt(value: unknown, at: { budget: { chars: number }; depth: number }): unknown {
  const { budget, depth } = at;
  budget.chars--;
  if (typeof value === "string") {
    const text = value.slice(0, Math.max(0, budget.chars));
    budget.chars -= value.length;
    return text;
  }
  if (typeof value !== "object" || value === null || isRawJson(value)) return value;
  if (depth >= MAX_DEPTH) return "… (nested too deep)";
  const inner = { budget, depth: depth + 1 };
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) {
      if (budget.chars <= 0) break;
      items.push(excerpt(item, inner));
    }
    return items;
  }
  const members: [string, unknown][] = [];
  for (const [key, part] of Object.entries(value)) {
    if (budget.chars <= 0) break;
    budget.chars -= key.length;
    const isSecret = isSecretKey(key) &&
      (typeof part === "string" || typeof part === "number" || isRawJson(part));
    members.push([key, isSecret ? "[secret]" : excerpt(part, inner)]);
  }
  return Object.fromEntries(members);
}

function isSecretKey(key: string): boolean {
  return (SECRET_KEY.test(key) || SECRET_CAMEL_KEY.test(key)) && !HARMLESS.test(key);
}
