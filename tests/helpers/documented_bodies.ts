import * as z from "zod";
import type { JsonObject } from "../../lib/base/json.ts";

const text = z.strictObject({ type: z.literal("text"), text: z.string() });
const image = z.strictObject({
  type: z.literal("image_url"),
  image_url: z.strictObject({ url: z.string() }),
});
const content = z.union([z.string(), z.array(z.union([text, image])).min(1)]);

/** A call as it came; Kimi's own functions have a type of their own. */
const toolCall = z.strictObject({
  id: z.string(),
  type: z.enum(["function", "builtin_function"]),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});

const message = (assistant: z.ZodRawShape = {}, tool: z.ZodRawShape = {}) =>
  z.discriminatedUnion("role", [
    z.strictObject({ role: z.literal("system"), content }),
    z.strictObject({ role: z.literal("user"), content }),
    z.strictObject({
      role: z.literal("assistant"),
      content: z.string(),
      tool_calls: z.array(toolCall).min(1).optional(),
      ...assistant,
    }),
    z.strictObject({ role: z.literal("tool"), tool_call_id: z.string(), content: z.string(), ...tool }),
  ]);

const functionTool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: z.string(),
    description: z.string().optional(),
    parameters: z.looseObject({ type: z.literal("object") }),
  }),
});

const toolChoice = z.union([
  z.enum(["auto", "none", "required"]),
  z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: z.string() }) }),
]);

const jsonMode = z.strictObject({ type: z.literal("json_object") });
const jsonSchema = z.strictObject({
  type: z.literal("json_schema"),
  json_schema: z.strictObject({ name: z.string(), schema: z.looseObject({}) }),
});

const thinkingSwitch = z.strictObject({ type: z.enum(["enabled", "disabled"]) });
const includeUsage = z.strictObject({ include_usage: z.literal(true) });
const count = z.int().min(1);

/** What every provider takes, as streams are asked for here. */
const common = { model: z.string(), stream: z.literal(true) };

/** Kimi (https://platform.kimi.ai/docs/api/chat, .../guide/use-web-search, .../api/models-overview). */
const kimi = z.strictObject({
  ...common,
  messages: z.array(message({ reasoning_content: z.string().optional() }, { name: z.string().optional() }))
    .min(1),
  stream_options: includeUsage,
  max_completion_tokens: count,
  temperature: z.number().min(0).max(1).optional(),
  tools: z.array(z.union([
    functionTool,
    z.strictObject({
      type: z.literal("builtin_function"),
      function: z.strictObject({ name: z.literal("$web_search") }),
    }),
  ])).min(1).optional(),
  tool_choice: toolChoice.optional(),
  thinking: thinkingSwitch.optional(),
  reasoning_effort: z.enum(["low", "high", "max"]).optional(),
  response_format: z.union([jsonMode, jsonSchema]).optional(),
});

/** GLM (https://docs.z.ai/api-reference/llm/chat-completion). It has no stream_options. */
const glm = z.strictObject({
  ...common,
  messages: z.array(message()).min(1),
  max_tokens: count.optional(),
  temperature: z.number().min(0).max(1).optional(),
  tools: z.array(z.union([
    functionTool,
    z.strictObject({
      type: z.literal("web_search"),
      web_search: z.strictObject({
        enable: z.literal(true),
        search_engine: z.literal("search-prime"),
        search_result: z.literal(true),
      }),
    }),
  ])).min(1).optional(),
  tool_choice: z.literal("auto").optional(),
  thinking: thinkingSwitch.optional(),
  reasoning_effort: z.enum(["max", "xhigh", "high", "medium", "low", "minimal", "none"]).optional(),
  response_format: jsonMode.optional(),
});

/** OpenRouter (https://openrouter.ai/docs/api/api-reference/chat, .../server-tools/web-search, .../reasoning-tokens). */
const openrouter = z.strictObject({
  ...common,
  messages: z.array(message()).min(1),
  stream_options: includeUsage,
  max_tokens: count.optional(),
  temperature: z.number().min(0).max(2).optional(),
  tools: z.array(z.union([functionTool, z.strictObject({ type: z.literal("openrouter:web_search") })])).min(1)
    .optional(),
  tool_choice: toolChoice.optional(),
  reasoning: z.strictObject({ effort: z.enum(["minimal", "low", "medium", "high", "xhigh"]) }).optional(),
  response_format: jsonSchema.optional(),
});

/** OpenAI (https://developers.openai.com/api/docs/api-reference/chat/create). */
const openai = z.strictObject({
  ...common,
  messages: z.array(message()).min(1),
  stream_options: includeUsage,
  max_completion_tokens: count.optional(),
  temperature: z.number().min(0).max(2).optional(),
  tools: z.array(functionTool).min(1).optional(),
  tool_choice: toolChoice.optional(),
  reasoning_effort: z.enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"]).optional(),
  web_search_options: z.strictObject({}).optional(),
  response_format: z.union([jsonMode, jsonSchema]).optional(),
});

/** What Ollama, LM Studio, vLLM and llama.cpp all take (https://docs.ollama.com/api/openai-compatibility). */
const custom = z.strictObject({
  ...common,
  messages: z.array(message()).min(1),
  stream_options: includeUsage,
  max_tokens: count.optional(),
  temperature: z.number().min(0).max(2).optional(),
  tools: z.array(functionTool).min(1).optional(),
  tool_choice: toolChoice.optional(),
  reasoning_effort: z.enum(["none", "low", "medium", "high"]).optional(),
  response_format: jsonSchema.optional(),
});

const SCHEMAS = { kimi, glm, openrouter, openai, custom };

/** Fails when `body` holds what the provider does not document. */
export function assertDocumented(kind: keyof typeof SCHEMAS, body: JsonObject): void {
  const { error } = SCHEMAS[kind].safeParse(body);
  if (error) throw new Error(`${z.prettifyError(error)}\nin ${JSON.stringify(body, null, 1)}`);
}
