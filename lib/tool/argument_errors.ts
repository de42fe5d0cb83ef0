import type * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";

/** Errors listed in one message. */
const MAX_ERRORS = 8;

/** No tool has more than a few dozen fields, and validation takes time for each. */
const MAX_FIELDS = 1000;
/** Values in all objects and lists together. */
const MAX_VALUES = 50_000;

/**
 * Rejects arguments larger than any tool takes, before they are validated.
 *
 * @throws {ExaiError} `INVALID_PARAMS` naming the unknown fields or the limit
 */
export function checkSize(tool: string, args: JsonObject, fields: readonly string[]): void {
  checkFieldCount(tool, args, fields);
  if (remainingValues(args, MAX_VALUES) >= 0) return;
  throw new ExaiError(
    "INVALID_PARAMS",
    `the arguments of ${tool} hold more than ${MAX_VALUES} values; leave some out, or spread them over several calls`,
  );
}

/** Subtracts the number of values in `value` from `max`; stops counting below 0. */
function remainingValues(value: Json | undefined, max: number): number {
  let remaining = max - 1;
  if (typeof value !== "object" || value === null || remaining < 0) return remaining;
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    remaining = remainingValues(part, remaining);
    if (remaining < 0) break;
  }
  return remaining;
}

function checkFieldCount(tool: string, args: JsonObject, fields: readonly string[]): void {
  const names = Object.keys(args);
  if (names.length <= MAX_FIELDS) return;
  const unknown = names.filter((name) => !fields.includes(name));
  const shown = unknown.slice(0, MAX_ERRORS).map((name) => `- ${describeUnknown(name, fields)}`);
  const more = `- and ${unknown.length - shown.length} more`;
  const text = `the arguments of ${tool} do not fit; correct them and call again:`;
  throw new ExaiError("INVALID_PARAMS", [text, ...shown, more].join("\n"));
}

/** The arguments that failed validation. */
interface ValidatedArguments {
  args: JsonObject;
  /** The fields the tool takes. */
  fields: readonly string[];
}

/**
 * Creates the error for arguments that failed validation. It names each field and what is allowed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import * as z from "zod";
 * import { argumentError } from "./argument_errors.ts";
 *
 * const args = { lines: "ten" };
 * const { error } = z.object({ lines: z.int() }).safeParse(args);
 * const { message } = argumentError("tail", error?.issues ?? [], { args, fields: ["lines"] });
 * assertEquals(message.split("\n").at(-1), "- lines must be a number");
 * ```
 */
export function argumentError(
  tool: string,
  issues: readonly z.core.$ZodIssue[],
  validated: ValidatedArguments,
): ExaiError {
  // There may be a million issues: only those that are shown are described.
  const errors = issues.slice(0, MAX_ERRORS).flatMap((issue) => describeIssue(issue, validated));
  const count = issues.reduce((sum, issue) => sum + countErrors(issue), 0);
  const shown = errors.slice(0, MAX_ERRORS);
  const more = count > shown.length ? [`and ${count - shown.length} more`] : [];
  const lines = [...shown, ...more].map((error) => `- ${error}`);
  const text = `the arguments of ${tool} do not fit; correct them and call again:\n${lines.join("\n")}`;
  return new ExaiError("INVALID_PARAMS", text);
}

function countErrors(issue: z.core.$ZodIssue): number {
  return issue.code === "unrecognized_keys" ? issue.keys.length : 1;
}

function describeIssue(issue: z.core.$ZodIssue, { args, fields }: ValidatedArguments): string[] {
  const field = formatPath(issue.path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.slice(0, MAX_ERRORS).map((key) => describeUnknown(key, fields));
    case "invalid_type": {
      const kind = issue.expected === "int" ? "a whole number" : withArticle(issue.expected);
      const isMissing = !isPresent(args, issue.path);
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

function isPresent(args: JsonObject, path: readonly PropertyKey[]): boolean {
  let value: unknown = args;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value !== undefined;
}

/** Formats the path of a field as `issues_found[0].severity`. */
function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((field, key) => {
    if (typeof key === "number") return `${field}[${key}]`;
    return field === "" ? String(key) : `${field}.${String(key)}`;
  }, "");
}
