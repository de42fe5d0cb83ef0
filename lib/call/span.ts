import type { TraceContext } from "../wire/trace_context.ts";

/** What a span says, by the names of OpenTelemetry's conventions, or of its own that begin with `exai.`. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** How a span has ended. */
export interface SpanEnd {
  attributes?: SpanAttributes;
  /** What has failed, in one of few words (`error.type`); undefined for what has not. */
  errorType?: string;
}

/** The span of a call, or of a part of it, in a trace that is sent somewhere. */
export interface CallSpan {
  /** What those are told who work for it. */
  readonly context: TraceContext;
  /** Begins the span of a part that somebody else works on: a model, an agent. */
  begin(name: string, attributes: SpanAttributes): CallSpan;
  /**
   * Notes that it has waited for `what`.
   *
   * @param sinceMs by `performance.now`, in milliseconds
   */
  waited(what: string, sinceMs: number): void;
  /** Notes that the request is answered, while its work goes on. */
  answered(): void;
  end(end: SpanEnd): void;
}
