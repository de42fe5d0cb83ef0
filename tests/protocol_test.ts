import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { MIB } from "../lib/base/units.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { statusOf } from "./helpers/http_client.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

Deno.test("a client written for the original daemon works unchanged, two at once", async () => {
  await using it = await testDaemon();
  const session = async (name: string) => {
    const ws = new WebSocket(it.url);
    await new Promise((resolve) => ws.onopen = resolve);
    const reply = () =>
      new Promise<JsonObject>((resolve) => ws.onmessage = (event) => resolve(JSON.parse(event.data)));
    const ask = (frame: JsonObject) => {
      const answer = reply();
      ws.send(JSON.stringify(frame));
      return answer;
    };
    const ack = await ask({ op: "hello", session_id: name, token: "" });
    assertEquals([ack.op, ack.ok, ack.session_id], ["hello_ack", true, name]);
    const list = await ask({ op: "list_tools" });
    assertEquals(list.op, "list_tools_res");
    const names = (list.tools as JsonObject[]).map((tool) => tool.name);
    assertEquals(names.includes("version"), true);
    const version = await ask({ op: "call_tool", request_id: "r1", name: "version", arguments: {} });
    assertEquals([version.op, version.request_id, version.error], ["call_tool_res", "r1", undefined]);
    assertMatch(firstText(version), /0\.1\.0/);
    ws.close();
    await new Promise((resolve) => ws.onclose = resolve);
  };
  await Promise.all([session("one"), session("two")]);
});

Deno.test("hello_ack says who the daemon is and what it allows", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  const { daemon, limits } = client.ack as { daemon: JsonObject; limits: JsonObject };
  assertEquals(daemon.pid, Deno.pid);
  assertEquals(limits.max_bytes, 32 * MIB);
  await client.close();
});

Deno.test("two windows given the same session id by their environment do not meet", async () => {
  await using it = await testDaemon();
  using one = await RawClient.hello(it.url, { session_id: "same" });
  using two = await RawClient.hello(it.url, { session_id: "same" });
  assertEquals(one.ack.session_id, "same");
  assertNotEquals(two.ack.session_id, "same");
  await Promise.all([one.close(), two.close()]);
});

Deno.test("progress comes before the one reply, and calls of one connection run side by side", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const held = odd.nextHold();
  client.send({ op: "call_tool", request_id: 1, name: "hold", arguments: {} });
  await held;
  client.send({ op: "call_tool", request_id: "1", name: "steps", arguments: { total: 2 } });
  assertEquals(await client.next(), {
    op: "progress",
    request_id: "1",
    progress: 1,
    total: 2,
    message: "step 1",
  });
  assertEquals((await client.next()).progress, 2);
  const reply = await client.next();
  assertEquals([reply.op, reply.request_id, firstText(reply)], ["call_tool_res", "1", "done"]);
  odd.release.resolve();
  assertEquals((await client.next()).request_id, 1);
  await client.close();
});

Deno.test("a cancelled call ends with CANCELLED and its tool is aborted", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const held = odd.nextHold();
  client.send({ op: "call_tool", request_id: "c", name: "hold", arguments: {} });
  await held;
  const reply = await client.ask({ op: "cancel", request_id: "c" });
  assertEquals([reply.request_id, (reply.error as JsonObject).code], ["c", "CANCELLED"]);
  await odd.aborted.promise;
  await client.close();
});

Deno.test("a call that takes too long is answered with TIMEOUT in its time, while others go on", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const [late, version] = await Promise.all([
    RawClient.hello(it.url).then(async (other) => {
      using _ = other;
      return await other.call("hangs", {}, { timeout_ms: 50 });
    }),
    client.call("version"),
  ]);
  assertEquals((late.error as JsonObject).code, "TIMEOUT");
  assertEquals(version.error, undefined);
  await client.close();
});

Deno.test("more calls than a session may hold wait; beyond the queue they are told when to come back", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd], settings: { sessionMaxInflight: 1, queueMax: 1 } });
  using client = await RawClient.hello(it.url);
  const held = odd.nextHold();
  for (const request_id of ["running", "waiting", "refused"]) {
    client.send({ op: "call_tool", request_id, name: "hold", arguments: {} });
  }
  await held;
  const refused = await client.next();
  const error = refused.error as JsonObject;
  assertEquals([refused.request_id, error.code], ["refused", "OVER_CAPACITY"]);
  assertEquals(Number(error.retry_after_ms) > 0, true);
  odd.release.resolve();
  assertEquals([(await client.next()).request_id, (await client.next()).request_id], ["running", "waiting"]);
  await client.close();
});

Deno.test("health is what the daemon knows of itself", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  const reply = await client.ask({ op: "health" });
  const health = reply.health as JsonObject;
  assertEquals([reply.op, reply.ok, health.status, health.pid], ["health_res", true, "ok", Deno.pid]);
  const http = await fetch(new URL("/health", it.http));
  assertEquals((await http.json()).status, "ok");
  const metrics = await (await fetch(new URL("/metrics", it.http))).text();
  assertMatch(metrics, /^exai_/m);
  await client.close();
});

