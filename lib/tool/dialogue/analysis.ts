import { isObject, type JsonObject } from "../../base/json.ts";

/**
 * Parses the JSON object in a model's answer. Models may wrap it in a fence or in sentences. An answer without an
 * object is returned as `{ text }`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseAnalysis } from "./analysis.ts";
 *
 * assertEquals(parseAnalysis('Here it is: {"summary": "fine"}'), { summary: "fine" });
 * assertEquals(parseAnalysis("no JSON"), { text: "no JSON" });
 * ```
 */
export function parseAnalysis(answer: string): JsonObject {
  const candidates = [answer, fenced(answer), answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)];
  for (const candidate of candidates) {
    const value = candidate === undefined ? undefined : tryParse(candidate);
    if (isObject(value)) return value;
  }
  return { text: answer };
}

function fenced(answer: string): string | undefined {
  const lines = answer.split("\n");
  const begin = lines.findIndex((line) => /```(?:json)?$/i.test(line.trimEnd()));
  const end = begin < 0
    ? -1
    : lines.findIndex((line, i) => i > begin + 1 && line.trimStart().startsWith("```"));
  return end < 0 ? undefined : lines.slice(begin + 1, end).join("\n");
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns the files that the model requested in its analysis. */
export function filesNeeded({ files_needed }: JsonObject): string[] {
  if (!Array.isArray(files_needed)) return [];
  return files_needed.filter((file): file is string => typeof file === "string" && file !== "");
}
