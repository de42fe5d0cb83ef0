import MiniSearch from "minisearch";
import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, textOf } from "../base/json.ts";
import { plainValue } from "../base/plain_values.ts";
import { type Call, derive, paramOf } from "../call/call.ts";
import { onOneLine } from "../wire/json_string.ts";
import { rawObject } from "../wire/raw_object.ts";
import { shownAs, type ShownTools } from "./entries.ts";

/** The two tools that a client is shown in place of all tools. */
export const FIND_TOOL = "find_tool";
export const CALL_TOOL = "call_tool";

const DEFAULT_LIMIT = 5;
const MAX_LIMIT = 20;

/** Names listed when nothing matches. */
const MAX_NAMES = 100;

/** As `tools/list` shows them. */
export const SEARCH_TOOLS: readonly JsonObject[] = [
  {
    name: FIND_TOOL,
    title: "Find a tool",
    description:
      "Find tools by what they do: most tools here are not listed. Gives those that fit best, with name, description and " +
      "inputSchema. Call them with call_tool.",
    inputSchema: {
      type: "object",
      properties: {
        query: { type: "string", description: "what is to be done, in a few words, or part of a name" },
        limit: { type: "integer", minimum: 1, maximum: MAX_LIMIT },
      },
      required: ["query"],
      additionalProperties: false,
    },
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  },
  {
    name: CALL_TOOL,
    title: "Call a found tool",
    description: "Call a tool that find_tool gave, with arguments that fit its inputSchema.",
    inputSchema: {
      type: "object",
      properties: {
        name: { type: "string", description: "as find_tool gave it" },
        arguments: { type: "object", additionalProperties: true },
      },
      required: ["name"],
      additionalProperties: false,
    },
  },
];

/** What a call of {@linkcode FIND_TOOL} finds among `tools`, as the result of `tools/call`. */
export function findTools(call: Call, tools: ShownTools): JsonObject {
  const { query, limit: given } = argumentsOf(call);
  const limit = typeof given === "string" ? plainValue(given, "number") : given ?? DEFAULT_LIMIT;
  if (typeof query !== "string" || query.trim() === "") {
    return refusal('query must be a text that says what is to be done: {"query": "list issues"}');
  }
  if (!Number.isInteger(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) {
    return refusal(`limit must be a whole number from 1 to ${MAX_LIMIT}`);
  }
  const found = indexOf(tools).search(query).slice(0, Number(limit));
  const answer: JsonObject = { tools: found.map(({ id }) => describe(id, tools)) };
  if (found.length === 0) {
    const names = [...tools.keys()];
    answer.note = "nothing fits; try other words, or one of names";
    answer.names = names.slice(0, MAX_NAMES);
    if (names.length > MAX_NAMES) answer.more_names = names.length - MAX_NAMES;
  }
  return { content: [{ type: "text", text: JSON.stringify(answer) }], structuredContent: answer };
}

/**
 * Unwraps a call of {@linkcode CALL_TOOL}: only name and arguments change, so that progress, cancellation, requests to
 * the client and limits apply to the tool it names.
 *
 * @throws {ExaiError} `INVALID_PARAMS`
 */
export function callThrough(call: Call): Call {
  const { name, given } = namedCall(call);
  if (typeof name !== "string" || name === "") {
    throw new ExaiError(
      "INVALID_PARAMS",
      "name of call_tool must be the name of a tool, as find_tool gave it",
    );
  }
  if (given === undefined) {
    throw new ExaiError(
      "INVALID_PARAMS",
      "arguments of call_tool must be an object that fits the tool's inputSchema",
    );
  }
  return derive(
    call,
    call.body
      ? { body: call.body.with("name", name).withText("arguments", given) }
      : { params: { ...call.params, name, arguments: JSON.parse(given) } },
  );
}

/** What the arguments of {@linkcode CALL_TOOL} name, and the text of what they give it; undefined if that is no object. */
function namedCall(call: Call): { name: Json | undefined; given: string | undefined } {
  const args = call.body ? call.body.objectAt("arguments") : rawObject(JSON.stringify(argumentsOf(call)));
  const text = args?.textOf("arguments") ?? "null";
  // Some models send the object as a JSON string.
  const given = text === "null" ? "{}" : text.startsWith('"') ? JSON.parse(text) as string : text;
  return { name: args?.get("name"), given: rawObject(given) && onOneLine(given) };
}

/** A message for the model as the result of a call. */
function refusal(text: string): JsonObject {
  return { content: [{ type: "text", text }], isError: true };
}

function argumentsOf({ params }: Call): JsonObject {
  return isObject(params.arguments) ? params.arguments : {};
}

function describe(name: string, tools: ShownTools): JsonObject {
  const { description, inputSchema, annotations } = shownAs(name, tools.get(name)!);
  return { name, description, inputSchema, annotations };
}

const indexes = new WeakMap<ShownTools, MiniSearch>();

/** The search index of a list of tools; built once. */
function indexOf(tools: ShownTools): MiniSearch {
  const known = indexes.get(tools);
  if (known !== undefined) return known;
  const index = new MiniSearch({
    fields: ["name", "title", "server", "description", "parameters"],
    tokenize: wordsOf,
    searchOptions: {
      boost: { name: 4, title: 2, server: 2 },
      prefix: (term) => term.length > 2,
      fuzzy: (term) => term.length > 4 ? 0.2 : false,
    },
  });
  index.addAll(Array.from(tools, ([id, { server, name, own }]) => ({
    id,
    name: `${id} ${name}`,
    title: textOf(own.title) ?? "",
    server: server.name,
    description: textOf(own.description) ?? "",
    parameters: parametersOf(own),
  })));
  indexes.set(tools, index);
  return index;
}

function parametersOf({ inputSchema }: JsonObject): string {
  const properties = isObject(inputSchema) && isObject(inputSchema.properties) ? inputSchema.properties : {};
  return Object.entries(properties).map(([name, schema]) => {
    return `${name} ${isObject(schema) ? textOf(schema.description) ?? "" : ""}`;
  }).join(" ");
}

/** Splits camel case and snake case into words, and reduces plurals to the singular. */
function wordsOf(text: string): string[] {
  const words = text.replace(/(\p{Ll}|\d)(\p{Lu})/gu, "$1 $2").split(/[^\p{L}\p{N}]+/u);
  return words.filter((word) => word !== "").map((word) =>
    /[^s]s$/.test(word) && word.length > 3 ? word.slice(0, -1) : word
  );
}

/** Whether `call` is for one of the two tools. */
export function isSearchToolName(call: Call): boolean {
  if (call.method !== "tools/call" || call.caller.server !== undefined) return false;
  const name = paramOf(call, "name");
  return name === CALL_TOOL || name === FIND_TOOL;
}
