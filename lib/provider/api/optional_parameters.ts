import { isObject, type Json, type JsonObject, ownEntry, valueAt } from "../../base/json.ts";
import type { ErrorBody } from "./error_body.ts";

/**
 * Fields of a body without which a request is answered as well, by groups: where a provider names one field of a group, it
 * means the others too.
 */
const OPTIONAL: readonly (readonly string[])[] = [
  ["temperature"],
  ["top_p"],
  ["stream_options"],
  ["max_tokens", "max_completion_tokens", "max_output_tokens"],
  [
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
    "thinking_budget",
    "think",
    // Gemini names the parts of the field.
    "thinkingConfig",
    "thinking_config",
    "thinking_level",
  ],
  // Anthropic's effort is a part of the field.
  ["output_config", "effort"],
  ["cache_control"],
  ["tool_choice"],
  ["parallel_tool_calls"],
  ["include"],
];

/** Fields within a field that may be left out alone: a summary takes a verified account at OpenAI, an effort none. */
const NESTED: readonly string[] = ["reasoning.summary", "reasoning.effort"];

const STREAM = "stream";

/**
 * Left out only where the provider names them in a field of its own: a stream takes a verified account at OpenAI, and
 * gateways without storage do not know `store`.
 */
const ONLY_IF_NAMED: readonly string[] = [STREAM, "store"];

/** A field that is sent under its other name before it is left out. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  max_tokens: "max_completion_tokens",
  max_completion_tokens: "max_tokens",
};

/** What a provider refuses in the bodies for one model. */
type RefusedFields = ReadonlySet<string>;

/**
 * Returns the field of `body` that an error response names and that may be left out: the one in its field for that, or
 * else the first that its reason names. Some providers list all fields they take after the one they do not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { refusedField } from "./optional_parameters.ts";
 *
 * const body = { model: "m", messages: [], temperature: 0.2 };
 * const error = { reason: "Unsupported value: 'temperature'", codes: [], parameter: "temperature" };
 * assertEquals(refusedField(error, body), "temperature");
 * ```
 */
export function refusedField(
  { reason, parameter }: Pick<ErrorBody, "reason" | "parameter">,
  body: JsonObject,
): string | undefined {
  const inBody = OPTIONAL.map((names) => ({ names, field: names.find((name) => body[name] !== undefined) }))
    .flatMap(({ names, field }) => field === undefined ? [] : [{ names, field }]);
  if (parameter !== undefined && NESTED.includes(parameter) && nestedIn(body, parameter) !== undefined) {
    return parameter;
  }
  if (parameter !== undefined) {
    const [root] = parameter.split(/[.[]/);
    if (ONLY_IF_NAMED.includes(root!)) return body[root!] === undefined ? undefined : root;
    const named = inBody.find(({ names }) => names.some((name) => plain(name) === plain(root!)));
    if (named !== undefined || body[root!] !== undefined) return named?.field;
  }
  const words = reason.split(/[^A-Za-z_]+/).map(plain);
  const places = inBody.map(({ names, field }) => ({
    field,
    at: words.findIndex((word) => names.some((name) => plain(name) === word)),
  }))
    .filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at);
  return places[0]?.field;
}

/** A name as it is written in any case: `streamOptions`, `Stream_Options`. */
function plain(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}

/** `body` without the fields in `refused`, or with them under the other name they have. */
export function withoutRefused(body: JsonObject, refused: RefusedFields): JsonObject {
  if (refused.size === 0) return body;
  const rest = Object.entries(body).flatMap(([name, value]): [string, JsonObject[string]][] => {
    if (name === "stream_options" && refused.has(STREAM)) return [];
    if (!refused.has(name)) return withoutNested(name, value, refused);
    const other = ownEntry(OTHER_NAMES, name);
    return other === undefined || refused.has(other) ? [] : [[other, value]];
  });
  return Object.fromEntries(rest);
}

/** A field of a body without its refused parts; nothing if none is left. */
function withoutNested(
  name: string,
  value: JsonObject[string],
  refused: RefusedFields,
): [string, JsonObject[string]][] {
  if (!isObject(value)) return [[name, value]];
  const rest = Object.entries(value).filter(([part]) => !refused.has(`${name}.${part}`));
  return rest.length === 0 && Object.keys(value).length > 0 ? [] : [[name, Object.fromEntries(rest)]];
}

/** The value in `body` of a field within a field. */
function nestedIn(body: JsonObject, path: string): Json | undefined {
  return valueAt(body, path.split("."));
}

/** The fields of `body` that are in `refused` and are sent under no other name. */
export function leftOutFields(body: JsonObject, refused: RefusedFields): string[] {
  const sent = withoutRefused(body, refused);
  const has = (name: string) => {
    const other = ownEntry(OTHER_NAMES, name);
    return sent[name] !== undefined || (other !== undefined && sent[other] !== undefined);
  };
  const nested = NESTED.filter((path) => refused.has(path) && nestedIn(body, path) !== undefined);
  return [...Object.keys(body).filter((name) => refused.has(name) && !has(name)), ...nested];
}
