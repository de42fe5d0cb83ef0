import type { Agents } from "../../agent/agents.ts";
import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import type { ModelRouter } from "../../provider/model_router.ts";
import type { ToolDefinition } from "../../wire/mcp.ts";
import type { OwnThreads } from "../own_threads.ts";
import { type Parameter, parametersOf } from "./parameters.ts";
import { findPrompt } from "./prompts.ts";
import { isThreadTemplate } from "./thread_resources.ts";

/** The limit of MCP server/utilities/completion. */
const MAX_VALUES = 100;

/** The sources of completion values. */
interface CompletionSources {
  tools: readonly ToolDefinition[];
  models: ModelRouter;
  agents: Agents;
  /** The threads of the caller. */
  threads: OwnThreads;
  /** Whether the client supports sampling. */
  canSample: boolean;
}

/**
 * Completes the value of an argument (MCP `completion/complete`).
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an unknown prompt, template or argument
 */
export async function complete(
  { ref, argument }: JsonObject,
  sources: CompletionSources,
): Promise<JsonObject> {
  if (!isObject(ref) || !isObject(argument) || typeof argument.name !== "string") {
    throw new ExaiError("INVALID_PARAMS", "ref and argument.name say what is to be completed");
  }
  const typed = typeof argument.value === "string" ? argument.value : "";
  if (ref.type === "ref/resource") {
    if (!isThreadTemplate(ref.uri)) {
      throw new ExaiError("INVALID_PARAMS", "there is no such resource template");
    }
    return toCompletion(await threadIds(sources), typed);
  }
  const parameters = parametersOf(findPrompt(ref.name, sources.tools));
  const parameter = parameters.find(({ name }) => name === argument.name);
  if (parameter === undefined) {
    const known = parameters.map(({ name }) => name).join(", ") || "none";
    throw new ExaiError("INVALID_PARAMS", `${argument.name} is no argument of this prompt; it has: ${known}`);
  }
  // The models of another agent are not those of EXAI.
  const isKnown = ref.name !== "clink" || parameter.field !== "model";
  return toCompletion(isKnown ? await valuesFor(parameter, sources) : [], typed, {
    isList: parameter.schema.type === "array",
  });
}

async function valuesFor({ field, schema }: Parameter, sources: CompletionSources): Promise<string[]> {
  if (Array.isArray(schema.enum)) return schema.enum as string[];
  if (schema.type === "boolean") return ["true", "false"];
  switch (field) {
    case "model":
    case "models":
      return modelNames(sources);
    case "continuation_id":
      return await threadIds(sources);
    case "agent":
      return (await sources.agents.list()).map(({ name }) => name);
    default:
      return [];
  }
}

function modelNames({ models, canSample }: CompletionSources): string[] {
  const known = models.status().flatMap((provider) =>
    provider.models.flatMap(({ name, aliases }) => [name, ...aliases])
  );
  return [...new Set(["auto", ...known, ...(canSample ? ["client"] : [])])];
}

async function threadIds({ threads }: CompletionSources): Promise<string[]> {
  return (await threads.list({ limit: MAX_VALUES })).map(({ id }) => id);
}

/** Selects the values with the prefix `typed`, then those that contain it. In a list the last entry is completed. */
function toCompletion(values: readonly string[], typed: string, { isList = false } = {}): JsonObject {
  const [, before = "", begun = ""] = (isList ? /^(.*,\s*)?(.*)$/s : /^()(.*)$/s).exec(typed) ?? [];
  const wanted = begun.toLowerCase();
  const rank = (value: string) => value.toLowerCase().indexOf(wanted);
  const found = values.filter((value) => rank(value) >= 0)
    .sort((a, b) => Number(rank(a) > 0) - Number(rank(b) > 0));
  return {
    completion: {
      values: found.slice(0, MAX_VALUES).map((value) => before + value),
      total: found.length,
      hasMore: found.length > MAX_VALUES,
    },
  };
}
