import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { connectRaw } from "./helpers/raw_socket.ts";
import { INITIALIZE } from "./helpers/shim.ts";

const call = (id: number, name: string) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name } });

/** A session that can be resumed, cut off with `hold` running under id 1. */
async function cutOff(url: string, odd: OddServer) {
  using socket = await connectRaw(url);
  await socket.send(JSON.stringify({ op: "hello", session_id: "window", resume: true }));
  const seen = await socket.readUntil("resume_token");
  const held = odd.nextHold();
  await socket.send(JSON.stringify(call(1, "hold")));
  await held;
  return /"resume_token":"([^"]+)"/.exec(seen)![1]!;
}

Deno.test("a cut connection loses no answer: the call goes on and its answer is there on return", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  const token = await cutOff(it.url, odd);
  odd.release.resolve();
  using client = await RawClient.hello(it.url, { session_id: "window", resume: { token, waiting: [1, 2] } });
  assertEquals(client.ack.unseen, [2]);
  const answer = await client.next();
  assertEquals([answer.id, odd.runs], [1, 1]);
  await client.close();
});

Deno.test("a call that still runs when its client comes back answers there, once", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  const token = await cutOff(it.url, odd);
  using client = await RawClient.hello(it.url, { session_id: "window", resume: { token, waiting: [1] } });
  assertEquals(client.ack.unseen, []);
  odd.release.resolve();
  assertEquals((await client.next()).id, 1);
  assertEquals((await client.ask({ jsonrpc: "2.0", id: 3, method: "ping" })).id, 3);
  await client.close();
});

Deno.test("an answer the client has confirmed is not sent again", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url, { session_id: "w", resume: true });
  await client.ask(call(1, "version"));
  await client.ask(call(2, "version"));
  client.send({ op: "received", answers: 1 });
  await client.ask({ op: "health" });
  const resume = { token: client.ack.resume_token!, waiting: [1, 2] };
  using again = await RawClient.hello(it.url, { session_id: "w", resume });
  assertEquals((await client.closed).code, 4008);
  assertEquals(again.ack.unseen, [1]);
  assertEquals((await again.next()).id, 2);
  await again.close();
});

Deno.test("what is said in place of an answer that was not kept counts as an answer does", async () => {
  await using it = await testDaemon();
  using client = await RawClient.hello(it.url, { session_id: "w", resume: true });
  // One more than are kept for a client that confirms none.
  const last = 257;
  for (let id = 1; id <= last; id++) await client.ask(call(id, "version"));
  const token = client.ack.resume_token!;
  const comeBack = (waiting: number[]) =>
    RawClient.hello(it.url, { session_id: "w", resume: { token, waiting } });
  using again = await comeBack([1, last - 1, last]);
  const heard = [await again.next(), await again.next(), await again.next()];
  assertEquals(heard.map(({ id }) => id), [last - 1, last, 1]);
  // Two of the three have arrived when the connection is cut.
  again.send({ op: "received", answers: 2 });
  await again.ask({ op: "health" });
  using third = await comeBack([1]);
  assertEquals(third.ack.unseen, []);
  const { id, error } = await third.next();
  assertEquals([id, ((error as JsonObject).data as JsonObject).code], [1, "OUTCOME_UNKNOWN"]);
  await third.close();
});

Deno.test("progress of a task is not sent again after a cut, nor does it make other messages be", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  const hello = { session_id: "w", receipts: true };
  using client = await RawClient.hello(it.url, { ...hello, resume: true });
  await client.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params: INITIALIZE });
  const begun = odd.nextHold();
  client.send(call(1, "hold"));
  const { caller } = await begun;
  for (let progress = 1; progress <= 3; progress++) {
    caller.notify("notifications/progress", { progressToken: "task", progress });
  }
  caller.notify("notifications/resources/updated", { uri: "file:///a" });
  await client.nextWhere(({ method }) => method === "notifications/resources/updated");
  const resume = { token: client.ack.resume_token!, waiting: [1], posts: 1 };
  using again = await RawClient.hello(it.url, { ...hello, resume });
  odd.release.resolve();
  assertEquals((await again.next()).id, 1);
  await again.close();
});

Deno.test("nobody takes over a session without its token", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  await cutOff(it.url, odd);
  for (const token of ["", "guess", crypto.randomUUID()]) {
    using thief = await RawClient.hello(it.url, { session_id: "window", resume: { token, waiting: [1] } });
    assertEquals([thief.ack.session_id === "window", thief.ack.unseen], [false, undefined]);
    await thief.close();
  }
});

Deno.test("a session whose client does not come back ends, and its calls with it", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd], settings: { resumeWindowMs: 50 } });
  await cutOff(it.url, odd);
  assertEquals((await odd.aborted.promise as { code: string }).code, "CANCELLED");
});

Deno.test("a client that says goodbye ends its session at once", async () => {
  const odd = new OddServer();
  await using it = await testDaemon({ servers: [odd] });
  using client = await RawClient.hello(it.url, { session_id: "w", resume: true });
  const held = odd.nextHold();
  client.send(call(1, "hold"));
  await held;
  client.socket.close(1000);
  await client.closed;
  await odd.aborted.promise;
  using next = await RawClient.hello(it.url, { session_id: "w" } as JsonObject);
  assertEquals(next.ack.session_id, "w");
  await next.close();
});
