import { assertEquals } from "@std/assert";
import { testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { rawServer } from "./helpers/raw_server.ts";

Deno.test("what a server tells a window that is cut off reaches it when it comes back", async () => {
  await using raw = rawServer({
    capabilities: { resources: { subscribe: true } },
    answer: ({ method }) =>
      method === "resources/list" ? { resources: [{ uri: "test://r", name: "r" }] } : {},
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  using client = await RawClient.hello(it.url, { resume: true });
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "w", version: "1" } };
  await client.ask({ jsonrpc: "2.0", id: 1, method: "initialize", params });
  client.send({ jsonrpc: "2.0", id: 2, method: "resources/subscribe", params: { uri: "test://r" } });
  await client.nextWhere(({ id }) => id === 2);
  client.socket.close();
  await client.closed;
  const updated = { method: "notifications/resources/updated", params: { uri: "test://r" } };
  for (let i = 0; i < 3; i++) raw.connections[0]!.send(updated);
  const { session_id, resume_token } = client.ack;
  using again = await RawClient.connect(it.url);
  again.send({ op: "hello", session_id, resume: { token: resume_token, waiting: [] } });
  // Of the same change told in quick succession the first and the last are passed on.
  for (let i = 0; i < 2; i++) {
    const { params } = await again.nextWhere(({ method }) => method === updated.method);
    assertEquals(params, updated.params);
  }
});
