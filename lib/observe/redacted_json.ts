import { isObject, isRawJson } from "../base/json.ts";
import { redact } from "../base/log.ts";
import { isFlagValue, redactSecrets, SECRET } from "./redaction.ts";

/** Names of fields whose value must not be recorded, with `_` before each capital. */
const SECRET_NAME =
  /(^|[_.-])(pass(word|wd|phrase)?|secret|token|(api|access|private|secret|signing|encryption)[_-]?key|authorization|cookie|credential)s?$/i;
/** What all of the above have: most names are looked at once. */
const SUSPECT = /pass|secret|token|key|authorization|cookie|credential/i;
/** Matches of the above that are not secrets: `progressToken` of MCP, the next page, counts of model tokens. */
const HARMLESS =
  /^(progressToken|(next|page|nextPage|next_page)_?token|(max|total|prompt|completion|input|output)_?tokens?)$/i;

/** What is said of a secret in an object that holds it. */
const LABELS: ReadonlySet<string> = new Set(["name", "type", "title", "description"]);
const SCHEMA_TYPES: readonly unknown[] = [
  "string",
  "number",
  "integer",
  "boolean",
  "object",
  "array",
  "null",
];
/** What may hold a secret in the schema of one. */
const HOLDERS: ReadonlySet<string> = new Set(["default", "const", "examples", "text", "data"]);
const SCHEMA_KEYS = ["$ref", "anyOf", "oneOf", "allOf", "enum"];

/** What follows a text that was cut, and what makes it no JSON. */
export const CUT = "… (cut off)";

/** As long as a secret gets that is cut, and so not recognized. */
const CUT_SECRET_CHARS = 2048;

/** Bounds the recursion of `excerpt`. */
const MAX_DEPTH = 64;

/** Names of many secrets that may be described one by one. */
const COLLECTION = /(?:secret|cookie|(?:access|refresh|api|auth|session)[_-]?token)s$/i;

/**
 * Which values are secret by the name of what they are in: all in it, all texts in it, the `value` of each described
 * one in it or else all (`each`), the texts that stand in it directly or in a list (`direct`: tokens may be words or
 * colors, and their number a count), or what a schema holds.
 */
type Secrecy = "none" | "texts" | "all" | "each" | "direct" | "schema";

interface ExcerptPlace {
  budget: { chars: number; isCut: boolean };
  depth: number;
  secrecy: Secrecy;
}

/**
 * `value` as JSON of at most `maxChars` UTF-16 code units, without secrets: registered ones, fields named like one, and
 * strings that look like one. It is JSON as long as it does not end with {@linkcode CUT}.
 */
export function redactedJson(value: unknown, maxChars: number): string {
  // Cut generously, redact, cut again: a secret that the final cut splits would no longer be recognized.
  const budget = { chars: 2 * maxChars + 2 * CUT_SECRET_CHARS, isCut: false };
  const clean = JSON.stringify(excerpt(value, { budget, depth: 0, secrecy: "none" })) ?? "";
  if (!budget.isCut && clean.length <= maxChars) return clean;
  const whole = budget.isCut ? Math.max(0, clean.length - CUT_SECRET_CHARS) : clean.length;
  return clean.slice(0, Math.min(maxChars, whole)) + CUT;
}

/** A copy of `value` without secrets, of at most about `budget` characters. */
function excerpt(value: unknown, at: ExcerptPlace): unknown {
  const { budget, secrecy } = at;
  budget.chars--;
  if (typeof value === "string") return isOpen(secrecy) ? excerptOf(value, budget) : SECRET;
  if (typeof value === "number" || isRawJson(value)) {
    const text = JSON.stringify(value);
    return secrecy === "all" || secrecy === "each" || redact(text) !== text ? SECRET : value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (at.depth >= MAX_DEPTH) return "… (nested too deep)";
  const inner = { ...at, depth: at.depth + 1 };
  return Array.isArray(value) ? excerptList(value, inner) : excerptObject(value, inner);
}

function excerptOf(text: string, budget: ExcerptPlace["budget"]): string {
  const left = Math.max(0, budget.chars);
  budget.chars -= text.length;
  if (text.length > left) budget.isCut = true;
  return redactSecrets(text.slice(0, left));
}

function excerptList(list: readonly unknown[], at: ExcerptPlace): unknown[] {
  const items: unknown[] = [];
  let before: unknown;
  for (const item of list) {
    if (isUsedUp(at)) break;
    const isWord = typeof item === "string" || typeof item === "number";
    const isValue = isWord && typeof before === "string" && isFlagValue(before, String(item));
    items.push(isValue ? SECRET : excerpt(item, at));
    before = item;
  }
  return items;
}

function excerptObject(object: object, at: ExcerptPlace): unknown {
  const { name, key, id } = object as Record<string, unknown>;
  const names = [name, key, id].filter((said) => typeof said === "string");
  const isNamedSecret = names.some(isSecretName);
  const isDescribed = at.secrecy === "each" && names.length > 0 && Object.hasOwn(object, "value");
  const outer = at.secrecy === "direct" || isDescribed ? "none" : at.secrecy;
  const members: [string, unknown][] = [];
  for (const [key, part] of Object.entries(object)) {
    if (isUsedUp(at)) break;
    const isSecret = (isNamedSecret || isDescribed) && /^values?$/i.test(key);
    const secrecy = isSecret ? "all" : secrecyOf(key, part, outer);
    members.push([excerptOf(key, at.budget), excerpt(part, { ...at, secrecy })]);
  }
  return Object.fromEntries(members);
}

function secrecyOf(key: string, value: unknown, outer: Secrecy): Secrecy {
  if (!isOpen(outer)) return LABELS.has(key) ? "none" : outer;
  if (isSecretName(key)) return isSchema(value) ? "schema" : secrecyOfName(key, value);
  return outer === "schema" && HOLDERS.has(key) && !isSchema(value) ? "texts" : outer;
}

function secrecyOfName(name: string, value: unknown): Secrecy {
  if (typeof value === "object" && COLLECTION.test(name)) return "each";
  return /tokens$/i.test(name) ? "direct" : "all";
}

/** Whether a text is recorded where `secrecy` holds. */
function isOpen(secrecy: Secrecy): boolean {
  return secrecy === "none" || secrecy === "schema";
}

function isUsedUp({ budget }: ExcerptPlace): boolean {
  if (budget.chars <= 0) budget.isCut = true;
  return budget.chars <= 0;
}

function isSecretName(name: string): boolean {
  return SUSPECT.test(name) && SECRET_NAME.test(name.replace(/([a-z0-9])(?=[A-Z])/g, "$1_")) &&
    !HARMLESS.test(name);
}

/** Whether `value` says what a secret is to look like, as in the schema of a tool, and holds none. */
function isSchema(value: unknown): boolean {
  if (!isObject(value) || Object.hasOwn(value, "value")) return false;
  const { type } = value;
  return SCHEMA_TYPES.includes(Array.isArray(type) ? type[0] : type) ||
    SCHEMA_KEYS.some((key) => Object.hasOwn(value, key));
}
