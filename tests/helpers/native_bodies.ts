import * as z from "zod";
import type { JsonObject } from "../../lib/base/json.ts";
import type { NativeKind } from "../fixtures/native_server.ts";

const count = z.int().min(1);
const object = z.looseObject({});
const base64 = z.base64().min(1);

/** Parts and tools of the Gemini API (https://ai.google.dev/api/caching#Content, .../api/generate-content). */
const signature = { thoughtSignature: z.string().min(1).optional() };
const geminiParts = {
  text: z.strictObject({ text: z.string(), ...signature }),
  thought: z.strictObject({ text: z.string(), thought: z.literal(true), ...signature }),
  inline: z.strictObject({
    inlineData: z.strictObject({
      mimeType: z.enum([
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/heic",
        "image/heif",
        "application/pdf",
      ]),
      data: base64,
    }),
  }),
  file: z.strictObject({ fileData: z.strictObject({ mimeType: z.string(), fileUri: z.url() }) }),
  call: z.strictObject({
    functionCall: z.strictObject({ id: z.string().optional(), name: z.string(), args: object }),
    ...signature,
  }),
  result: z.strictObject({
    functionResponse: z.strictObject({ id: z.string(), name: z.string(), response: object }),
  }),
};

const geminiContent = z.discriminatedUnion("role", [
  z.strictObject({
    role: z.literal("user"),
    parts: z.array(z.union([geminiParts.text, geminiParts.inline, geminiParts.file, geminiParts.result])).min(
      1,
    ),
  }),
  z.strictObject({
    role: z.literal("model"),
    parts: z.array(z.union([geminiParts.text, geminiParts.thought, geminiParts.call])).min(1),
  }),
]);

const gemini = z.strictObject({
  contents: z.array(geminiContent).min(1),
  systemInstruction: z.strictObject({
    parts: z.array(geminiParts.text).min(1),
    role: z.literal("user"),
  }).optional(),
  tools: z.array(z.union([
    z.strictObject({ googleSearch: z.strictObject({}) }),
    z.strictObject({
      functionDeclarations: z.array(z.strictObject({
        name: z.string(),
        description: z.string().optional(),
        parametersJsonSchema: z.looseObject({ type: z.literal("object") }).optional(),
      })).min(1),
    }),
  ])).min(1).optional(),
  toolConfig: z.strictObject({
    functionCallingConfig: z.strictObject({
      mode: z.enum(["AUTO", "ANY", "NONE", "VALIDATED"]),
      allowedFunctionNames: z.array(z.string()).min(1).optional(),
    }).optional(),
    includeServerSideToolInvocations: z.literal(true).optional(),
  }).optional(),
  generationConfig: z.strictObject({
    temperature: z.number().min(0).max(2).optional(),
    maxOutputTokens: count.optional(),
    responseMimeType: z.literal("application/json").optional(),
    responseJsonSchema: object.optional(),
    thinkingConfig: z.union([
      z.strictObject({ thinkingBudget: z.literal(0) }),
      z.strictObject({
        includeThoughts: z.literal(true),
        thinkingBudget: z.int().min(128).max(32_768).optional(),
      }),
      z.strictObject({
        includeThoughts: z.literal(true),
        thinkingLevel: z.enum(["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"]),
      }),
    ]).optional(),
  }).optional(),
});

/** Blocks of the Messages API (https://platform.claude.com/docs/en/api/messages/create). */
const block = {
  text: z.strictObject({
    type: z.literal("text"),
    text: z.string().regex(/\S/),
    citations: z.array(object).optional(),
  }),
  image: z.strictObject({
    type: z.literal("image"),
    source: z.union([
      z.strictObject({
        type: z.literal("base64"),
        media_type: z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]),
        data: base64,
      }),
      z.strictObject({ type: z.literal("url"), url: z.url() }),
    ]),
  }),
  document: z.strictObject({
    type: z.literal("document"),
    title: z.string().min(1),
    source: z.strictObject({
      type: z.literal("base64"),
      media_type: z.literal("application/pdf"),
      data: base64,
    }),
  }),
  result: z.strictObject({ type: z.literal("tool_result"), tool_use_id: z.string(), content: z.string() }),
  thinking: z.strictObject({
    type: z.literal("thinking"),
    thinking: z.string(),
    signature: z.string().min(1),
  }),
  redacted: z.strictObject({ type: z.literal("redacted_thinking"), data: z.string().min(1) }),
  use: z.strictObject({ type: z.literal("tool_use"), id: z.string(), name: z.string(), input: object }),
  serverUse: z.strictObject({
    type: z.literal("server_tool_use"),
    id: z.string(),
    name: z.literal("web_search"),
    input: object,
  }),
  found: z.strictObject({
    type: z.literal("web_search_tool_result"),
    tool_use_id: z.string(),
    content: z.union([z.array(object), object]),
  }),
};

const turn = z.discriminatedUnion("role", [
  z.strictObject({
    role: z.literal("user"),
    content: z.array(z.union([block.text, block.image, block.document, block.result])).min(1),
  }),
  z.strictObject({
    role: z.literal("assistant"),
    content: z.array(
      z.union([block.text, block.thinking, block.redacted, block.use, block.serverUse, block.found]),
    ).min(1),
  }),
]);

const display = { display: z.enum(["summarized", "omitted"]).optional() };

const anthropic = z.strictObject({
  model: z.string(),
  max_tokens: count,
  stream: z.literal(true),
  system: z.string().min(1).optional(),
  messages: z.array(turn).min(1),
  thinking: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("adaptive"), ...display }),
    z.strictObject({ type: z.literal("enabled"), budget_tokens: z.int().min(1024), ...display }),
    z.strictObject({ type: z.literal("disabled") }),
    z.strictObject({ type: z.literal("between_tools") }),
  ]).optional(),
  output_config: z.strictObject({
    effort: z.enum(["low", "medium", "high", "xhigh", "max"]).optional(),
    format: z.strictObject({
      type: z.literal("json_schema"),
      schema: z.looseObject({ additionalProperties: z.literal(false) }),
    }).optional(),
  }).optional(),
  tools: z.array(z.union([
    z.strictObject({
      type: z.literal("web_search_20250305"),
      name: z.literal("web_search"),
      max_uses: count,
    }),
    z.strictObject({
      name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
      description: z.string().optional(),
      input_schema: z.looseObject({ type: z.literal("object") }),
    }),
  ])).min(1).optional(),
  tool_choice: z.union([
    z.strictObject({ type: z.enum(["auto", "any", "none"]) }),
    z.strictObject({ type: z.literal("tool"), name: z.string() }),
  ]).optional(),
  cache_control: z.strictObject({ type: z.literal("ephemeral") }).optional(),
}).refine(
  ({ thinking, max_tokens }) => thinking?.type !== "enabled" || thinking.budget_tokens < max_tokens,
  "budget_tokens is less than max_tokens",
);

const SCHEMAS = { gemini, anthropic };

/** Fails when `body` holds what the provider does not document. */
export function assertNativeBody(kind: NativeKind, body: JsonObject): void {
  const { error } = SCHEMAS[kind].safeParse(body);
  if (error) throw new Error(`${z.prettifyError(error)}\nin ${JSON.stringify(body, null, 1)}`);
}
