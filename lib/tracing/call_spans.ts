import { type Call, paramOf, type Policy } from "../call/call.ts";
import { sessionIdOf } from "../call/owner.ts";
import type { CallSpan, SpanAttributes, SpanEnd } from "../call/span.ts";
import type { CallTrace } from "../call/trace.ts";
import { clipName, outcomeOf, tellEnd, toolOf } from "../observe/call_record.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";
import { type TraceContext, traceContextOf } from "../wire/trace_context.ts";

/** Begins the spans of calls. */
export interface SpanSource {
  /** @param parent what the request says of its trace; one that is invalid counts for nothing */
  begin(name: string, attributes: SpanAttributes, parent: TraceContext): CallSpan;
}

/**
 * A policy that gives every call a span, by the conventions of OpenTelemetry for MCP. It is a part of the trace that the
 * request names in `_meta`, and what the call has others do is a part of the span. Arguments, answers and the texts of
 * errors are not in it.
 */
export function traceCalls(spans: SpanSource): Policy {
  return (next) => async (call) => {
    const { trace } = call;
    if (!trace) return await next(call);
    const { name, attributes } = describe(call, trace);
    const span = trace.span = spans.begin(name, attributes, traceContextOf(call.body ?? call.params));
    return await tellEnd(() => next(call), (result, thrown) => {
      const end = endOf(result, thrown);
      const finish = () => span.end(withWhatIsKnown(end, trace));
      if (!trace.goesOn) return finish();
      // Its request was answered before its end: the span is as long as its work.
      span.answered();
      trace.goesOn.ended.catch(() => {}).finally(finish);
    });
  };
}

function describe(
  call: Call,
  { requestId }: CallTrace,
): { name: string; attributes: SpanAttributes } {
  const { caller } = call;
  const method = clipName(call.method);
  const isTool = method === "tools/call";
  const tool = isTool ? toolOf(call) : undefined;
  const asked = method === "prompts/get" ? paramOf(call, "name") : undefined;
  const prompt = typeof asked === "string" ? clipName(asked) : undefined;
  const target = tool ?? prompt;
  return {
    name: target === undefined ? method : `${method} ${target}`,
    attributes: {
      "mcp.method.name": method,
      "gen_ai.operation.name": isTool ? "execute_tool" : undefined,
      "gen_ai.tool.name": tool,
      "gen_ai.prompt.name": prompt,
      "jsonrpc.request.id": requestId === undefined ? undefined : clipName(String(requestId)),
      "mcp.protocol.version": caller.revision,
      "mcp.session.id": sessionIdOf(caller),
      "exai.client.name": caller.client?.name,
      "exai.client.version": caller.client?.version,
    },
  };
}

function endOf(result: Result | undefined, thrown: unknown): SpanEnd {
  const { outcome } = outcomeOf(result, thrown);
  const error = result === undefined ? toRpcError(thrown) : result.error;
  const code = error && String(error.code);
  return {
    attributes: { "exai.outcome": outcome, "rpc.response.status_code": code },
    errorType: code ?? (outcome === "ok" ? undefined : outcome),
  };
}

/** What a call has come to know by its end. */
function withWhatIsKnown(end: SpanEnd, { server, spent }: CallTrace): SpanEnd {
  return {
    ...end,
    attributes: {
      ...end.attributes,
      "exai.server": server,
      "gen_ai.usage.input_tokens": spent?.inputTokens,
      "gen_ai.usage.output_tokens": spent?.outputTokens,
    },
  };
}
