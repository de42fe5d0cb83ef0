import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { RoutedResult } from "../../provider/model_router.ts";
import type { RawCompletionRequest } from "../../provider/provider.ts";
import { ASKS_MODELS } from "../annotations.ts";
import { describeBill, describeUsage } from "../dialogue/model_reply.ts";
import { ProgressHeartbeat, progressSender } from "../dialogue/call_progress.ts";
import { modelFields } from "../fields.ts";
import { publishAs } from "../schema.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import type { ToolOutput } from "../tool_output.ts";

/** Published as a string; a list of parts is passed through too. */
const text = z.unknown().optional().meta({ type: "string" });

const message = z.looseObject({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: text,
  tool_call_id: z.string().optional(),
}).meta(publishAs({
  type: "object",
  properties: { role: { type: "string" }, content: { type: "string" }, tool_call_id: { type: "string" } },
}));

const tool = z.looseObject({
  type: z.enum(["function", "builtin_function"]),
  function: z.looseObject({
    name: z.string(),
    description: z.string().optional(),
    parameters: z.looseObject({ type: z.string().optional() }).optional(),
  }),
}).meta(publishAs({
  type: "object",
  properties: {
    type: { type: "string" },
    function: { type: "object", properties: { name: { type: "string" }, description: { type: "string" } } },
  },
}));

const input = z.object({
  messages: z.array(message).min(1),
  tools: z.array(tool).optional(),
  tool_choice: z.unknown().optional().meta({
    type: "string",
    description: "auto, none, required, or the name of a tool",
  }),
  stream: z.boolean().optional(),
  model: modelFields.model,
  temperature: modelFields.temperature,
  use_websearch: modelFields.use_websearch,
});

type ToolChatArgs = z.output<typeof input>;

/** Sends one raw completion request to Kimi. The caller runs the requested tool calls. */
export const kimiChatWithTools = defineTool({
  name: "kimi_chat_with_tools",
  title: "Kimi chat with tools",
  description:
    "One raw Kimi completion: your messages and function tools as they are. Answers with text or the tool_calls you run.",
  input,
  annotations: ASKS_MODELS,
  needs: "kimi",
  run: complete,
});

async function complete(args: ToolChatArgs, context: ToolContext): Promise<ToolOutput> {
  const { models, signal } = context;
  const route = await models.resolve({
    requested: args.model,
    tool: "kimi_chat_with_tools",
    provider: "kimi",
    needs: { tools: (args.tools?.length ?? 0) > 0, webSearch: args.use_websearch },
  });
  using heartbeat = new ProgressHeartbeat(progressSender(context));
  const result = await models.complete(route, toRequest(args), {
    signal,
    deadlineMs: context.deadlineMs,
    onProgress: ({ message }) => heartbeat.send(message),
  });
  const { model, provider, usage, routing } = result;
  return {
    content: toMessage(result),
    model,
    provider,
    usage: describeUsage(usage),
    facts: {
      ...describeBill(result),
      routing: { requested: routing.requested, chosen: routing.chosen, why: routing.why },
      ...(result.warnings === undefined ? {} : { warnings: [...result.warnings] }),
    },
  };
}

function toRequest(
  { messages, tools, tool_choice, temperature, use_websearch }: ToolChatArgs,
): RawCompletionRequest {
  return {
    messages: messages as JsonObject[],
    tools: tools as JsonObject[] | undefined,
    tool_choice: toChoice(tool_choice, tools),
    temperature,
    webSearch: use_websearch,
  };
}

const CHOICES = ["auto", "none", "required"];

function toChoice(choice: unknown, tools: ToolChatArgs["tools"] = []): RawCompletionRequest["tool_choice"] {
  if (typeof choice !== "string") return choice as JsonObject | undefined;
  if (CHOICES.includes(choice)) return choice;
  const names = tools.map((one) => one.function.name);
  if (names.includes(choice)) return { type: "function", function: { name: choice } };
  const known = [...CHOICES, ...names].join(", ");
  throw new ExaiError("INVALID_PARAMS", `tool_choice is ${JSON.stringify(choice)}; allowed: ${known}`);
}

/** Converts the result to the message that the caller appends before the results of its tools. */
function toMessage({ text, toolCalls, finishReason, reasoning, citations }: RoutedResult): JsonObject {
  return {
    role: "assistant",
    content: text,
    reasoning_content: reasoning,
    tool_calls: toolCalls?.map(({ id, name, arguments: args }) => ({
      id,
      type: "function",
      function: { name, arguments: args },
    })),
    finish_reason: finishReason,
    citations: citations?.map((one) => ({ ...one })),
  };
}
