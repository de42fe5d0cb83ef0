import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject, ownEntry, textOf } from "../../base/json.ts";
import { didYouMean } from "../../base/suggest.ts";
import { quoteName, quoteValue } from "../../base/text.ts";
import type { ToolDefinition } from "../../wire/mcp.ts";
import { firstCall, type Parameter, parametersOf } from "./parameters.ts";

/** Lists the prompts, one per tool (MCP server/prompts). */
export function listPrompts(tools: readonly ToolDefinition[]): JsonObject[] {
  return tools.map((tool) => ({
    name: tool.name,
    title: tool.title,
    description: tool.description,
    arguments: parametersOf(tool).map(describe),
  }));
}

function describe({ name, required, schema }: Parameter): JsonObject {
  const values = schema.enum as string[] | undefined;
  const hint = schema.type === "array" ? "separated by commas" : values?.join(", ");
  const description = [schema.description, hint].filter((part) => part !== undefined).join("; ");
  return { name, required, ...(description === "" ? {} : { description }) };
}

const STEPS =
  "Say in findings what you know before you call. After each answer do what its required_actions say, then send its " +
  "next_call with what you found, until its status no longer begins with pause_for.";

/**
 * Renders the prompt `params.name` (MCP `prompts/get`).
 *
 * @throws {ExaiError} `INVALID_PARAMS` naming the invalid prompt or argument
 */
export function getPrompt(params: JsonObject, tools: readonly ToolDefinition[]): JsonObject {
  const tool = findPrompt(params.name, tools);
  const given = checkArguments(params.arguments, tool);
  const args = firstCall(tool, given);
  const isEmpty = Object.keys(args).length === 0;
  const text = [
    `Call the tool ${tool.name} of the MCP server exai ${
      isEmpty ? "without arguments." : "with these arguments:"
    }`,
    ...(isEmpty ? [] : [JSON.stringify(args, null, 2)]),
    ...("step_number" in args ? [STEPS] : []),
    "Then tell the user what came of it, in your own words.",
  ].join("\n\n");
  return {
    description: tool.description,
    messages: [{ role: "user", content: { type: "text", text } }],
  };
}

/** @throws {ExaiError} `INVALID_PARAMS` when there is no prompt `name` */
export function findPrompt(name: unknown, tools: readonly ToolDefinition[]): ToolDefinition {
  const tool = tools.find((one) => one.name === name);
  if (tool !== undefined) return tool;
  const close = didYouMean(textOf(name) ?? "", tools.map((one) => one.name));
  throw new ExaiError(
    "INVALID_PARAMS",
    `there is no prompt ${quoteValue(name)}${close}; prompts/list names them`,
  );
}

function checkArguments(given: unknown, tool: ToolDefinition): Record<string, string> {
  const args = isObject(given) ? given : {};
  const parameters = parametersOf(tool);
  for (const [name, value] of Object.entries(args)) {
    if (!parameters.some((one) => one.name === name)) {
      const known = parameters.map((one) => one.name).join(", ") || "none";
      throw new ExaiError(
        "INVALID_PARAMS",
        `${quoteName(name)} is no argument of this prompt; it has: ${known}`,
      );
    }
    if (typeof value !== "string") {
      throw new ExaiError("INVALID_PARAMS", `the argument ${name} must be a text`);
    }
  }
  for (const { name, required } of parameters) {
    if (required && !String(ownEntry(args, name) ?? "").trim()) {
      throw new ExaiError("INVALID_PARAMS", `the argument ${name} is required`);
    }
  }
  return args as Record<string, string>;
}
