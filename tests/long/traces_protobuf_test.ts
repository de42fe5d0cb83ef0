/**
 * Calls of both eras seen whole as protobuf: from the client's span, by EXAI's, to those of a server that runs in Node with
 * OpenTelemetry's SDK for it. What is received is decoded by OpenTelemetry's package for Python.
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Json, JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { ModernHttpClient } from "../helpers/modern_http_client.ts";
import { signalProgram, startDaemon } from "../helpers/program.ts";
import { shimWindow } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";

const RECEIVER = fromFileUrl(new URL("../fixtures/otlp_receiver.py", import.meta.url));

/** Its packages are not in this project's lock file. */
const SERVER_PACKAGES = [
  "@modelcontextprotocol/sdk@1",
  "@opentelemetry/api@1",
  "@opentelemetry/exporter-trace-otlp-proto",
  "@opentelemetry/sdk-node",
];

/** As the documentation has it: `node --import ./tracing.mjs weather.mjs`. */
const SERVER_FILES = {
  "package.json": "{}",
  "tracing.mjs": `
import { NodeSDK } from "@opentelemetry/sdk-node";
new NodeSDK().start();
`,
  "weather.mjs": `
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { context, propagation, SpanKind, trace } from "@opentelemetry/api";
const tracer = trace.getTracer("weather");
const server = new Server({ name: "weather", version: "1" }, { capabilities: { tools: {} } });
const tools = [{ name: "forecast", inputSchema: { type: "object" } }];
server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
  const parent = propagation.extract(context.active(), params._meta ?? {});
  const span = tracer.startSpan("tools/call forecast", { kind: SpanKind.SERVER }, parent);
  tracer.startSpan("SELECT forecast", { kind: SpanKind.CLIENT }, trace.setSpan(parent, span)).end();
  span.end();
  return { content: [{ type: "text", text: "rain" }] };
});
await server.connect(new StdioServerTransport());
`,
};

interface Span {
  service: string;
  name: string;
  kind: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  traceState?: string;
  attributes: Record<string, Json>;
}

async function run(command: string, args: string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd, stdout: "null" }).output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}

async function startReceiver(dir: string) {
  await run("python3", ["-m", "venv", "venv"], dir);
  const python = `${dir}/venv/bin/python`;
  await run(python, ["-m", "pip", "install", "--quiet", "opentelemetry-proto"], dir);
  const [file, portFile] = [`${dir}/spans.ndjson`, `${dir}/port`];
  await Deno.writeTextFile(file, "");
  const process = new Deno.Command(python, { args: [RECEIVER, file, portFile], stdout: "null" }).spawn();
  const port = await until("the receiver", () => Deno.readTextFile(portFile).catch(() => undefined), timeout);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans: async (traceId: string): Promise<Span[]> => {
      const lines = (await Deno.readTextFile(file)).split("\n").filter(Boolean);
      return lines.map((line) => JSON.parse(line)).filter((span) => span.traceId === traceId);
    },
    async [Symbol.asyncDispose]() {
      signalProgram(process, "SIGKILL");
      await process.status;
    },
  };
}

/** The state directory of a daemon that mounts the server. */
async function homeWith(dir: string, endpoint: string) {
  await run("npm", ["install", "--silent", "--no-audit", "--no-fund", ...SERVER_PACKAGES], dir);
  const weather = {
    command: "node",
    args: ["--import", "./tracing.mjs", "weather.mjs"],
    cwd: dir,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: "weather" },
  };
  return await tempDir({
    "mcp.json": JSON.stringify({ mcpServers: { weather } }),
    "exai.json": JSON.stringify({ otlpEndpoint: endpoint }),
  });
}

/** Packages are installed first, and removed at the end: some ten thousand files. */
const timeout = 600_000;

/** What each era sends: its client's span is the parent. */
const CALLS: {
  revision: string;
  trace: string;
  parent: string;
  call(daemon: { home: string; url: string }, _meta: JsonObject): Promise<unknown>;
}[] = [
  {
    revision: "2025-11-25",
    trace: "4bf92f3577b34da6a3ce929d0e0e4736",
    parent: "00f067aa0ba902b7",
    call: async (daemon, _meta) => {
      await using agent = await shimWindow({ ...daemon, cwd: daemon.home, name: "agent" });
      await agent.callTool({ name: "forecast", arguments: {}, _meta });
    },
  },
  {
    revision: "2026-07-28",
    trace: "0af7651916cd43dd8448eb211c80319c",
    parent: "b7ad6b7169203331",
    call: ({ url }, meta) => new ModernHttpClient(url.replace(/^ws/, "http"), { meta }).call("forecast"),
  },
];

Deno.test(
  "a call of either era is seen whole as protobuf: client, EXAI, server, its query",
  { timeout },
  async (test) => {
    await using dir = await tempDir(SERVER_FILES);
    await using receiver = await startReceiver(dir.path);
    await using home = await homeWith(dir.path, receiver.endpoint);
    await Deno.chmod(home.path, 0o700);
    await using daemon = await startDaemon({ home: home.path });
    for (const { revision, trace, parent, call } of CALLS) {
      await test.step(revision, async () => {
        await call(daemon, { traceparent: `00-${trace}-${parent}-01`, tracestate: "shop=1" });
        const spans = await until("all spans", async () => {
          const found = await receiver.spans(trace);
          return found.length === 3 ? found : undefined;
        }, 60_000);
        const below = (id: string) => spans.filter(({ parentSpanId }) => parentSpanId === id);
        const [own] = below(parent);
        const [upstream] = below(own!.spanId);
        const [query] = below(upstream!.spanId);
        const shown = [own, upstream, query].map((span) => [span!.service, span!.kind, span!.name]);
        assertEquals(shown, [
          ["exai", "SPAN_KIND_SERVER", "tools/call forecast"],
          ["weather", "SPAN_KIND_SERVER", "tools/call forecast"],
          ["weather", "SPAN_KIND_CLIENT", "SELECT forecast"],
        ]);
        assertEquals([own!.attributes["mcp.protocol.version"], own!.traceState], [revision, "shop=1"]);
      });
    }
  },
);
