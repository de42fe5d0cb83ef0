import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace, type Tracer } from "@opentelemetry/api";
import { defaultTextMapGetter, defaultTextMapSetter } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { CallSpan, SpanAttributes, SpanEnd } from "../call/span.ts";
import type { TraceContext } from "../wire/trace_context.ts";

/** Shorter waits say nothing. */
const MIN_WAIT_MS = 1;

const propagator = new W3CTraceContextPropagator();

/** Begins the span of a call as a part of the trace that `parent` names, or of one of its own. */
export function beginCallSpan(
  tracer: Tracer,
  { name, attributes, parent }: { name: string; attributes: SpanAttributes; parent: TraceContext },
): CallSpan {
  const context = propagator.extract(ROOT_CONTEXT, parent, defaultTextMapGetter);
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, context);
  return new OtelSpan(span, { tracer, baggage: parent.baggage });
}

/** A span of `@opentelemetry/api`. There is no current span: calls that run side by side would be taken for another's. */
class OtelSpan implements CallSpan {
  readonly #span: Span;
  readonly #tracer: Tracer;
  readonly #baggage: string | undefined;
  #context: TraceContext | undefined;

  constructor(span: Span, { tracer, baggage }: { tracer: Tracer; baggage: string | undefined }) {
    this.#span = span;
    this.#tracer = tracer;
    this.#baggage = baggage;
  }

  get context(): TraceContext {
    return this.#context ??= this.#write();
  }

  begin(name: string, attributes: SpanAttributes): CallSpan {
    const options = { kind: SpanKind.CLIENT, attributes };
    const span = this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, this.#span));
    return new OtelSpan(span, { tracer: this.#tracer, baggage: this.#baggage });
  }

  waited(what: string, sinceMs: number): void {
    const ms = performance.now() - sinceMs;
    if (ms < MIN_WAIT_MS) return;
    this.#span.addEvent("exai.wait", { "exai.wait.for": what, "exai.wait.ms": Math.round(ms) });
  }

  answered(): void {
    this.#span.addEvent("exai.answered_early");
  }

  end({ attributes = {}, errorType }: SpanEnd): void {
    this.#span.setAttributes(attributes);
    if (errorType !== undefined) {
      this.#span.setAttribute("error.type", errorType);
      // Without a message: it may say what is in the arguments.
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }

  #write(): TraceContext {
    const carrier: { traceparent?: string; tracestate?: string } = {};
    propagator.inject(trace.setSpan(ROOT_CONTEXT, this.#span), carrier, defaultTextMapSetter);
    return this.#baggage === undefined ? carrier : { ...carrier, baggage: this.#baggage };
  }
}
