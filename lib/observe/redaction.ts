import { redact } from "../base/log.ts";

/** What stands in the place of a secret. */
export const SECRET = "[secret]";

/** Formats of API keys and private keys. Of a private key that was cut, all goes up to the next line of dashes. */
const SECRET_TEXTS: readonly RegExp[] = [
  /\b(?:sk|rk|pk)[-_][A-Za-z0-9_-]{16,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/g,
  /\bglpat-[A-Za-z0-9_-]{16,}/g,
  /\bxox[abeprs]-[A-Za-z0-9-]{10,}/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bAIza[A-Za-z0-9_-]{30,}/g,
  // Searched up to the next beginning only: a text of nothing but beginnings would take quadratic time.
  /-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:(?:(?!-----BEGIN )[^])*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|(?:(?!-----)[^])*)/g,
];
const BEARER = /\b((?:Bearer|Basic)\s+)([\w.~+/=-]{8,})/gi;
const USER_INFO = /(:\/\/[^\s/:@"]*:)[^\s/@"]+@/g;

const NAMES =
  "(?:pass(?:word|wd|phrase)|secret|token|(?:api|access|private|secret|signing|encryption)[_-]?key)s?";
/** `password=...`, `token: ...` in a text of several words, up to the value and the quotes before it. */
const ASSIGNED = new RegExp(String.raw`${NAMES}\\*["']?\s*[=:]\s*(\\*["']?)`, "gi");
/** `--token VALUE` in a command line. */
const FLAGGED = new RegExp(String.raw`(?<![\w-])--?[\w-]*(?:${NAMES}|pass)\s+(\\*["']?)(?!-)`, "gi");
/** A value without quotes; a shorter one is none. */
const BARE = /[^\s"'\\,;&]{4,}/y;
const MIN_VALUE_CHARS = 4;
/** The longest value in quotes; what is longer goes up to its first blank. */
const MAX_QUOTED_CHARS = 500;
/** The flag of a command whose arguments are a list: its value is the next of them. */
const FLAG = new RegExp(String.raw`^--?[\w-]*(?:${NAMES}|pass)$`, "i");
/** Headers in a text: what follows up to the end of the line or of the quotes. */
const AUTHORIZATION = /\b(authorization\\*["']?\s*[=:]\s*\\*["']?)([^\s"'\\][^\r\n"'\\]{3,})/gi;
const COOKIE = /(\bcookie\\*["']?\s*[=:]\s*\\*["']?)[\w.-]{1,100}=[^\r\n"'\\]+/gi;

/** A word that may be part of a sentence; names and keys have digits or capitals within. */
const WORD = /^[A-Za-z]?[a-z]+[.)]*$/;
const NEXT_WORD = /^(?:[A-Za-z][a-z]*|[A-Z]+)[,;.)]*$/;
const MAX_WORD_CHARS = 40;
/** What all of the above have somewhere: most texts are searched once, and not a dozen times. */
const SUSPECT =
  /(?:sk|rk|pk)[-_]|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|akia|aiza|private key|eyj|bearer|basic|:\/\/|pass|secret|token|key|authorization|cookie/i;
/** What stands for a value in code, configuration and help: types, variables, `<your token>`. */
const PLACEHOLDER =
  /^(?:\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|<[^<>]*>|string|number|boolean|null|undefined|true|false|none|str|optional|required|flag|option|argument|parameter|value|[A-Z_]*(?:TOKEN|KEY|SECRET|PASSWORD|VALUE))[.)\]}]*$/;
const NUMBER = /^[-\d.]+$/;

/**
 * `text` with everything that looks like a secret, and every registered secret, replaced by `[secret]`. It is for texts
 * as they are, not for JSON of them: a pattern could take a quote of the JSON for one of the text.
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
  if (!SUSPECT.test(clean)) return clean;
  for (const pattern of SECRET_TEXTS) clean = clean.replace(pattern, SECRET);
  clean = redactJwts(clean)
    .replace(BEARER, (all, lead, value) => WORD.test(value) ? all : lead + SECRET)
    .replace(USER_INFO, `$1${SECRET}@`)
    .replace(COOKIE, `$1${SECRET}`)
    .replace(AUTHORIZATION, redactCredentials);
  return redactValues(redactValues(clean, ASSIGNED), FLAGGED);
}

/** Whether `word` of a command is the value of the flag before it. */
export function isFlagValue(flag: string, word: string): boolean {
  return FLAG.test(flag) && !word.startsWith("-") && !isCount(flag, word) && !PLACEHOLDER.test(word);
}

