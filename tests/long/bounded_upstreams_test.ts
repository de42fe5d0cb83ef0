import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { MIB } from "../../lib/base/units.ts";
import { type Flood, FloodingServer } from "../helpers/flooding_server.ts";
import { startDaemon } from "../helpers/program.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const IS_LINUX = Deno.build.os === "linux";
const LIMIT = "4194304";

/** A real daemon with a small limit on messages and the servers at `urls`, and a client of it. */
async function daemonWith(servers: Record<string, JsonObject>) {
  const home = await Deno.makeTempDir({ prefix: "exai-flood-" });
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: servers }));
  const daemon = await startDaemon({ home, env: { EXAI_WS_MAX_BYTES: LIMIT, EXAI_WS_CALL_TIMEOUT: "5" } });
  const client = await RawClient.hello(daemon.url);
  return {
    client,
    url: daemon.url,
    peakBytes: () => peakBytesOf(daemon.process.pid),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
      await Deno.remove(home, { recursive: true });
    },
  };
}

/** The most memory the process has ever had. */
function peakBytesOf(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kib) * 1024;
}

function errorOf(reply: JsonObject): JsonObject {
  assert(reply.error, JSON.stringify(reply).slice(0, 300));
  return reply.error as JsonObject;
}

Deno.test({
  name: "whatever a server behind a URL floods an answer with, the call fails by name and memory stays flat",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using it = await daemonWith({ flood: { url: `${server.url}/mcp` } });
    assertEquals(firstText(await it.client.call("ping")), "pong");
    const before = it.peakBytes();
    const tooLarge: Flood[] = [
      "gzip body",
      "endless body",
      "one endless event",
      "an endless comment",
      "endless comments",
      "an endless field",
      "endless data lines",
      "gzip event",
    ];
    for (const flood of tooLarge) {
      server.flood = flood;
      const error = errorOf(await it.client.call("ping"));
      assertEquals([flood, error.code], [flood, "TOO_LARGE"]);
      assertMatch(String(error.message), /server "flood" sent an? \w+ of more than 4 MiB/);
    }
    for (const flood of ["gzip error 500", "gzip error 401"] as const) {
      server.flood = flood;
      const { message } = errorOf(await it.client.call("ping"));
      assertMatch(String(message), /server "flood"/);
      assert(String(message).length < 6000);
    }
    server.flood = undefined;
    assertEquals(firstText(await it.client.call("ping")), "pong", "and the server is not left alone for it");
    const grown = it.peakBytes() - before;
    assert(grown < 250 * MIB, `memory grew by ${grown / MIB} MiB`);
  },
});

Deno.test({
  name: "an endless stream of small events takes no memory, and its call ends with its time limit",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using it = await daemonWith({ flood: { url: `${server.url}/mcp`, callTimeoutMs: 2000 } });
    assertEquals(firstText(await it.client.call("ping")), "pong");
    const before = it.peakBytes();
    server.flood = "endless small events";
    using other = await RawClient.hello(it.url);
    const [reply, version] = await Promise.all([it.client.call("ping"), other.call("version")]);
    assertEquals(errorOf(reply).code, "TIMEOUT");
    assertEquals(version.error, undefined, "others are answered meanwhile");
    const grown = it.peakBytes() - before;
    assert(grown < 250 * MIB, `memory grew by ${grown / MIB} MiB`);
  },
});

Deno.test({
  name: "a server whose own stream never ends an event is given up by name, of either transport",
  ignore: !IS_LINUX,
  async fn() {
    await using server = new FloodingServer();
    await using it = await daemonWith({
      legacy: { type: "sse", url: `${server.url}/sse` },
      modern: { type: "http", url: `${server.url}/mcp-get` },
    });
    const before = it.peakBytes();
    await it.client.ask({ op: "list_tools" });
    await it.client.call("ping");
    const errorsOf = async () => {
      const { servers } = await (await fetch(new URL("/status", it.url.replace("ws", "http")))).json();
      return servers.map(({ last_error }: JsonObject) => String(last_error));
    };
    const isSaid = (error: string) => /an event of more than 4 MiB/.test(error);
    await until(
      "the error of each server",
      async () => (await errorsOf()).every(isSaid) || undefined,
      10_000,
    );
    const grown = it.peakBytes() - before;
    assert(grown < 250 * MIB, `memory grew by ${grown / MIB} MiB`);
    assertEquals((await it.client.call("version")).error, undefined);
  },
});
