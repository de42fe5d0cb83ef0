import { trace, TraceFlags, type Tracer } from "@opentelemetry/api";
import { parseKeyPairsIntoRecord } from "@opentelemetry/core";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { quoteName } from "../base/text.ts";
import { VERSION } from "../base/version.ts";
import type { CallSpan } from "../call/span.ts";
import type { SpanSource } from "./call_spans.ts";
import { beginCallSpan } from "./otel_span.ts";

/** How spans are sent: OTLP over HTTP. */
export interface OtlpOptions {
  /** The whole address, as `http://127.0.0.1:4318/v1/traces`. */
  url: string;
  isJson: boolean;
  /** What they are now, as `name=value,name=value`, percent-encoded; may hold secrets. */
  headers(): string;
  serviceName: string;
  /** As in `OTEL_TRACES_SAMPLER`. */
  sampler: string;
  /** The share of traces that is sent, from 0 to 1, where the sampler has one. */
  ratio: number;
  /** Called after each sending: `why` it has failed, and how many spans it was for. */
  onSent(spans: number, why?: string): void;
  /** Called when a span is lost since as many as may wait do so. */
  onDropped(): void;
}

/** Spans that are sent. */
interface OpenSpans extends SpanSource {
  /** Sends what is left; later spans are not sent. */
  shutdown(): Promise<void>;
}

/** Makes a sampler, by the share of traces that is sent. */
type MakeSampler = (ratio: number) => Sampler;

/** By the values of `OTEL_TRACES_SAMPLER`. */
const SAMPLERS: ReadonlyMap<string, MakeSampler> = new Map<string, MakeSampler>([
  ["always_on", () => new AlwaysOnSampler()],
  ["always_off", () => new AlwaysOffSampler()],
  ["traceidratio", (ratio) => new TraceIdRatioBasedSampler(ratio)],
  ["parentbased_always_on", () => new ParentBasedSampler({ root: new AlwaysOnSampler() })],
  ["parentbased_always_off", () => new ParentBasedSampler({ root: new AlwaysOffSampler() })],
  [
    "parentbased_traceidratio",
    (ratio) => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
  ],
]);

/** @throws where there is no such sampler */
function samplerOf({ sampler, ratio }: OtlpOptions): Sampler {
  const make = SAMPLERS.get(sampler);
  if (make) return make(ratio);
  const names = [...SAMPLERS.keys()].join(", ");
  throw new Error(`OTEL_TRACES_SAMPLER ${quoteName(sampler)} is not known; there are: ${names}`);
}

/**
 * Sends spans by the packages of OpenTelemetry. They read more of the environment themselves: certificates, compression,
 * time-out, attributes of the resource.
 *
 * @throws where the sampler is not known
 */
export function openOtlpSpans(options: OtlpOptions): OpenSpans {
  const provider = new TracerProvider({
    resource: resourceOf(options),
    sampler: samplerOf(options),
    spanProcessors: [new CountedQueue(exporterOf(options), options)],
  });
  return spansOf(provider.getTracer("exai", VERSION), () => provider.shutdown());
}

/** Sends spans by the runtime, which has registered itself with the API (`OTEL_DENO=true`). */
export function openRuntimeSpans(): OpenSpans {
  return spansOf(trace.getTracer("exai", VERSION), () => Promise.resolve());
}

function spansOf(tracer: Tracer, shutdown: () => Promise<void>): OpenSpans {
  return {
    begin: (name, attributes, parent): CallSpan => beginCallSpan(tracer, { name, attributes, parent }),
    shutdown,
  };
}

function resourceOf({ serviceName }: OtlpOptions) {
  return defaultResource()
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(
      resourceFromAttributes({
        "service.name": serviceName,
        "service.version": VERSION,
        "process.pid": Deno.pid,
      }),
    );
}

function exporterOf({ url, isJson, headers }: OtlpOptions): SpanExporter {
  const Exporter = isJson ? JsonExporter : ProtobufExporter;
  return new Exporter({ url, headers: () => Promise.resolve(parseKeyPairsIntoRecord(headers())) });
}

/** How many spans may wait to be sent. */
const MAX_WAITING = 2048;

/** Spans that wait to be sent in batches. What that drops itself it tells nobody, so no more are given to it. */
class CountedQueue implements SpanProcessor {
  readonly #inner: SpanProcessor;
  readonly #options: Pick<OtlpOptions, "onSent" | "onDropped">;
  #waiting = 0;

  constructor(exporter: SpanExporter, options: Pick<OtlpOptions, "onSent" | "onDropped">) {
    this.#options = options;
    this.#inner = new BatchSpanProcessor({ exporter: this.#watched(exporter), maxQueueSize: MAX_WAITING });
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.#waiting >= MAX_WAITING) return this.#options.onDropped();
    this.#waiting++;
    this.#inner.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }

  #watched(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        this.#waiting -= spans.length;
        exporter.export(spans, (result) => {
          const why = result.code === 0 ? undefined : result.error?.message || "no answer";
          this.#options.onSent(spans.length, why);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    };
  }
}
