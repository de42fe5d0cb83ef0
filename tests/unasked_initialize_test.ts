import { assertEquals } from "@std/assert";
import { eraEntry } from "./helpers/eras_matrix.ts";
import { mountingDaemon } from "./helpers/mounts.ts";

/** The response to a POST of a client that can tell its roots, and is asked for them nowhere. */
async function post(url: URL, message: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify(message),
  });
}

Deno.test("a client with roots has the answer to its first initialize before it is asked anything", async () => {
  await using it = await mountingDaemon({ plain: eraEntry("legacy") });
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: { roots: { listChanged: true } },
    clientInfo: { name: "rooted", version: "1" },
  };
  const fromMs = performance.now();
  const message = { jsonrpc: "2.0", id: 1, method: "initialize", params };
  const response = await post(new URL("/mcp/plain", it.http), message);
  const text = await response.text();
  // Who waits for roots that nobody can tell yet waits for ten seconds.
  assertEquals([performance.now() - fromMs < 8000, text.includes("protocolVersion")], [true, true], text);
  assertEquals(text.includes("roots/list"), false, text);
});

Deno.test("a server that is not there is an error with the code of the client's era", async () => {
  await using it = await mountingDaemon({});
  const message = { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} };
  const codes = ["2026-07-28", "2025-11-25"].map(async (revision) => {
    const response = await post(new URL("/mcp/nowhere", it.http), message, {
      "mcp-protocol-version": revision,
    });
    return (await response.json()).error.code;
  });
  assertEquals(await Promise.all(codes), [-32602, -32002]);
});
