import { jsonObjectsIn } from "../../base/embedded_json.ts";
import { isObject, type JsonObject, parseJson } from "../../base/json.ts";

/** The field names of an output format at its first level, as a prompt shows it: two spaces in, a name per line. */
const FIELD = /^ {2}"(\w+)":/gm;

/**
 * Parses the JSON object in a model's answer. Models may wrap it in a fence or in sentences, show examples beside it, and
 * correct themselves: the last object that has the fields of `format` is taken, or else the last object. An answer
 * without an object is returned as `{ text }`.
 *
 * @param format the output format in the prompt
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseAnalysis } from "./analysis.ts";
 *
 * assertEquals(parseAnalysis('With {x} in mind: {"summary": "fine"}'), { summary: "fine" });
 * assertEquals(parseAnalysis("no JSON"), { text: "no JSON" });
 * ```
 */
export function parseAnalysis(answer: string, format = ""): JsonObject {
  const whole = parseJson(answer);
  if (isObject(whole)) return whole;
  // Encoded twice.
  if (typeof whole === "string") return parseAnalysis(whole, format);
  if (Array.isArray(whole) && whole.length !== 1) return { text: answer };
  const objects = jsonObjectsIn(answer).filter((object) => Object.keys(object).length > 0);
  const fields = [...format.matchAll(FIELD)].map(([, name]) => name!);
  const countFields = (object: JsonObject) => fields.filter((name) => Object.hasOwn(object, name)).length;
  const most = objects.reduce((most, object) => Math.max(most, countFields(object)), 0);
  // A draft may lack fields that the final object has; an example has one or two of them by chance.
  return objects.findLast((object) => countFields(object) * 2 >= most) ?? { text: answer };
}

/** Returns the files that the model requested in its analysis. */
export function filesNeeded({ files_needed }: JsonObject): string[] {
  if (!Array.isArray(files_needed)) return [];
  return files_needed.filter((file): file is string => typeof file === "string" && file !== "");
}
