import { assertEquals, assertRejects } from "@std/assert";
import type { Call } from "../lib/call/call.ts";
import { ModernReply } from "../lib/edge/modern_reply.ts";
import { RoundTrips } from "../lib/round_trips/round_trips.ts";
import { ImplicitSessions } from "../lib/session/implicit_sessions.ts";
import { ModernPeer } from "../lib/session/modern_peer.ts";
import { ModernTenants } from "../lib/session/modern_tenants.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { daemonHooks } from "./helpers/memory_channel.ts";
import { modernRequest } from "./helpers/modern.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

function reply() {
  const gone: string[] = [];
  const it = new ModernReply({
    maxQueuedBytes: 1000,
    completed: new Promise(() => {}),
    onGone: ({ message }) => gone.push(message),
  });
  return { it, gone };
}

Deno.test("an answer within five seconds is JSON with the status of its error, and nothing follows it", async () => {
  using clock = new FakeClock();
  const { it } = reply();
  await clock.pass(4 * SECOND);
  it.finish("{}", -32601);
  it.notify("late");
  const response = await it.response;
  assertEquals([response.status, await response.text()], [404, "{}"]);
  assertEquals(clock.pending, 0);
});

Deno.test("an answer that takes longer comes on a stream, which is kept alive by comments", async () => {
  using clock = new FakeClock();
  const { it } = reply();
  await clock.pass(5 * SECOND);
  const response = await it.response;
  await clock.pass(31 * SECOND);
  it.finish('{"id":1}', -32601);
  assertEquals(response.status, 200);
  assertEquals(await response.text(), ':\n\n:\n\n:\n\nevent: message\ndata: {"id":1}\n\n');
  assertEquals(clock.pending, 0);
});

Deno.test("a client that does not read its stream is cut off, and its request is cancelled", async () => {
  using clock = new FakeClock();
  const { it, gone } = reply();
  it.notify("x".repeat(2000));
  const response = await it.response;
  await clock.settle();
  assertEquals(gone.length, 1);
  await assertRejects(() => response.text());
  it.notify("more");
  it.finish("{}", undefined);
  assertEquals(clock.pending, 0);
});

function implicit(maxSessions = 10) {
  const it = daemonHooks();
  const sessions = new ImplicitSessions({
    registry: it.registry,
    modernPeer: (session) =>
      new ModernPeer(session, new ModernTenants(session, () => {}), {
        target: it.hooks.target,
        roundTrips: new RoundTrips(),
        serverInfo: { name: "exai", version: "1" },
      }),
    toolNamed: () => Promise.resolve(undefined),
    maxSessions,
  });
  const ask = (cwd: string, method = "tools/list") => {
    const message = readRawMessage(JSON.stringify(modernRequest(1, method)), { depth: 99, members: 999 });
    if (message?.kind !== "request") throw new Error("no request");
    const options = {
      headers: new Headers(),
      bytes: 10,
      send: () => {},
      signal: new AbortController().signal,
    };
    return sessions.of({ cwd, principal: { id: "ada", isOwner: true } }).answer(message, options);
  };
  return { ...it, ask, ids: () => Array.from(it.registry, ({ id }) => id) };
}

Deno.test("the session of a client that has none lasts ten minutes after its last request", async () => {
  using clock = new FakeClock();
  const { ask, ids } = implicit();
  await ask("/a");
  const [first] = ids();
  await clock.pass(9 * MINUTE);
  await ask("/a");
  await clock.pass(9 * MINUTE);
  assertEquals(ids(), [first]);
  await clock.pass(MINUTE);
  assertEquals([ids(), clock.pending], [[], 0]);
  await ask("/a");
  assertEquals(ids().includes(first!), false);
});

Deno.test("it lasts as long as one of its calls runs", async () => {
  using clock = new FakeClock();
  const { ask, ids, daemon, calls } = implicit();
  const held = Promise.withResolvers<void>();
  daemon.answer = async (_call: Call) => {
    await held.promise;
    return { result: {} };
  };
  const answer = ask("/a");
  await clock.pass(25 * MINUTE);
  assertEquals([ids().length, calls.length], [1, 1]);
  held.resolve();
  assertEquals((await answer).code, undefined);
  await clock.pass(9 * MINUTE);
  assertEquals(ids().length, 1);
  await clock.pass(11 * MINUTE);
  assertEquals([ids(), clock.pending], [[], 0]);
});
