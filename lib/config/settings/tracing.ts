import { flag, secret, text } from "../setting.ts";

const DISABLED = flag({
  env: "OTEL_SDK_DISABLED",
  flag: "otel-disabled",
  fallback: false,
  help: "Whether no traces are sent, whatever else is set",
  isShared: true,
});

/**
 * Where traces of calls are sent. Any text is allowed: the variables are those of OpenTelemetry, which a person may have
 * set for other programs, and a daemon that did not start for them would be none of their business.
 */
export const TRACING_SETTINGS = {
  tracesExporter: text({
    env: "OTEL_TRACES_EXPORTER",
    flag: "traces-exporter",
    fallback: "otlp",
    help: "What sends traces: otlp, or none",
    isShared: true,
  }),
  otlpEndpoint: text({
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    flag: "otlp-endpoint",
    help: "Where traces of calls are sent, by OTLP over HTTP, as http://127.0.0.1:4318; empty: nowhere",
    isShared: true,
  }),
  otlpTracesEndpoint: text({
    env: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    flag: "otlp-traces-endpoint",
    help: "The same with its path, as http://127.0.0.1:4318/v1/traces; comes first",
    isShared: true,
  }),
  otlpHeaders: secret({
    env: "OTEL_EXPORTER_OTLP_HEADERS",
    flag: "otlp-headers",
    help: "Headers sent with traces, as name=value,name=value",
    isShared: true,
  }),
  otlpProtocol: text({
    env: "OTEL_EXPORTER_OTLP_PROTOCOL",
    flag: "otlp-protocol",
    fallback: "http/protobuf",
    help: "How traces are written: http/protobuf or http/json",
    isShared: true,
  }),
  otlpTracesProtocol: text({
    env: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    flag: "otlp-traces-protocol",
    help: "The same; comes first",
    isShared: true,
  }),
  otelServiceName: text({
    env: "OTEL_SERVICE_NAME",
    flag: "otel-service-name",
    fallback: "exai",
    help: "The name of the daemon in traces",
    isShared: true,
  }),
  tracesSampler: text({
    env: "OTEL_TRACES_SAMPLER",
    flag: "traces-sampler",
    fallback: "parentbased_always_on",
    help:
      "Which traces are sent: always_on, always_off, traceidratio, or one of these with parentbased_ before it",
    isShared: true,
  }),
  tracesSamplerArg: text({
    env: "OTEL_TRACES_SAMPLER_ARG",
    flag: "traces-sampler-arg",
    help: "The share of traces that traceidratio sends, from 0 to 1; empty: all",
    isShared: true,
  }),
  otelDisabled: { ...DISABLED, read: (text: string) => DISABLED.read(text) ?? false },
};
