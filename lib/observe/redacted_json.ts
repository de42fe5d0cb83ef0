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
const SCHEMA_KEYS = ["$ref", "anyOf", "oneOf", "allOf", "enum"];

/** What follows a text that was cut, and what makes it no JSON. */
export const CUT = "… (cut off)";

/** As long as a secret gets that is cut, and so not recognized. */
const CUT_SECRET_CHARS = 2048;

/** Bounds the recursion of `excerpt`. */
const MAX_DEPTH = 64;

/** Which values are secret by the name of what they are in; a number among `tokens` is a count. */
type Secrecy = "none" | "texts" | "all";

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
  if (typeof value === "string") return secrecy === "none" ? excerptOf(value, budget) : SECRET;
  if (typeof value === "number" || isRawJson(value)) {
    const text = JSON.stringify(value);
    return secrecy === "all" || redact(text) !== text ? SECRET : value;
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
    const isValue = typeof item === "string" && typeof before === "string" && isFlagValue(before, item);
    items.push(isValue ? SECRET : excerpt(item, at));
    before = item;
  }
  return items;
}

function excerptObject(object: object, at: ExcerptPlace): unknown {
  const { name, key, id } = object as Record<string, unknown>;
  const isNamedSecret = [name, key, id].some((said) => typeof said === "string" && isSecretName(said));
  const members: [string, unknown][] = [];
  for (const [key, part] of Object.entries(object)) {
    if (isUsedUp(at)) break;
    const isSecret = isNamedSecret && /^values?$/i.test(key);
    const secrecy = isSecret ? "all" : secrecyOf(key, part, at.secrecy);
    members.push([excerptOf(key, at.budget), excerpt(part, { ...at, secrecy })]);
  }
  return Object.fromEntries(members);
}

function secrecyOf(key: string, value: unknown, outer: Secrecy): Secrecy {
  if (outer !== "none") return LABELS.has(key) ? "none" : outer;
  if (!isSecretName(key) || isSchema(value)) return "none";
  return /tokens$/i.test(key) ? "texts" : "all";
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
