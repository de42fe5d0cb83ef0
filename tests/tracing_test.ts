import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { defaultSettings, readGiven, settingsWithFile } from "../lib/config/load.ts";
import type { SettingName } from "../lib/config/setting_keys.ts";
import { DAEMON_ONLY } from "../lib/config/unused_settings.ts";
import { Tracing } from "../lib/tracing/tracing.ts";
import { makeCall } from "./helpers/exai_tools.ts";
import { FakeServer, toolsOf } from "./helpers/fake_server.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { until } from "./helpers/until.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { heldReads, mountingDaemon } from "./helpers/mounts.ts";
import { OtlpReceiver } from "./helpers/otlp_receiver.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { modernRequest } from "./helpers/modern.ts";

const FIXTURE = fromFileUrl(new URL("fixtures/traced_server.ts", import.meta.url));
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

/** The entry of a server that is traced too. */
function traced(endpoint?: string): JsonObject {
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", FIXTURE],
    env: {
      DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
      ...(endpoint === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }),
    },
    share: "machine",
  };
}

async function initialized(url: string): Promise<RawClient> {
  const client = await RawClient.hello(url);
  const clientInfo = { name: "t", version: "1" };
  const params = { protocolVersion: "2025-11-25", clientInfo, capabilities: {} };
  await client.ask({ jsonrpc: "2.0", id: "i", method: "initialize", params });
  return client;
}

/** Makes a call and returns the answer. */
async function ask(client: RawClient, id: number, method: string, params: JsonObject): Promise<JsonObject> {
  client.send({ jsonrpc: "2.0", id, method, params });
  return await client.nextWhere((frame) => frame.id === id);
}

function textIn(answer: JsonObject): string {
  return String(((answer.result as JsonObject).content as JsonObject[])[0]!.text);
}

Deno.test("a call is a span of its client's trace, and the server's own span is its child", async () => {
  using _reads = heldReads();
  await using receiver = new OtlpReceiver();
  {
    await using daemon = await mountingDaemon({ up: traced(receiver.endpoint) }, receiver.settings);
    using client = await initialized(daemon.url);
    const _meta = { traceparent: PARENT, tracestate: "shop=1", baggage: "user=ada", other: 7 };
    const answer = await ask(client, 1, "tools/call", { name: "traced", arguments: { a: "b" }, _meta });
    const told = JSON.parse(textIn(answer));
    const [, trace, span] = /^00-(\w{32})-(\w{16})-01$/.exec(told.traceparent)!;
    assertEquals(trace, TRACE);
    assertEquals({ ...told, traceparent: "" }, {
      traceparent: "",
      tracestate: "shop=1",
      baggage: "user=ada",
      other: 7,
    });
    await client.close();
    await daemon.daemon.stop();
    const own = receiver.spans.find(({ service }) => service === "exai")!;
    const child = receiver.spans.find(({ service }) => service === "upstream")!;
    assertEquals([own.spanId, own.traceId, own.parentSpanId], [span!, TRACE, "b7ad6b7169203331"]);
    assertEquals([child.traceId, child.parentSpanId], [TRACE, own.spanId]);
    assertEquals([own.name, own.kind, own.traceState], ["tools/call traced", 2, "shop=1"]);
    const { "mcp.session.id": session, ...rest } = own.attributes;
    assertMatch(String(session), /\w/);
    assertEquals(rest, {
      "mcp.method.name": "tools/call",
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": "traced",
      "jsonrpc.request.id": "1",
      "mcp.protocol.version": "2025-11-25",
      "exai.client.name": "t",
      "exai.client.version": "1",
      "exai.outcome": "ok",
      "exai.server": "up",
    });
    const waits = own.events.map(([name, attributes]) => [name, attributes["exai.wait.for"]]);
    assertEquals(waits.filter(([, what]) => what === 'server "up" to start'), [[
      "exai.wait",
      'server "up" to start',
    ]]);
    assert(own.durationMs >= child.durationMs);
  }
});

