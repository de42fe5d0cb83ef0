import { assertEquals, assertRejects } from "@std/assert";
import { DenoListener } from "../lib/edge/deno_listener.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { connectRaw } from "./helpers/raw_socket.ts";

Deno.test("a web page cannot connect: a foreign Origin is refused", async () => {
  await using it = await testDaemon();
  for (const Origin of ["https://evil.example", "null", "http://127.0.0.1:3000"]) {
    await assertRejects(() => connectRaw(it.url, { Origin }), Error, "403");
  }
  await assertServes(it.url);
});

Deno.test("an Origin on the list is served", async () => {
  await using it = await testDaemon({ settings: { allowedOrigins: ["https://mine.example"] } });
  using _socket = await connectRaw(it.url, { Origin: "https://mine.example" });
});

Deno.test("a rebound name is refused: a foreign Host gets nowhere", async () => {
  await using it = await testDaemon();
  for (const Host of ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""]) {
    await assertRejects(() => connectRaw(it.url, { Host }), Error, "403");
    await assertRejects(() => connectRaw(it.url, { Host, Upgrade: "none" }), Error, "403");
  }
  await assertServes(it.url);
});

Deno.test("without the token there is no session, no health and no metrics", async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  for (const token of [undefined, "", "correct-hors", "correct-horse-"]) {
    using client = await RawClient.connect(it.url);
    const ack = await client.ask({ op: "hello", token });
    assertEquals(ack, { op: "hello_ack", ok: false, error: "unauthorized" });
    assertEquals((await client.closed).code, 4003);
  }
  for (const path of ["/health", "/metrics"]) {
    const refused = await fetch(new URL(path, it.http));
    assertEquals(refused.status, 401);
    await refused.body?.cancel();
    const served = await fetch(new URL(path, it.http), {
      headers: { authorization: "Bearer correct-horse" },
    });
    assertEquals(served.status, 200);
    await served.body?.cancel();
  }
  await assertRejects(() => RawClient.connect(it.url, ["mcp"]));
  await assertServes(it.url, { token: "correct-horse" });
});

Deno.test("a token made by the daemon is private to the user and the same after a restart", async () => {
  const home = await Deno.makeTempDir();
  let token: string;
  {
    await using it = await testDaemon({ settings: { token: "auto", home } });
    token = (await Deno.readTextFile(`${home}/token`)).trim();
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(`${home}/token`)).mode! & 0o777, 0o600);
      assertEquals((await Deno.stat(home)).mode! & 0o777, 0o700);
    }
    await assertServes(it.url, { token });
  }
  await using again = await testDaemon({ settings: { token: "auto", home } });
  await assertServes(again.url, { token });
  await Deno.remove(home, { recursive: true }).catch(() => {});
});

Deno.test("a server that a faulty handler has stopped comes back on its port", async () => {
  let faulty = true;
  await using listener = new DenoListener({
    hostname: "127.0.0.1",
    port: 0,
    handler: (request) => {
      if (!faulty) return new Response("well");
      faulty = false;
      Deno.upgradeWebSocket(request);
      throw new Error("after the upgrade");
    },
  });
  const { port } = listener.address as Deno.NetAddr;
  // The connection that was being upgraded is never answered: its client learns nothing until it is dropped.
  using _victim = await openUpgrade(port);
  await listener.restarted;
  assertEquals(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "well");
});

async function openUpgrade(port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const head = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  await conn.write(new TextEncoder().encode(head));
  return conn;
}