/** Whether `value` is a number of tokens, as of `--max-tokens 4096`; a password may be a number too. */
function isCount(lead: string, value: string): boolean {
  return NUMBER.test(value) && /tokens\W*$/i.test(lead);
}

/** A header up to its end; what is assigned in a program or below the line is none, unless it has a scheme. */
function redactCredentials(all: string, lead: string, value: string): string {
  const [, word = "", rest = value] = /^(\w+\s+)(.*)$/.exec(value) ?? [];
  if (rest.startsWith(SECRET)) return all;
  if (/^(?:bearer|basic|digest|token)\s/i.test(word)) return `${lead}${word}${SECRET}`;
  if (/[\r\n]/.test(lead) || isSentence(lead, value)) return all;
  if (!/=\s*$/.test(lead)) return lead + SECRET;
  const [first = ""] = value.split(/[\s,;&]/, 1);
  const isCode = first.length < MIN_VALUE_CHARS || first.includes("(") || PLACEHOLDER.test(first);
  return isCode || beginsWithWords(value) ? all : lead + SECRET + value.slice(first.length);
}

/** `text` without the values that follow `lead`, whose group is the quotes that are opened. */
function redactValues(text: string, lead: RegExp): string {
  let clean = "";
  let copied = 0;
  for (const { 0: before, 1: open, index } of text.matchAll(lead)) {
    const at = index + before.length;
    if (index < copied) continue;
    const value = valueAt(text, at, open!);
    const end = at + value.length;
    if (value.length < MIN_VALUE_CHARS || isOrdinary(before, value, text.slice(end, end + MAX_WORD_CHARS))) {
      continue;
    }
    clean += text.slice(copied, at) + SECRET;
    copied = end;
  }
  return clean + text.slice(copied);
}

/** The value at `at`: up to the same quotes again, which may be escaped ones, or else up to a blank. */
function valueAt(text: string, at: number, open: string): string {
  if (open !== "") {
    const [line = ""] = text.slice(at, at + MAX_QUOTED_CHARS).split(/[\r\n]/, 1);
    for (let end = line.indexOf(open); end >= 0; end = line.indexOf(open, end + 1)) {
      if (line[end - 1] !== "\\") return line.slice(0, end);
    }
  }
  BARE.lastIndex = at;
  return BARE.exec(text)?.[0] ?? "";
}

/** Whether `value` is none of a secret: a count, a placeholder, a word of a sentence, or a key on the line below. */
function isOrdinary(lead: string, value: string, after: string): boolean {
  if (isCount(lead, value) || PLACEHOLDER.test(value)) return true;
  if (!/[\r\n]/.test(lead)) return isSentence(lead, value + after);
  return value.endsWith(":") || !/^\\*["']?,?[^\S\r\n]*(?:[\r\n]|$)/.test(after);
}

/** Whether what follows the colon of `lead` is an explanation. */
function isSentence(lead: string, text: string): boolean {
  return /:\s+$/.test(lead) && beginsWithWords(text);
}

/** Whether `text` begins with two words on one line. */
function beginsWithWords(text: string): boolean {
  const [line = ""] = text.split(/[\r\n]/, 1);
  const [word = "", next = ""] = line.split(/\s/, 2);
  return WORD.test(word) && NEXT_WORD.test(next);
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
      clean += text.slice(copied, at) + SECRET;
      copied = at = JWT.lastIndex;
    } else {
      REST_OF_PART.test(text);
      at = REST_OF_PART.lastIndex;
    }
    at = text.indexOf(JWT_BEGIN, at);
  }
  return clean + text.slice(copied);
}
