import type * as z from "zod";
import { isObject, type Json, type JsonObject, valueAt } from "../base/json.ts";
import { plainValue } from "../base/plain_values.ts";
import { argumentError, checkSize } from "./argument_errors.ts";

interface ArgumentsOf<Output> {
  /** The name of the tool. */
  tool: string;
  schema: z.ZodType<Output>;
  /** The fields the tool takes. */
  fields: readonly string[];
}

/** A list in a text may hold numbers in texts: each round looks one level deeper. */
const MAX_ROUNDS = 3;

/** Values repaired in one call; a call with more is not one that a model wrote. */
const MAX_REPAIRS = 200;

/**
 * Validates the arguments of a call. An argument of the wrong type is taken for what it plainly means, which spares the
 * model a round trip: a number in a text, a list in JSON, null or an empty text for what may be left out.
 *
 * @throws {ExaiError} `INVALID_PARAMS` naming each invalid field and what is allowed
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import * as z from "zod";
 * import { readArguments } from "./arguments.ts";
 *
 * const schema = z.object({ lines: z.int(), files: z.array(z.string()), filter: z.string().optional() });
 * const args = { lines: "12", files: '["a.ts"]', filter: null };
 * const read = readArguments(args, { tool: "tail", schema, fields: Object.keys(schema.shape) });
 * assertEquals(read, { lines: 12, files: ["a.ts"] });
 * ```
 */
export function readArguments<Output>(
  args: JsonObject,
  { tool, schema, fields }: ArgumentsOf<Output>,
): Output {
  checkSize(tool, args, fields);
  const first = schema.safeParse(args);
  if (first.success) return first.data;
  let repaired = args;
  let { issues } = first.error;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = repairAll(repaired, issues);
    if (next === undefined) break;
    repaired = next;
    const parsed = schema.safeParse(repaired);
    if (parsed.success) return parsed.data;
    ({ issues } = parsed.error);
  }
  throw argumentError(tool, issues, { args: repaired, fields });
}

/** A value in place of a faulty one; without `value` it is left out. */
interface ArgumentRepair {
  path: readonly (string | number)[];
  value?: Json;
}

/** A copy of `args` without the faults that have a plain meaning; undefined if none has. */
function repairAll(args: JsonObject, issues: readonly z.core.$ZodIssue[]): JsonObject | undefined {
  const repairs = issues.slice(0, MAX_REPAIRS).flatMap((issue): ArgumentRepair[] => {
    const path = issue.path.map((key) => typeof key === "number" ? key : String(key));
    const value = valueAt(args, path);
    const meaning = value === undefined ? undefined : meaningOf(issue, value);
    return meaning === undefined ? [] : [{ path, ...meaning }];
  });
  if (repairs.length === 0) return undefined;
  const copy = structuredClone(args);
  for (const one of repairs) put(copy, one);
  return copy;
}

/** What stands in place of a faulty value; an empty object leaves it out. */
type Meaning = Pick<ArgumentRepair, "value">;

const NOTHING: Meaning = {};

/** The plain meaning of `value`; undefined if it has none. */
function meaningOf(issue: z.core.$ZodIssue, value: Json): Meaning | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (value === null) return NOTHING;
      return typeof value === "string" ? fromText(issue.expected, value) : fromOther(issue.expected, value);
    case "invalid_value": {
      if (value === null || value === "") return NOTHING;
      const words = issue.values.filter((one) => typeof value === "string" && isSameWord(String(one), value));
      return words.length === 1 ? { value: words[0] as Json } : undefined;
    }
    case "too_small":
      return value === "" ? NOTHING : undefined;
    default:
      return undefined;
  }
}

function fromText(expected: string, text: string): Meaning | undefined {
  if (text.trim() === "") return NOTHING;
  const value = valueIn(text, expected);
  return value === undefined ? undefined : { value };
}

function valueIn(text: string, expected: string): Json | undefined {
  switch (expected) {
    case "number":
    case "int":
      return plainValue(text, "number");
    case "boolean":
      return plainValue(text, "boolean");
    case "array":
      return plainValue(text, "array") ?? onlyItem(text);
    case "object":
    case "record":
      return plainValue(text, "object");
    default:
      return undefined;
  }
}

/** A text without a separator is a list of one; with one it may be one text or several. */
function onlyItem(text: string): string[] | undefined {
  return /[,;\n[\]{}]/.test(text) ? undefined : [text];
}

function fromOther(expected: string, value: Json): Meaning | undefined {
  if (expected === "array" && isObject(value)) return { value: [value] };
  return expected === "string" && typeof value === "number" ? { value: String(value) } : undefined;
}

/** Whether two words of a choice differ only in case and separators. */
function isSameWord(a: string, b: string): boolean {
  const plain = (word: string) => word.trim().toLowerCase().replace(/[\s-]+/g, "_");
  return plain(a) === plain(b);
}

/** Puts a repair into `root`, which is a copy. Nothing is taken out of a list, where the place may matter. */
function put(root: Json, { path, ...meaning }: ArgumentRepair): void {
  const parent = valueAt(root, path.slice(0, -1));
  const key = path.at(-1);
  if (key === undefined) return;
  if (Array.isArray(parent)) {
    if (meaning.value !== undefined) parent[Number(key)] = meaning.value;
  } else if (isObject(parent)) {
    if (meaning.value !== undefined) parent[key] = meaning.value;
    else delete parent[key];
  }
}
