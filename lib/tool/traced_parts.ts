import type { AgentAnswer, Agents } from "../agent/agents.ts";
import { ExaiError } from "../base/errors.ts";
import { numberOf } from "../base/json.ts";
import type { CallSpan, SpanAttributes } from "../call/span.ts";
import type { ModelRoute, RoutedResult } from "../provider/model_router.ts";
import type { ChatOptions } from "../provider/provider.ts";
import type { TraceContext } from "../wire/trace_context.ts";

/** The names that OpenTelemetry has for providers it knows (`gen_ai.provider.name`). */
const PROVIDER_NAMES = new Map([
  ["azure", "azure.ai.openai"],
  ["gemini", "gcp.gemini"],
  ["kimi", "moonshot_ai"],
  ["xai", "x_ai"],
]);

/**
 * Asks a model within a span of its own, by the conventions for generative AI, and names that in the headers of the
 * request. What the client says to everybody who works for it (`baggage`) is not for a provider.
 */
export function tracedChat(
  span: CallSpan,
  { model, requested }: ModelRoute,
  options: ChatOptions,
  ask: (options: ChatOptions) => Promise<RoutedResult>,
): Promise<RoutedResult> {
  const part = span.begin(`chat ${model.name}`, {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": providerName(model.provider),
    "gen_ai.request.model": model.name,
    "exai.requested_model": requested,
  });
  const { traceparent, tracestate } = part.context;
  const traceHeaders = {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
  return ended(part, ask({ ...options, traceHeaders }), ({ model, provider, usage, cost }) => ({
    "gen_ai.response.model": model,
    "gen_ai.provider.name": providerName(provider),
    "gen_ai.usage.input_tokens": usage.inputTokens,
    "gen_ai.usage.output_tokens": usage.outputTokens,
    "exai.cost.usd": cost?.usd,
  }));
}

function providerName(provider: string): string {
  return PROVIDER_NAMES.get(provider) ?? provider;
}

/** Runs each agent within a span of its own, which is named in its environment. */
export function tracedAgents(agents: Agents, span: CallSpan): Agents {
  return {
    list: () => agents.list(),
    get hasAny() {
      return agents.hasAny;
    },
    run: (task, options) => {
      const part = span.begin(`invoke_agent ${task.agent}`, {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": task.agent,
        "gen_ai.request.model": task.model,
      });
      return ended(part, agents.run(task, { ...options, env: inEnvironment(part.context) }), attributesOf);
    },
  };
}

/** The context as programs find it: `TRACEPARENT` and its like (OpenTelemetry, environment variable carriers). */
function inEnvironment(context: TraceContext): Record<string, string> {
  const set = Object.entries(context).flatMap(([name, value]) =>
    value === undefined || value.includes("\0") ? [] : [[name.toUpperCase(), value]]
  );
  return Object.fromEntries(set);
}

function attributesOf({ model, usage, costUsd }: AgentAnswer): SpanAttributes {
  return {
    "gen_ai.response.model": model,
    "gen_ai.usage.input_tokens": numberOf(usage?.input_tokens),
    "gen_ai.usage.output_tokens": numberOf(usage?.output_tokens),
    "exai.cost.usd": costUsd,
  };
}

/** Ends `span` with `work`. */
async function ended<T>(
  span: CallSpan,
  work: Promise<T>,
  attributesOf: (result: T) => SpanAttributes,
): Promise<T> {
  try {
    const result = await work;
    span.end({ attributes: attributesOf(result) });
    return result;
  } catch (thrown) {
    span.end({ errorType: ExaiError.from(thrown).code });
    throw thrown;
  }
}
