import { isObject, type JsonObject } from "../../base/json.ts";

/**
 * A model's answer as the object it was asked for. Models put fences and sentences around their JSON; what is no JSON
 * at all is kept word for word under `text`.
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

/** The files an analysis says it lacked. */
export function filesNeeded({ files_needed }: JsonObject): string[] {
  if (!Array.isArray(files_needed)) return [];
  return files_needed.filter((file): file is string => typeof file === "string" && file !== "");
}
