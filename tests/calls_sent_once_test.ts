import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { BreakingServer } from "./helpers/breaking_server.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

const RESULTS: Readonly<Record<string, JsonObject>> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "breaking", version: "1" },
  },
  "tools/list": { tools: [{ name: "pay", inputSchema: { type: "object" } }] },
  "tools/call": { content: [{ type: "text", text: "paid" }] },
};

/** A Streamable HTTP server that drops its connection in place of the answer to each call whose number `breaks` takes. */
function payingServer(breaks: (call: number) => boolean) {
  let calls = 0;
  const server = new BreakingServer({
    answer(body) {
      const { id, method } = (body === "" ? {} : JSON.parse(body)) as JsonObject;
      if (method === "tools/call" && breaks(++calls)) return undefined;
      return { jsonrpc: "2.0", id, result: RESULTS[String(method)] ?? {} };
    },
  });
  return { server, calls: () => calls };
}

Deno.test("a call to a server behind a URL is sent once when the connection breaks on which others were answered", async () => {
  const { server, calls } = payingServer((call) => call === 3);
  await using _server = server;
  await using it = await mountingDaemon({ shop: { url: `${server.url}/mcp` } });
  using client = await RawClient.hello(it.url);
  for (let n = 0; n < 2; n++) assertEquals(firstText(await client.call("pay")), "paid");
  const broken = await client.call("pay");
  assertMatch(String((broken.error as JsonObject).message), /was under way and may have run/);
  assertEquals(calls(), 3);
  assertEquals([firstText(await client.call("pay")), calls()], ["paid", 4]);
  await client.close();
});

Deno.test("calls that follow one another to a server behind a URL share its connections", async () => {
  const { server, calls } = payingServer(() => false);
  await using _server = server;
  await using it = await mountingDaemon({ shop: { url: `${server.url}/mcp` } });
  using client = await RawClient.hello(it.url);
  await client.call("pay");
  const before = server.connections;
  for (let n = 0; n < 20; n++) await client.call("pay");
  assertEquals([calls(), server.connections - before < 5], [21, true]);
  await client.close();
});
