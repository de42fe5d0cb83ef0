import { assertEquals, assertStringIncludes } from "@std/assert";
import { eachLine, LineJoiner, MAX_JOINED_LINES } from "../lib/transport/line_joiner.ts";
import { ScriptedDaemon, welcome } from "./fixtures/scripted_daemon.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { Shim } from "./helpers/shim.ts";

const KIB = 1024;

function ping(id: number): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method: "ping" });
}

function framesOf(texts: readonly string[]): { frames: string[]; joiner: LineJoiner } {
  const frames: string[] = [];
  const joiner = new LineJoiner((frame) => frames.push(frame));
  for (const text of texts) joiner.send(text);
  return { frames, joiner };
}

Deno.test("messages of one turn go out in one frame, in order, before the event loop turns", async () => {
  const { frames } = framesOf(["a", "b", "c"]);
  assertEquals(frames, []);
  await Promise.resolve();
  assertEquals(frames, ["a\nb\nc"]);
});

Deno.test("a large message goes alone, and none overtakes another", async () => {
  const large = "x".repeat(65 * KIB);
  const half = "y".repeat(40 * KIB);
  const { frames } = framesOf(["a", large, "b", half, half, "c"]);
  await Promise.resolve();
  assertEquals(frames.map((frame) => frame.split("\n").map((line) => line[0]! + line.length)), [
    ["a1"],
    [`x${large.length}`],
    ["b1", `y${half.length}`],
    [`y${half.length}`, "c1"],
  ]);
});

Deno.test("no frame holds more messages than its reader takes", async () => {
  const { frames } = framesOf(Array.from({ length: MAX_JOINED_LINES + 1 }, (_, n) => String(n)));
  await Promise.resolve();
  const lines: string[] = [];
  assertEquals(frames.map((frame) => eachLine(frame, (line) => lines.push(line))), [true, true]);
  assertEquals(lines.length, MAX_JOINED_LINES + 1);
});

Deno.test("a client that asks for it may put several messages into one frame; each is answered", async () => {
  await using it = await testDaemon();
  using client = await RawClient.connect(it.url);
  const frames: string[] = [];
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const ids = () => frames.slice(1).flatMap((frame) => frame.split("\n")).map((line) => JSON.parse(line).id);
  client.socket.onmessage = ({ data }) => {
    frames.push(data);
    if (ids().includes(4)) resolve();
  };
  client.send({ op: "hello", client: "test", lines: true });
  client.send([ping(1), ping(2), "no JSON", ping(3)].join("\n"));
  client.send(ping(4));
  await answered;
  assertEquals(JSON.parse(frames[0]!).lines, true);
  assertEquals(ids().filter((id) => id !== undefined).sort(), [1, 2, 3, 4]);
  assertStringIncludes(frames.join("\n"), "no JSON");
  client.socket.close();
  await client.closed;
});

Deno.test("a frame with too many messages is refused beyond the last it may hold, and the session goes on", async () => {
  await using it = await testDaemon();
  using client = await RawClient.connect(it.url);
  const lines: string[] = [];
  const { promise: last, resolve } = Promise.withResolvers<void>();
  client.socket.onmessage = ({ data }) => {
    lines.push(...data.split("\n"));
    if (data.includes('"id":-1')) resolve();
  };
  client.send({ op: "hello", client: "test", lines: true });
  client.send(Array.from({ length: MAX_JOINED_LINES + 5 }, (_, n) => ping(n)).join("\n"));
  client.send(ping(-1));
  await last;
  assertEquals(lines.filter((line) => JSON.parse(line).id >= 0).length, MAX_JOINED_LINES);
  assertStringIncludes(lines.join("\n"), `at most ${MAX_JOINED_LINES} messages`);
  client.socket.close();
  await client.closed;
});

Deno.test("a client that does not ask gets one message a frame, and may not send more", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  assertEquals(client.ack.lines, undefined);
  assertEquals((await client.ask([ping(1), ping(2)].join("\n"))).op, "error");
  await client.close();
});

Deno.test("the shim takes frames of several messages apart for its client, and joins what its client sends at once", async () => {
  await using daemon = new ScriptedDaemon({ welcome: () => ({ ...welcome(), lines: true }), silent: true });
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  await connection.next();
  await shim.send([8, 9].map((id) => `{"jsonrpc":"2.0","id":${id},"method":"x"}`).join("\n"));
  assertEquals((await connection.nextText()).split("\n").map((line) => JSON.parse(line).id), [8, 9]);
  connection.send([8, 9].map((id) => JSON.stringify({ jsonrpc: "2.0", id, result: {} })).join("\n"));
  assertEquals([(await shim.next()).id, (await shim.next()).id], [8, 9]);
});

Deno.test("a daemon that knows nothing of such frames gets one message in each", async () => {
  await using daemon = new ScriptedDaemon();
  await using shim = await Shim.ready({ port: daemon.port });
  const connection = await daemon.connection();
  await connection.next();
  await shim.send([8, 9].map((id) => `{"jsonrpc":"2.0","id":${id},"method":"x"}`).join("\n"));
  for (const id of [8, 9]) {
    const request = await connection.next();
    assertEquals(request.id, id);
    connection.answer(request);
  }
  assertEquals([(await shim.next()).id, (await shim.next()).id], [8, 9]);
});
