import { assertEquals } from "@std/assert";
import { testDaemon } from "./helpers/daemon.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";

const hold = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hold" } };

Deno.test("a client that asks for it is nudged while its call runs, so that its TCP holds nothing back", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url, { nudge: true });
  client.send(hold);
  assertEquals(await client.next(), { op: "nudge" });
  odd.release.resolve();
  assertEquals((await client.next()).id, 1);
  await client.close();
});

Deno.test("a client that does not ask gets nothing it did not ask for", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const held = odd.nextHold();
  client.send(hold);
  await held;
  assertEquals((await client.ask({ op: "health" })).op, "health_res");
  odd.release.resolve();
  assertEquals((await client.next()).id, 1);
  await client.close();
});
