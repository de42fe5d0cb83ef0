/** One call seen whole, from client to server, by a receiver of OTLP that nobody here has written. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { signalProgram, startDaemon } from "../helpers/program.ts";
import { shimWindow } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN = "00f067aa0ba902b7";

/**
 * The telemetry server of Genkit, which takes OTLP as JSON. Its packages are not in this project's lock file. Of the two
 * builds it has, that of ES modules imports files that are not there.
 */
const COLLECTOR = `
import server from "npm:@genkit-ai/telemetry-server@1.43.0";
const dir = Deno.args[0];
const store = (name) => ({ storeRoot: dir + "/" + name, indexRoot: dir + "/" + name + "-index", filters: {} });
const traceStore = new server.LocalFileTraceStore(store("traces"));
await server.startTelemetryServer({ port: Number(Deno.args[1]), traceStore, logStore: new server.LocalFileLogStore(store("logs")) });
`;

interface Collected {
  spanId: string;
  parentSpanId?: string;
  displayName: string;
  spanKind: string;
  attributes: JsonObject;
  instrumentationLibrary: { name: string };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function startCollector(dir: string) {
  const port = freePort();
  const program = `${dir}/collector.mjs`;
  await Deno.writeTextFile(program, COLLECTOR);
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-lock",
      "--no-config",
      "--quiet",
      "--conditions=require",
      program,
      dir,
      String(port),
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  const health = () => fetch(`${url}/api/__health`).then(async (answer) => (await answer.text()) === "OK");
  await until("the collector", async () => await health().catch(() => false) || undefined, timeout);
  return {
    endpoint: `${url}/api/otlp`,
    async spans(): Promise<Collected[]> {
      const answer = await fetch(`${url}/api/traces/${TRACE}`);
      const trace = await answer.json().catch(() => undefined);
      return Object.values(trace?.spans ?? {});
    },
    async [Symbol.asyncDispose]() {
      signalProgram(process, "SIGKILL");
      await process.status;
    },
  };
}

/** Its packages are downloaded first: 110 MB. */
const timeout = 300_000;

Deno.test("a call of a window is seen whole in a collector: client, EXAI, server", { timeout }, async () => {
  await using dir = await tempDir({});
  await using collector = await startCollector(dir.path);
  await using home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const server = {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", fromFileUrl(new URL("../fixtures/traced_server.ts", import.meta.url))],
    env: {
      DENO_DIR: Deno.env.get("DENO_DIR") ?? "",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    },
  };
  await Deno.writeTextFile(`${home.path}/mcp.json`, JSON.stringify({ mcpServers: { up: server } }));
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" };
  await using daemon = await startDaemon({ home: home.path, env });
  await using agent = await shimWindow({ ...daemon, cwd: dir.path, name: "agent" });
  const _meta = { traceparent: `00-${TRACE}-${CLIENT_SPAN}-01` };
  await agent.callTool({ name: "traced", arguments: {}, _meta });
  const spans = await until("both spans", async () => {
    const found = await collector.spans();
    return found.length >= 2 ? found : undefined;
  });
  const [own, child] = ["exai", "traced-server"].map((library) =>
    spans.find(({ instrumentationLibrary }) => instrumentationLibrary.name === library)!
  );
  assertEquals([own!.displayName, own!.spanKind], ["tools/call traced", "SERVER"]);
  assertEquals([own!.attributes["exai.server"], own!.attributes["exai.client.name"]], ["up", "agent"]);
  assertEquals(child!.parentSpanId, own!.spanId);
  // Whose span is not here it takes for a root, once all are there.
  assertEquals([undefined, CLIENT_SPAN].includes(own!.parentSpanId), true);
});
