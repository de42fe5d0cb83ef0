import { assertEquals, assertStringIncludes } from "@std/assert";
import { OtlpReceiver } from "../helpers/otlp_receiver.ts";
import { signalProgram, startDaemon } from "../helpers/program.ts";
import { sdkClient } from "../helpers/sdk_client.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

/** Calls a tool of the real daemon with `env`, ends it, and returns the spans of the call. */
async function spansWith(env: Record<string, string>, receiver: OtlpReceiver) {
  await using daemon = await startDaemon({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      EXAI_FIND_LOCAL: "false",
      ...env,
    },
  });
  const client = await sdkClient(daemon.url);
  const _meta = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
  await client.callTool({ name: "challenge", arguments: { prompt: "p" }, _meta });
  await client.close();
  signalProgram(daemon.process, "SIGTERM");
  await daemon.process.status;
  return receiver.spans.filter(({ name }) => name === "tools/call challenge");
}

Deno.test("a daemon that is told to stop sends its last spans", async () => {
  await using receiver = new OtlpReceiver();
  const [span] = await spansWith({}, receiver);
  assertEquals([span?.traceId, span?.service], [TRACE, "exai"]);
});

Deno.test("where Deno itself sends traces, spans of calls go through it, once", async () => {
  await using receiver = new OtlpReceiver();
  const env = { OTEL_DENO: "true", OTEL_DENO_CONSOLE: "ignore", OTEL_DENO_METRICS: "false" };
  const spans = await spansWith(env, receiver);
  assertEquals(
    spans.map(({ traceId, parentSpanId, kind }) => [traceId, parentSpanId, kind]),
    [[TRACE, "b7ad6b7169203331", 2]],
  );
  assertStringIncludes(receiver.bodies.join(), "deno-opentelemetry");
});

Deno.test("a daemon whose traces nobody receives starts, serves and stops in time", async () => {
  await using receiver = new OtlpReceiver();
  const startedMs = performance.now();
  const spans = await spansWith({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" }, receiver);
  assertEquals(spans, []);
  assertEquals(performance.now() - startedMs < 30_000, true);
});
