import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { namesProxies, withoutProxies } from "../../lib/config/process_variables.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

/** A proxy that notes whom it is asked for and refuses. */
function fakeProxy() {
  const asked: string[] = [];
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (conn: Deno.Conn) => {
    const buffer = new Uint8Array(4096);
    const count = await conn.read(buffer).catch(() => null);
    asked.push(new TextDecoder().decode(buffer.subarray(0, count ?? 0)).split("\r\n")[0]!);
    await conn.write(new TextEncoder().encode("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")).catch(
      () => {},
    );
    conn.close();
  };
  const done = (async () => {
    const serving: Promise<void>[] = [];
    for await (const conn of server) serving.push(serve(conn));
    await Promise.all(serving);
  })().catch(() => {});
  return {
    asked,
    url: `http://127.0.0.1:${server.addr.port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      await done;
    },
  };
}

/** An MCP server and an Ollama on loopback, by the names a user writes. */
function localServices() {
  const paths: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    paths.push(pathname);
    if (pathname === "/api/version") return Response.json({ version: "1" });
    if (pathname.startsWith("/api/")) return Response.json({ models: [{ name: "local-model" }] });
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method } = await request.json();
    if (id === undefined) return new Response(null, { status: 202 });
    return Response.json({ jsonrpc: "2.0", id, result: RESULTS[method] ?? {} });
  });
  return { paths, port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

const RESULTS: Record<string, JsonObject> = {
  initialize: {
    protocolVersion: "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "url", version: "1" },
  },
  "tools/list": { tools: [{ name: "local_tool", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "from the local server" }] },
};

for (const noProxy of [undefined, "localhost", "*", "localhost:80,127.0.0.1,::1"]) {
  Deno.test(`with proxies set and NO_PROXY ${noProxy ?? "missing"}, nothing on this machine goes through a proxy`, async () => {
    await using proxy = fakeProxy();
    await using local = localServices();
    await using home = await tempDir({
      "mcp.json": JSON.stringify({
        mcpServers: {
          here: { url: `http://127.0.0.1:${local.port}/mcp` },
          named: { url: `http://localhost:${local.port}/mcp` },
          elsewhere: { url: "http://elsewhere.invalid/mcp" },
        },
      }),
    });
    await Deno.chmod(home.path, 0o700);
    const env: Record<string, string> = { DENO_NO_UPDATE_CHECK: "1", OLLAMA_HOST: `localhost:${local.port}` };
    for (const name of ["HTTP_PROXY", "https_proxy", "ALL_PROXY"]) env[name] = proxy.url;
    if (noProxy !== undefined) env.NO_PROXY = noProxy;
    await using it = await startDaemon({ home: home.path, env });
    const port = new URL(it.url).port;
    for (const socket of ["auto", "off"]) {
      const shimEnv = { ...env, EXAI_SOCKET: socket, LOG_LEVEL: "debug" };
      await using shim = await Shim.start({ home: home.path, port: Number(port), env: shimEnv });
      await shim.initialize({ ...INITIALIZE, capabilities: {} });
      assertEquals((await shim.call("version")).error, undefined);
      assertEquals(shim.stderr.includes("not through"), false, shim.stderr);
      const called = await Promise.all(
        ["here__local_tool", "named__local_tool"].map((name) => shim.call(name)),
      );
      for (const answer of called) assertStringIncludes(JSON.stringify(answer), "from the local server");
      assertStringIncludes(JSON.stringify(await shim.call("listmodels")), "local-model");
    }
    const ps = await runDaemon({ home: home.path, env: { ...env, EXAI_WS_PORT: port }, args: ["ps"] });
    assertStringIncludes(ps.stdout, "named");
    // Whatever is elsewhere goes on obeying the variables.
    const elsewhere = proxy.asked.filter((line) => line.includes("elsewhere.invalid"));
    assertEquals(proxy.asked.length > 0, noProxy !== "*");
    assertEquals(proxy.asked, elsewhere);
  });
}

Deno.test("variables that name proxies are the same again when a client has been made without them", () => {
  const before = Deno.env.toObject();
  const names = { HTTP_PROXY: "http://a.invalid", all_proxy: "http://b.invalid", No_Proxy: "c" };
  for (const [name, value] of Object.entries(names)) Deno.env.set(name, value);
  const set = Deno.env.toObject();
  try {
    assertEquals([namesProxies(), withoutProxies(() => namesProxies())], [true, false]);
    assertEquals(Deno.env.toObject(), set);
  } finally {
    for (const name of Object.keys(names)) Deno.env.delete(name);
  }
  assertEquals(Deno.env.toObject(), before);
});