Deno.test("a request without a trace, or with an invalid one, begins one; requests without _meta and of the new era too", async () => {
  await using receiver = new OtlpReceiver();
  await using daemon = await mountingDaemon({ up: traced() }, receiver.settings);
  using client = await initialized(daemon.url);
  const told: string[] = [];
  const metas: Json[] = [{}, { traceparent: "00-1", tracestate: "a=1" }, {
    traceparent: 7,
    progressToken: "p",
  }];
  for (const [at, _meta] of metas.entries()) {
    const answer = await ask(client, at, "tools/call", { name: "traced", arguments: {}, _meta });
    const meta = JSON.parse(textIn(answer));
    assertMatch(meta.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assertEquals(meta.tracestate, undefined);
    told.push(meta.traceparent);
  }
  told.push(JSON.parse(textIn(await ask(client, 8, "tools/call", { name: "traced" }))).traceparent);
  client.send(modernRequest(9, "tools/call", { name: "traced" }, { meta: { traceparent: PARENT } }));
  const modern = await client.nextWhere(({ id }) => id === 9);
  assertStringIncludes(JSON.parse(textIn(modern)).traceparent, TRACE);
  await client.close();
  await daemon.daemon.stop();
  const ids = receiver.spans.map(({ attributes }) => attributes["jsonrpc.request.id"]);
  assertEquals(ids, ["0", "1", "2", "8", "9"]);
  assertEquals(new Set(told).size, 4);
});

Deno.test("failures are told by their kind, and nothing of arguments, answers and messages is in a span", async () => {
  await using receiver = new OtlpReceiver();
  await using daemon = await mountingDaemon({ up: traced() }, receiver.settings);
  using client = await initialized(daemon.url);
  const call = (id: number, fail: string) =>
    ask(client, id, "tools/call", { name: "traced", arguments: { fail, key: "secret-in-arguments" } });
  await call(1, "result");
  await call(2, "error");
  await ask(client, 3, "tools/call", { name: "nothing", arguments: {} });
  await ask(client, 4, "prompts/get", { name: "asked", arguments: { key: "secret-in-arguments" } });
  await client.close();
  await daemon.daemon.stop();
  const seen = receiver.spans.map(({ name, attributes, status }) => [
    name,
    attributes["error.type"] ?? null,
    attributes["rpc.response.status_code"] ?? null,
    attributes["exai.outcome"],
    status.code,
  ]);
  assertEquals(seen, [
    ["tools/call traced", "tool_error", null, "tool_error", 2],
    ["tools/call traced", "-32000", "-32000", "error", 2],
    ["tools/call nothing", "-32602", "-32602", "TOOL_NOT_FOUND", 2],
    ["prompts/get asked", null, null, "ok", 0],
  ]);
  assert(!receiver.bodies.join().includes("secret"));
  assertEquals(receiver.spans.map(({ status }) => status.message).filter(Boolean), []);
});

Deno.test("where no endpoint is set, what the client says of its trace is passed on as it came", async () => {
  const echo = new FakeServer("echo", { tools: toolsOf("echo") });
  await using daemon = await testDaemon({ servers: [echo] });
  using client = await initialized(daemon.url);
  const _meta = { traceparent: "as it came" };
  await ask(client, 1, "tools/call", { name: "echo", arguments: {}, _meta });
  assertEquals(echo.calls[0]!.params._meta, _meta);
  assertEquals(echo.calls[0]!.trace?.span, undefined);
});

Deno.test("spans are sent as protobuf to the given path with the given headers", async () => {
  await using receiver = new OtlpReceiver();
  const echo = new FakeServer("echo", { tools: toolsOf("echo") });
  const settings = {
    otlpTracesEndpoint: `${receiver.endpoint}/otlp/v1/traces`,
    otlpHeaders: "x-key=a%20b,x-team=c",
    otelServiceName: "mine",
  };
  {
    await using daemon = await testDaemon({ settings, servers: [echo] });
    using client = await initialized(daemon.url);
    await ask(client, 1, "tools/call", { name: "echo", arguments: {} });
    await client.close();
  }
  const [{ path, type, headers }] = receiver.requests as [typeof receiver.requests[0]];
  assertEquals([path, type], ["/otlp/v1/traces", "application/x-protobuf"]);
  assertEquals([headers.get("x-key"), headers.get("x-team")], ["a b", "c"]);
  for (const part of ["tools/call echo", "mine", "exai.outcome"]) {
    assertStringIncludes(receiver.bodies[0]!, part);
  }
});

Deno.test("the path of OTLP is added to that of the endpoint, before a query that holds a key", async () => {
  await using receiver = new OtlpReceiver();
  const tracing = await open({ otlpEndpoint: `${receiver.endpoint}/otlp/?key=a%20b&x=1#top` });
  const echo = new FakeServer("echo", { tools: toolsOf("echo") });
  await tracing.policies[0]!(echo.target)(makeCall("tools/call", { name: "echo" }, { trace: {} }));
  await tracing[Symbol.asyncDispose]();
  assertEquals(receiver.requests.map(({ path, query }) => path + query), ["/otlp/v1/traces?key=a%20b&x=1"]);
});

Deno.test("a client that does not want its trace sent is heeded; the sampler decides about the others", async () => {
  await using receiver = new OtlpReceiver();
  const echo = new FakeServer("echo", { tools: toolsOf("echo") });
  const settings = {
    ...receiver.settings,
    tracesSampler: "parentbased_traceidratio",
    tracesSamplerArg: "0",
  };
  {
    await using daemon = await testDaemon({ settings, servers: [echo] });
    using client = await initialized(daemon.url);
    const metas = [{ traceparent: PARENT }, { traceparent: PARENT.replace(/01$/, "00") }, {}];
    for (const [id, _meta] of metas.entries()) {
      await ask(client, id, "tools/call", { name: "echo", arguments: {}, _meta });
    }
    await client.close();
  }
  assertEquals(receiver.spans.map(({ parentSpanId }) => parentSpanId), ["b7ad6b7169203331"]);
  assertEquals(echo.calls.map(({ trace }) => trace!.span!.context.traceparent!.slice(-2)), [
    "01",
    "00",
    "00",
  ]);
});

/** @param meant the settings that `exai.json` says; the others are of variables */
const open = (settings: Partial<ReturnType<typeof defaultSettings>>, meant: readonly SettingName[] = []) =>
  Tracing.open(defaultSettings(settings), new Set(meant));

Deno.test("settings that make no sense keep no daemon from starting: a fault of health for EXAI's own, a note for other programs'", async (test) => {
  const otlpEndpoint = "http://127.0.0.1:9";
  const cases: [Parameters<typeof open>[0], string][] = [
    [{ otlpEndpoint, otlpProtocol: "grpc" }, "OTEL_EXPORTER_OTLP_PROTOCOL is grpc"],
    [{ otlpEndpoint, otlpTracesProtocol: "grpc" }, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is grpc"],
    [{ otlpEndpoint, tracesExporter: "console" }, "OTEL_TRACES_EXPORTER is console"],
    [{ otlpEndpoint: "collector" }, "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL"],
    [{ otlpTracesEndpoint: "ftp://a" }, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL"],
    [{ otlpEndpoint, tracesSampler: "some" }, 'OTEL_TRACES_SAMPLER "some" is not known'],
    [{ otlpEndpoint, tracesSamplerArg: "2" }, "OTEL_TRACES_SAMPLER_ARG must be"],
  ];
  for (const [settings, why] of cases) {
    await test.step(why, async () => {
      await using own = await open(settings, ["otelServiceName"]);
      assertStringIncludes(own.faults().join(), `no traces are sent: ${why}`);
      assertEquals([own.policies, own.notes()], [[], []]);
      await using others = await open(settings, ["port"]);
      assertStringIncludes(others.notes().join(), `no traces are sent: ${why}`);
      assertEquals([others.policies, others.faults()], [[], []]);
    });
  }
});

Deno.test("a daemon whose environment says how other programs are traced is well", async () => {
  const env = {
    ENV_FILE: "",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4317",
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    OTEL_SDK_DISABLED: "maybe",
  };
  const given = readGiven({ args: [], env });
  const names = ({ settings, meant }: ReturnType<typeof settingsWithFile>) =>
    Tracing.open(settings, meant).then((tracing) => [tracing.faults().length, tracing.notes().length]);
  assertEquals(await names(settingsWithFile(given, new Map([["port", "2"]]))), [0, 1]);
  assertEquals(await names(settingsWithFile(given, new Map([["otlpProtocol", "grpc"]]))), [1, 0]);
  assertEquals(
    await names(settingsWithFile(readGiven({ args: ["--otlp-protocol=grpc"], env }), new Map())),
    [1, 0],
  );
});

Deno.test("exai.json says for EXAI what the variables say for every program", () => {
  const env = {
    ENV_FILE: "",
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    OTEL_SERVICE_NAME: "shop",
    EXAI_WS_PORT: "1",
  };
  const file = new Map([["otlpProtocol", "http/json"], ["port", "2"]] as const);
  const { settings } = settingsWithFile(readGiven({ args: [], env }), file);
  const { otlpProtocol, otelServiceName, port } = settings;
  assertEquals([otlpProtocol, otelServiceName, port], ["http/json", "shop", 1]);
});

Deno.test("a window is not told that the daemon does not use what its agent is traced with", () => {
  assertEquals(DAEMON_ONLY.filter((name) => /^(otlp|otel|traces)/.test(name)), []);
  assert(DAEMON_ONLY.includes("callTimeoutMs"));
});

Deno.test("nothing is sent where no endpoint is set, or a switch says so: not without a word where that is another program's", async () => {
  const otlpEndpoint = "http://127.0.0.1:9";
  const off = "no traces are sent: OTEL_";
  const cases: [...Parameters<typeof open>, string][] = [
    [{}, [], ""],
    [{ otlpProtocol: "grpc", tracesExporter: "none" }, ["otlpProtocol"], ""],
    [{ otlpEndpoint, otelDisabled: true }, [], ""],
    [{ otlpEndpoint, otelDisabled: true }, ["otlpEndpoint", "otelDisabled"], ""],
    [{ otlpEndpoint, otelDisabled: true }, ["otlpEndpoint"], `${off}SDK_DISABLED says so`],
    [{ otlpEndpoint, tracesExporter: "none" }, [], ""],
    [{ otlpEndpoint, tracesExporter: "none" }, ["otlpEndpoint"], `${off}TRACES_EXPORTER says so`],
  ];
  for (const [settings, meant, note] of cases) {
    await using tracing = await open(settings, meant);
    assertEquals([tracing.policies.length, tracing.faults(), tracing.notes().join()], [0, [], note]);
  }
});

Deno.test("headers that change while the daemon runs, as a secret does that is read after its start, are sent from then on", async () => {
  await using receiver = new OtlpReceiver();
  const echo = new FakeServer("echo", { tools: toolsOf("echo") });
  {
    await using tracing = await open(receiver.settings);
    tracing.setSettings({ otlpHeaders: "x-key=later" });
    const call = makeCall("tools/call", { name: "echo" }, { trace: {} });
    await tracing.policies[0]!(echo.target)(call);
  }
  assertEquals(receiver.requests.map(({ headers }) => headers.get("x-key")), ["later"]);
});

Deno.test("health says that traces are not received, without what is secret in the address", async () => {
  await using receiver = new OtlpReceiver();
  receiver.status = 400;
  const echo = new FakeServer("echo", { tools: toolsOf("echo") });
  const url = new URL("/v1/traces?key=secret", receiver.endpoint);
  const tracing = await open({ otlpTracesEndpoint: url.href });
  const target = tracing.policies[0]!(echo.target);
  // More than a batch: what is lost of each is added up.
  const call = makeCall("tools/call", { name: "echo" }, { trace: {} });
  for (let n = 0; n < 513; n++) await target(call);
  await tracing[Symbol.asyncDispose]();
  const [note] = tracing.notes();
  assertStringIncludes(note!, `traces are not received: ${receiver.endpoint}/v1/traces: `);
  assertStringIncludes(note!, "513 spans lost so far");
  assert(!note!.includes("secret"));
});

Deno.test("names and ids of a request are cut in a span, however long they are", async () => {
  await using receiver = new OtlpReceiver();
  const long = "x".repeat(10_000);
  {
    await using tracing = await open(receiver.settings);
    const target = tracing.policies[0]!(() => Promise.resolve({ result: {} }));
    await target(makeCall("tools/call", { name: long }, { trace: { requestId: long } }));
    await target(makeCall("prompts/get", { name: long }, { trace: {} }));
    await target(makeCall(long, {}, { trace: {} }));
  }
  assert(receiver.bodies.join().length < 10_000);
  assertEquals(receiver.spans.length, 3);
});

Deno.test("spans for which there is no room are counted as lost, and health says so before the collector answers", async () => {
  await using receiver = new OtlpReceiver();
  const answer = Promise.withResolvers<void>();
  receiver.until = answer.promise;
  const tracing = await open({ otlpEndpoint: receiver.endpoint });
  const target = tracing.policies[0]!(() => Promise.resolve({ result: {} }));
  const call = makeCall("tools/call", { name: "echo" }, { trace: {} });
  const send = async (spans: number) => {
    for (let n = 0; n < spans; n++) await target(call);
  };
  // A batch is on its way, as many as may wait do so, and seven are too many.
  await send(512 + 2048);
  assertEquals(tracing.notes(), []);
  await send(7);
  assertEquals(tracing.notes(), [
    `traces are not received: ${receiver.endpoint}/v1/traces: it takes them more slowly than they come; ` +
    "7 spans lost so far",
  ]);
  {
    // A daemon that stops does not wait for a collector that hangs.
    using timers = new FakeTimers();
    const stopped = tracing[Symbol.asyncDispose]();
    timers.pass(2000);
    await stopped;
  }
  answer.resolve();
  await until("the other spans", () => receiver.requests.length === 5 || undefined);
  // All others have come, in batches.
  assertEquals([receiver.requests.length, tracing.notes().join().includes("7 spans")], [5, true]);
});
