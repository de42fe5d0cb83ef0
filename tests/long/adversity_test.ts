import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { WebSocket as NodeWebSocket } from "ws";
import { MIB } from "../../lib/base/units.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { OddServer } from "../helpers/odd_server.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";
import { connectRaw } from "../helpers/raw_socket.ts";

Deno.test("a binary frame is answered and the session goes on", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  client.socket.send(new Uint8Array([1, 2, 3]));
  assertStringIncludes(String((await client.next()).message), "text");
  assertEquals((await client.call("version")).error, undefined);
  await client.close();
});

for (const mib of [33, 65]) {
  Deno.test(`a frame of ${mib} MiB closes its connection and nothing else`, async () => {
    await using it = await testDaemon();
    using client = await RawClient.hello(it.url);
    client.send("x".repeat(mib * MIB));
    const { code } = await client.closed;
    // The runtime itself refuses what is beyond 64 MiB, and it cuts the connection in the middle of the frame.
    assert(code === 1009 || mib > 64, `closed with ${code}`);
    await assertServes(it.url);
  });
}

Deno.test("a message of twelve 20 MiB fragments closes its connection and nothing else", async () => {
  await using it = await testDaemon();
  const socket = new NodeWebSocket(it.url);
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send(JSON.stringify({ op: "hello" }));
  await new Promise((resolve) => socket.once("message", resolve));
  const closed = new Promise<number>((resolve) => {
    socket.once("close", (code: number) => resolve(code));
    socket.once("error", () => resolve(1006));
  });
  const fragment = "x".repeat(20 * MIB);
  for (let i = 0; i < 12; i++) socket.send(fragment, { fin: i === 11 }, () => {});
  const code = await closed;
  assert([1006, 1009].includes(code), `closed with ${code}`);
  await assertServes(it.url);
});

Deno.test("a message just within the limit is served", async () => {
  await using it = await testDaemon({ settings: { maxFrameBytes: MIB } });
  using client = await RawClient.hello(it.url);
  const frame = (pad: number) =>
    JSON.stringify({ op: "call_tool", request_id: "r", name: "version", x: "x".repeat(pad) });
  const reply = await client.ask(frame(MIB - frame(0).length));
  assertEquals([reply.op, reply.error], ["call_tool_res", undefined]);
  client.send(frame(MIB - frame(0).length + 1));
  assertEquals((await client.closed).code, 1009);
});

Deno.test("a client that never reads is dropped and costs bounded memory", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd], settings: { maxQueuedBytes: 4 * MIB } });
  using socket = await connectRaw(it.url);
  await socket.send(JSON.stringify({ op: "hello" }));
  await socket.readUntil("hello_ack");
  for (let i = 0; i < 12; i++) {
    await socket.send(
      JSON.stringify({ op: "call_tool", request_id: i, name: "large", arguments: { mib: 2 } }),
    );
  }
  // Its session ends although it will never read the close frame; that is what frees what was queued for it.
  using client = await RawClient.hello(it.url);
  for (;;) {
    const { health } = await client.ask({ op: "health" }) as { health: { sessions: number } };
    if (health.sessions === 1) break;
  }
  await client.close();
});

Deno.test("a thousand idle connections leave the daemon serving", async () => {
  await using it = await testDaemon();
  const clients: RawClient[] = [];
  // So many at a time as may be without a hello.
  while (clients.length < 1000) {
    clients.push(...await Promise.all(Array.from({ length: 100 }, () => RawClient.hello(it.url))));
  }
  await assertServes(it.url);
  await Promise.all(clients.map((client) => client.close()));
});

Deno.test("connections that come and go, two hundred in a row, leave nothing behind", async () => {
  await using it = await testDaemon();
  for (let i = 0; i < 200; i += 10) {
    await Promise.all(Array.from({ length: 10 }, async (_, n) => {
      using client = await RawClient.hello(it.url);
      if (n % 2 === 0) await client.close();
    }));
  }
  using client = await RawClient.hello(it.url);
  for (;;) {
    const { health } = await client.ask({ op: "health" }) as {
      health: { sessions: number; connections: number };
    };
    if (health.sessions === 1 && health.connections === 1) break;
  }
  await client.close();
});

Deno.test("a connection beyond the limit is told so, and a place that is freed can be taken", async () => {
  await using it = await testDaemon({ settings: { maxConnections: 1 } });
  using first = await RawClient.hello(it.url);
  using second = await RawClient.connect(it.url);
  assertEquals((await second.closed).code, 4029);
  await first.close();
  await assertServes(it.url);
});

Deno.test("the tool of a client that vanishes in mid-call is aborted", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using socket = await connectRaw(it.url);
  await socket.send(JSON.stringify({ op: "hello" }));
  await socket.readUntil("hello_ack");
  const held = odd.nextHold();
  await socket.send(JSON.stringify({ op: "call_tool", request_id: 1, name: "hold" }));
  await held;
  socket[Symbol.dispose]();
  assertStringIncludes(String(await odd.aborted.promise), "gone away");
  await assertServes(it.url);
});

Deno.test("a tool that throws fails its own call only", async () => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  using client = await RawClient.hello(it.url);
  const error = (await client.call("throws")).error as { code: string; message: string };
  assertEquals([error.code, error.message], ["INTERNAL", "the tool fell over"]);
  assertEquals((await client.call("version")).error, undefined);
  await client.close();
});

Deno.test("a tool that returns 20 MiB is delivered whole", async () => {
  await using it = await testDaemon({ servers: [new OddServer()] });
  using client = await RawClient.hello(it.url);
  assertEquals(firstText(await client.call("large")).length, 20 * MIB);
  await client.close();
});

Deno.test("an answer no message can hold becomes an error that says so", async () => {
  await using it = await testDaemon({ servers: [new OddServer()], settings: { maxFrameBytes: MIB } });
  using client = await RawClient.hello(it.url);
  const error = (await client.call("large", { mib: 2 })).error as { code: string };
  assertEquals(error.code, "TOO_LARGE");
  assertEquals((await client.call("version")).error, undefined);
  await client.close();
});

for (const name of ["nothing", "undefined", "circular"]) {
  Deno.test(`a tool whose result is ${name} gets an answer all the same`, async () => {
    await using it = await testDaemon({ servers: [new OddServer()] });
    using client = await RawClient.hello(it.url);
    const reply = await client.call(name);
    if (name === "nothing") assertEquals(reply.outputs, []);
    else assertEquals((reply.error as { code: string }).code, "INTERNAL");
    await assertServes(it.url);
    await client.close();
  });
}

Deno.test("a hung tool gives its permit back when its time is up", async () => {
  await using it = await testDaemon({ servers: [new OddServer()], settings: { sessionMaxInflight: 1 } });
  using client = await RawClient.hello(it.url);
  const error = (await client.call("hangs", {}, { timeout_ms: 30 })).error as { code: string };
  assertEquals(error.code, "TIMEOUT");
  assertEquals((await client.call("version")).error, undefined);
  await client.close();
});
