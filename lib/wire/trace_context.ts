import { isObject, type Json, type JsonObject } from "../base/json.ts";
import { memberOf, type Params, RawObject } from "./raw_object.ts";

/**
 * What says of a request which trace it belongs to (W3C Trace Context, W3C Baggage): members of `_meta` (MCP basic,
 * OpenTelemetry trace context; SEP-414), headers, variables of a program in capital letters.
 */
export interface TraceContext {
  /** As `00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01`. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** What the client wants everybody to know who works on its request; passed on as it came. */
  readonly baggage?: string;
}

/** The longest value that is read: what W3C Baggage has everybody pass on. */
const MAX_CHARS = 8192;

/** What the `_meta` of a request says of its trace; what is no text, or too long, is left out. */
export function traceContextOf(params: Params): TraceContext {
  const meta = params instanceof RawObject ? params.objectAt("_meta") : params._meta;
  if (!(meta instanceof RawObject || isObject(meta))) return {};
  const read = (name: string) => textWithin(memberOf(meta, name));
  return { traceparent: read("traceparent"), tracestate: read("tracestate"), baggage: read("baggage") };
}

function textWithin(value: Json | undefined): string | undefined {
  return typeof value === "string" && value.length <= MAX_CHARS ? value : undefined;
}

/**
 * `params` of a request that belongs to another span of the trace. A `tracestate` of the span before goes with it; the
 * rest of `_meta` stays as it came, `baggage` too. A `_meta` that is no object is for its reader to refuse.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withTraceContext } from "./trace_context.ts";
 *
 * const traceparent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
 * const params = { name: "read", _meta: { traceparent: "00-1", tracestate: "a=1", baggage: "b=2" } };
 * assertEquals(withTraceContext(params, { traceparent }), {
 *   name: "read",
 *   _meta: { traceparent, baggage: "b=2" },
 * });
 * ```
 */
export function withTraceContext(params: Params, { traceparent, tracestate }: TraceContext): Params {
  if (traceparent === undefined) return params;
  const members: JsonObject = { traceparent, ...(tracestate === undefined ? {} : { tracestate }) };
  if (params instanceof RawObject) {
    const meta = params.objectAt("_meta");
    if (meta) return params.withText("_meta", meta.without("tracestate").withAll(members).text);
    return params.has("_meta") ? params : params.with("_meta", members);
  }
  const { _meta = {} } = params;
  if (!isObject(_meta)) return params;
  const { tracestate: _, ...rest } = _meta;
  return { ...params, _meta: { ...rest, ...members } };
}
