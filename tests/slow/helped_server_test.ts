import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { mountingDaemon } from "../helpers/mounts.ts";

const RESULTS: Readonly<Record<string, JsonObject>> = {
  initialize: {
    protocolVersion: "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "helped", version: "1" },
  },
  "tools/list": { tools: [{ name: "ping", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "pong" }] },
};

/** An MCP server that accepts one token, and answers 401 to any other. */
function guardedServer() {
  const it = { accepted: "", refused: 0 };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    if (request.headers.get("authorization") !== `Bearer ${it.accepted}`) {
      it.refused++;
      return new Response("no", { status: 401 });
    }
    const { id, method } = await request.json() as JsonObject;
    if (id === undefined) return new Response(null, { status: 202 });
    const result = RESULTS[String(method)];
    if (result) return Response.json({ jsonrpc: "2.0", id, result });
    return Response.json({ jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } });
  });
  return Object.assign(it, {
    url: `http://127.0.0.1:${server.addr.port}/mcp`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  });
}

Deno.test("a server is sent the headers that a program prints, and new ones once it refuses the old", async () => {
  await using dir = await tempDir({});
  await using server = guardedServer();
  server.accepted = "canary-token-1";
  const code = `Deno.chdir(${
    JSON.stringify(dir.path)
  }); Deno.writeTextFileSync("runs", ".", { append: true });
    console.log(JSON.stringify({ Authorization: "Bearer canary-token-" + Deno.readTextFileSync("runs").length }))`;
  const entry = { url: server.url, headersHelper: [Deno.execPath(), "eval", code], oauth: false };
  await using it = await mountingDaemon({ helped: entry });
  await using client = await McpWindow.open(it.url);
  const call = async () => {
    const { result } = await client.request("tools/call", { name: "ping", arguments: {} });
    return (result as { content: [{ text: string }] }).content[0].text;
  };
  assertEquals(await call(), "pong");
  assertEquals(server.refused, 0);
  server.accepted = "canary-token-2";
  assertEquals(await call(), "pong");
  assertEquals(server.refused, 1);
  assertEquals(await call(), "pong");
  assertEquals((await Deno.readTextFile(`${dir.path}/runs`)).length, 2);
});