Deno.test("a token rotated by its holder is in force at once", async () => {
  await using it = await testDaemon({ settings: { token: "first-secret", tokenGraceMs: 0 } });
  using client = await RawClient.hello(it.url, { token: "first-secret" });
  assertEquals(await client.ask({ op: "rotate_token", old: "wrong", new: "second-secret" }), {
    op: "rotate_token_res",
    ok: false,
    error: "unauthorized",
  });
  assertEquals(await client.ask({ op: "rotate_token", old: "first-secret", new: "second-secret" }), {
    op: "rotate_token_res",
    ok: true,
  });
  using stale = await RawClient.connect(it.url);
  assertEquals((await stale.ask({ op: "hello", token: "first-secret" })).ok, false);
  assertEquals((await stale.closed).code, 4003);
  await assertServes(it.url, { token: "second-secret" });
  await client.close();
});

const FAULTS: [name: string, frame: string, code: string, says: string][] = [
  ["not JSON", "{nonsense", "INVALID_REQUEST", "no JSON"],
  ["not an object", "[1,2]", "INVALID_REQUEST", "object"],
  ["null", "null", "INVALID_REQUEST", "object"],
  ["no op", "{}", "UNKNOWN_OP", "known"],
  ["an unknown op", '{"op":"dance"}', "UNKNOWN_OP", "dance"],
  ["an op named like a property of every object", '{"op":"constructor"}', "UNKNOWN_OP", "constructor"],
  ["an op that is no text", '{"op":7}', "UNKNOWN_OP", "7"],
  ["call_tool without fields", '{"op":"call_tool"}', "INVALID_REQUEST", "request_id"],
  ["call_tool without a name", '{"op":"call_tool","request_id":"r"}', "INVALID_REQUEST", "name"],
  [
    "arguments of the wrong type",
    '{"op":"call_tool","request_id":"r","name":"version","arguments":[1]}',
    "INVALID_REQUEST",
    "arguments",
  ],
  [
    "a negative time-out",
    '{"op":"call_tool","request_id":"r","name":"version","timeout_ms":-1}',
    "INVALID_REQUEST",
    "timeout_ms",
  ],
  ["a second hello", '{"op":"hello"}', "INVALID_REQUEST", "hello already"],
];

for (const [name, frame, code, says] of FAULTS) {
  Deno.test(`a bad frame is answered and the session goes on: ${name}`, async () => {
    await using it = await testDaemon();
    using client = await RawClient.hello(it.url);
    const reply = await client.ask(frame);
    assertEquals([reply.op, reply.code], ["error", code]);
    assertStringIncludes(String(reply.message), says);
    assertEquals((await client.call("version")).error, undefined);
    await client.close();
  });
}

Deno.test("an unknown tool is named in the error", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url);
  const error = (await client.call("no_such_tool")).error as JsonObject;
  assertEquals(error.code, "TOOL_NOT_FOUND");
  assertStringIncludes(String(error.message), "no_such_tool");
  await client.close();
});

Deno.test("a request id in use is refused and the call that has it goes on", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url);
  const held = odd.nextHold();
  client.send({ op: "call_tool", request_id: "r", name: "hold", arguments: {} });
  await held;
  const refused = await client.ask({ op: "call_tool", request_id: "r", name: "hold", arguments: {} });
  assertStringIncludes(String((refused.error as JsonObject).message), "already in use");
  odd.release.resolve();
  assertEquals(firstText(await client.next()), "released");
  assertEquals(odd.runs, 1);
  await client.close();
});

const HELLO_FAULTS: [name: string, frame: string | undefined, code: number][] = [
  ["first frame is no JSON", "{", 4001],
  ["first frame is another op", '{"op":"list_tools"}', 4001],
  ["first frame is MCP", '{"jsonrpc":"2.0","id":1,"method":"ping"}', 4001],
  ["hello with a field of the wrong type", '{"op":"hello","token":7}', 4000],
  ["hello with a session id that is none", '{"op":"hello","session_id":"a b\\n"}', 4000],
  ["no hello at all", undefined, 4002],
];

for (const [name, frame, code] of HELLO_FAULTS) {
  Deno.test(`a connection that does not begin well is closed with ${code}: ${name}`, async () => {
    await using it = await testDaemon({ settings: frame === undefined ? { helloTimeoutMs: 100 } : {} });
    using client = await RawClient.connect(it.url);
    if (frame !== undefined) client.send(frame);
    assertEquals((await client.closed).code, code);
    // In the time of a hello that never comes, another may be too late on a busy machine.
    if (frame === undefined) assertEquals(await statusOf(fetch(new URL("/health", it.http))), 200);
    else await assertServes(it.url);
  });
}
