import * as z from "zod";
import type { JsonObject } from "../../lib/base/json.ts";

const inputText = z.strictObject({ type: z.literal("input_text"), text: z.string() });
const inputImage = z.strictObject({
  type: z.literal("input_image"),
  image_url: z.string(),
  detail: z.enum(["low", "high", "auto"]),
});
const message = z.strictObject({
  role: z.enum(["user", "system", "developer"]),
  content: z.union([z.string(), z.array(z.union([inputText, inputImage])).min(1)]),
});
const said = z.strictObject({ role: z.literal("assistant"), content: z.string().min(1) });

/** Items of an earlier answer, sent back as they came: `id` and `status` are part of them. */
const status = z.enum(["in_progress", "completed", "incomplete"]).optional();
const output = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("reasoning"),
    id: z.string(),
    summary: z.array(z.strictObject({ type: z.literal("summary_text"), text: z.string() })),
    encrypted_content: z.string(),
    status,
  }),
  z.strictObject({
    type: z.literal("message"),
    id: z.string(),
    role: z.literal("assistant"),
    phase: z.enum(["commentary", "final_answer"]).optional(),
    content: z.array(z.strictObject({
      type: z.literal("output_text"),
      text: z.string(),
      annotations: z.array(z.looseObject({})),
    })),
    status: z.enum(["in_progress", "completed", "incomplete"]),
  }),
  z.strictObject({
    type: z.literal("function_call"),
    id: z.string().optional(),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    status,
  }),
  z.strictObject({ type: z.literal("function_call_output"), call_id: z.string(), output: z.string() }),
]);

const functionTool = z.strictObject({
  type: z.literal("function"),
  name: z.string(),
  description: z.string().optional(),
  parameters: z.looseObject({ type: z.literal("object") }),
  strict: z.boolean(),
});

const format = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("json_object") }),
  z.strictObject({
    type: z.literal("json_schema"),
    name: z.string().regex(/^[\w-]{1,64}$/),
    schema: z.looseObject({}),
    strict: z.boolean(),
  }),
]);

const common = {
  model: z.string(),
  stream: z.literal(true),
  store: z.literal(false),
  input: z.array(z.union([message, said, output])).min(1),
  temperature: z.number().min(0).max(2).optional(),
  max_output_tokens: z.int().min(16).optional(),
  tools: z.array(z.union([functionTool, z.strictObject({ type: z.literal("web_search") })])).min(1)
    .optional(),
  tool_choice: z.union([
    z.enum(["auto", "none", "required"]),
    z.strictObject({ type: z.literal("function"), name: z.string() }),
  ]).optional(),
  text: z.strictObject({ format }).optional(),
};

const effort = z.enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"]);

/** OpenAI, and Azure which has the same (https://developers.openai.com/api/docs/api-reference/responses/create). */
const openai = z.strictObject({
  ...common,
  include: z.array(z.enum(["reasoning.encrypted_content", "web_search_call.action.sources"])).min(1)
    .optional(),
  reasoning: z.strictObject({ effort: effort.optional(), summary: z.literal("auto").optional() }).optional(),
});

/** xAI (https://docs.x.ai/docs/api-reference#create-new-response): no summary to ask for, one thing to include. */
const xai = z.strictObject({
  ...common,
  include: z.tuple([z.literal("reasoning.encrypted_content")]).optional(),
  reasoning: z.strictObject({ effort: z.enum(["none", "low", "medium", "high", "xhigh"]) }).optional(),
});

/** OpenAI's background mode, which stores (https://developers.openai.com/api/docs/guides/background). */
const background = openai.extend({ background: z.literal(true), store: z.literal(true) });

const SCHEMAS = { openai, background, azure: openai, xai, custom: xai };

/** Fails when `body` holds what the Responses API of the provider does not document. */
export function assertDocumentedResponse(kind: keyof typeof SCHEMAS, body: JsonObject): void {
  const { error } = SCHEMAS[kind].safeParse(body);
  if (error) throw new Error(`${z.prettifyError(error)}\nin ${JSON.stringify(body, null, 1)}`);
}
