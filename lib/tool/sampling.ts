import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, ownEntry } from "../base/json.ts";
import type { Call } from "../call/call.ts";
import type { Sample, SampleRequest } from "../provider/client_sample.ts";
import type { ChatResult, FinishReason, ModelClass } from "../provider/provider.ts";
import { estimateTokens } from "../provider/token_estimate.ts";
import { withTraceContext } from "../wire/trace_context.ts";

/**
 * Returns access to the client's model (MCP client/sampling) for `call`; undefined if the client does not support it.
 */
export function sampleOf(call: Call): Sample | undefined {
  if (!isObject(call.caller.capabilities.sampling)) return undefined;
  return async (request, { signal, onProgress }) => {
    const params = withTraceContext(toParams(request), call.trace?.span?.context ?? {});
    const { result, error } = await call.ask("sampling/createMessage", params, {
      signal,
      onProgress: () =>
        onProgress?.({ phase: "answering", chars: 0, message: "the client's model is at work" }),
    });
    if (error) throw samplingError(error.message);
    return await toResult(result ?? {}, request);
  };
}

/** MCP model preferences by class; priorities are from 0 (unimportant) to 1. */
const PRIORITIES: Readonly<Record<ModelClass, JsonObject>> = {
  fast: { intelligencePriority: 0.2, speedPriority: 0.9 },
  balanced: { intelligencePriority: 0.6, speedPriority: 0.5 },
  deep: { intelligencePriority: 0.9, speedPriority: 0.2 },
};

function toParams(request: SampleRequest): JsonObject {
  const { systemPrompt, messages, temperature, maxOutputTokens, modelClass, modelHint } = request;
  return {
    messages: messages.map(({ role, content }) => ({ role, content: { ...content } })),
    ...(systemPrompt === undefined ? {} : { systemPrompt }),
    ...(temperature === undefined ? {} : { temperature }),
    modelPreferences: {
      ...PRIORITIES[modelClass],
      ...(modelHint === undefined ? {} : { hints: [{ name: modelHint }] }),
    },
    maxTokens: maxOutputTokens,
  };
}

const FINISH: Readonly<Record<string, FinishReason>> = { maxTokens: "length", toolUse: "tool_calls" };

async function toResult(
  { content, model, stopReason }: JsonObject,
  { systemPrompt = "", messages }: SampleRequest,
): Promise<ChatResult> {
  // A single block before revision 2025-11-25; since then one or more.
  const blocks: Json[] = Array.isArray(content) ? content : [content ?? null];
  const text = textOf(blocks);
  const question = [systemPrompt, textOf(messages.map((message) => ({ ...message.content })))].join("\n");
  return {
    text,
    model: typeof model === "string" && model !== "" ? model : "unknown",
    provider: "client",
    // MCP sampling does not report usage.
    usage: {
      inputTokens: await estimateTokens(question),
      outputTokens: await estimateTokens(text),
      estimated: true,
    },
    finishReason: ownEntry(FINISH, typeof stopReason === "string" ? stopReason : "") ?? "stop",
  };
}

function textOf(blocks: readonly Json[]): string {
  return blocks.flatMap((block) => isObject(block) && typeof block.text === "string" ? [block.text] : [])
    .join("\n");
}

function samplingError(reason: string): ExaiError {
  return new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    `the client did not lend its model: ${reason}. Allow sampling in the client, or set up a provider (listmodels says how)`,
    { details: { provider: "client", fault: "refused" } },
  );
}
