import type * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";

/** More faults than this help nobody. */
const MAX_FAULTS = 8;

/** No tool here has more than a few dozen fields; checking costs time for each. */
const MAX_FIELDS = 1000;
/** The entries of all lists together, and what is in them. */
const MAX_VALUES = 50_000;

/**
 * Refuses arguments that are more than any tool takes, before each of them is looked at.
 *
 * @throws {ExaiError} `INVALID_PARAMS`
 */
export function checkSize(tool: string, args: JsonObject, fields: readonly string[]): void {
  checkFieldCount(tool, args, fields);
  if (valuesLeft(args, MAX_VALUES) >= 0) return;
  throw new ExaiError(
    "INVALID_PARAMS",
    `the arguments of ${tool} hold more than ${MAX_VALUES} values; leave some out, or spread them over several calls`,
  );
}

/** What is left of `max` values once those of `value` are counted; counting stops where none are. */
function valuesLeft(value: Json | undefined, max: number): number {
  let left = max - 1;
  if (typeof value !== "object" || value === null || left < 0) return left;
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    left = valuesLeft(part, left);
    if (left < 0) break;
  }
  return left;
}

function checkFieldCount(tool: string, args: JsonObject, fields: readonly string[]): void {
  const names = Object.keys(args);
  if (names.length <= MAX_FIELDS) return;
  const unknown = names.filter((name) => !fields.includes(name));
  const shown = unknown.slice(0, MAX_FAULTS).map((name) => `- ${describeUnknown(name, fields)}`);
  const more = `- and ${unknown.length - shown.length} more`;
  const text = `the arguments of ${tool} do not fit; correct them and call again:`;
  throw new ExaiError("INVALID_PARAMS", [text, ...shown, more].join("\n"));
}

/** What is wrong with the arguments of a call, as one error that names each field and what is allowed. */
export function argumentError(
  tool: string,
  issues: readonly z.core.$ZodIssue[],
  fields: readonly string[],
): ExaiError {
  // A call may hold a million faults: only those that are shown are put into words.
  const faults = issues.slice(0, MAX_FAULTS).flatMap((issue) => describeIssue(issue, fields));
  const count = issues.reduce((sum, issue) => sum + countFaults(issue), 0);
  const shown = faults.slice(0, MAX_FAULTS);
  const more = count > shown.length ? [`and ${count - shown.length} more`] : [];
  const lines = [...shown, ...more].map((fault) => `- ${fault}`);
  const text = `the arguments of ${tool} do not fit; correct them and call again:\n${lines.join("\n")}`;
  return new ExaiError("INVALID_PARAMS", text);
}

function countFaults(issue: z.core.$ZodIssue): number {
  return issue.code === "unrecognized_keys" ? issue.keys.length : 1;
}

function describeIssue(issue: z.core.$ZodIssue, fields: readonly string[]): string[] {
  const field = fieldOf(issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.slice(0, MAX_FAULTS).map((key) => describeUnknown(key, fields));
    case "invalid_type": {
      const kind = issue.expected === "int" ? "a whole number" : withArticle(issue.expected);
      const isMissing = issue.message.endsWith("received undefined");
      return [isMissing ? `${field} is required: ${kind}` : `${field} must be ${kind}`];
    }
    case "invalid_value":
      return [`${field} must be one of ${issue.values.map(String).join(", ")}`];
    case "too_small":
    case "too_big":
      return [`${field} must ${describeLimit(issue)}`];
    default:
      return [`${field}: ${issue.message}`];
  }
}

function describeUnknown(key: string, fields: readonly string[]): string {
  const allowed = fields.length === 0 ? "this tool takes no fields" : `allowed: ${fields.join(", ")}`;
  return `${quoteName(key)} is no field of this tool${didYouMean(key, fields)}; ${allowed}`;
}

function describeLimit(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const [bound, limit] = issue.code === "too_small"
    ? ["at least", issue.minimum]
    : ["at most", issue.maximum];
  if (issue.origin === "string") {
    const advice = issue.code === "too_big" ? "; shorten it, or name files instead of quoting them" : "";
    return `have ${bound} ${limit} characters${advice}`;
  }
  if (issue.origin === "array") {
    const advice = issue.code === "too_big" ? "; leave some out, or spread them over several calls" : "";
    return `have ${bound} ${limit} ${Number(limit) === 1 ? "entry" : "entries"}${advice}`;
  }
  return `be ${bound} ${limit}`;
}

function withArticle(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** `issues_found[0].severity` for the path of a field. */
function fieldOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((field, key) => {
    if (typeof key === "number") return `${field}[${key}]`;
    return field === "" ? String(key) : `${field}.${String(key)}`;
  }, "");
}
