import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Json, JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import { RoundTrips } from "../lib/round_trips/round_trips.ts";
import type { AttachHooks } from "../lib/session/hello.ts";
import { ModernPeer } from "../lib/session/modern_peer.ts";
import type { ModernTenant } from "../lib/session/modern_tenant.ts";
import { ModernTenants } from "../lib/session/modern_tenants.ts";
import type { RegistryOptions } from "../lib/session/registry.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";
import { claimOf, modernRequest, subscriptionOf } from "./helpers/modern.ts";

const legacy = (id: Json, method: string, params: JsonObject = {}) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
const cancel = (requestId: Json) => ({
  jsonrpc: "2.0",
  method: "notifications/cancelled",
  params: { requestId },
});

/** A client whose daemon speaks both eras. */
function client(hello: JsonObject = {}, options: Partial<RegistryOptions> = {}) {
  const ended: string[] = [];
  const peer: Pick<AttachHooks, "modernPeer"> = {
    modernPeer: (session) =>
      new ModernPeer(session, new ModernTenants(session, ({ id }) => ended.push(id)), {
        target: it.hooks.target,
        roundTrips: new RoundTrips(),
        serverInfo: { name: "exai", version: "9" },
      }),
  };
  const it = daemonHooks(peer, options);
  const [channel, ack] = it.hello(hello);
  const session = it.registry.get(ack.session_id as string)!;
  const say = async (...frames: unknown[]) => {
    for (const frame of frames) channel.say(frame);
    await settle();
    return channel.take();
  };
  const initialize = () => say(legacy(0, "initialize", { protocolVersion: "2025-11-25", capabilities: {} }));
  const tenants = () => [...session.modern.tenants] as ModernTenant[];
  /** Has the next call wait; its end is given. */
  const holdCall = () => {
    const held = Promise.withResolvers<Call>();
    const answer = Promise.withResolvers<void>();
    it.daemon.answer = async (call) => {
      held.resolve(call);
      await answer.promise;
      return { result: textResult("done") };
    };
    return { call: held.promise, end: () => answer.resolve() };
  };
  return {
    ...it,
    channel,
    session,
    say,
    initialize,
    tenants,
    ended,
    holdCall,
    resumeToken: ack.resume_token,
  };
}

function errorOf(answer: JsonObject | undefined): [Json | undefined, string] {
  const { code, message } = answer!.error as { code: number; message: string };
  return [code, message];
}

Deno.test("each message is of the era that it says, on one connection", async () => {
  const { say, initialize, calls, session } = client();
  await initialize();
  const [answer] = await say(modernRequest(1, "tools/list", {}, { capabilities: { elicitation: {} } }));
  assertEquals((answer!.result as JsonObject).resultType, "complete");
  const [old] = await say(legacy(2, "tools/list"));
  assertEquals((old!.result as JsonObject).resultType, undefined);
  const [, modern, later] = calls;
  assertEquals([modern!.caller.era, modern!.caller.capabilities], ["modern", { elicitation: {} }]);
  assertEquals([later!.caller === session, session.revision], [true, "2025-11-25"]);
  assertEquals(modern!.params, {});
});

Deno.test("a client of the modern era is shown by its name and revision", async () => {
  const { say, session } = client({ client: { name: "exai-shim" } });
  await say(modernRequest(1, "tools/list", {}, { client: "claude" }));
  assertEquals([session.client?.name, session.revision, session.modern.revision], [
    "claude",
    undefined,
    "2026-07-28",
  ]);
});

Deno.test("methods of one era are refused in the other", async () => {
  const { say, initialize, calls } = client();
  for (const method of ["server/discover", "subscriptions/listen", "tasks/update"]) {
    const [code, message] = errorOf((await say(legacy(1, method)))[0]);
    assertEquals(code, -32602);
    assertStringIncludes(message, "io.modelcontextprotocol/protocolVersion");
  }
  for (const method of ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list"]) {
    assertEquals(errorOf((await say(modernRequest(2, method)))[0])[0], -32601, method);
  }
  assertEquals(await say(legacy(3, "ping")), [{ jsonrpc: "2.0", id: 3, result: {} }]);
  assertEquals((await say(legacy(4, "tools/list")))[0]!.error, undefined);
  await initialize();
  assertEquals(errorOf((await say(legacy(5, "server/discover")))[0])[0], -32601);
  assertEquals(calls.map(({ method }) => method), ["tools/list", "initialize"]);
});

Deno.test("a claim is complete and supported, and may be so long", async () => {
  const { say, calls } = client({}, { maxFrameBytes: 200_000 });
  const [unsupported] = await say(modernRequest(1, "tools/list", {}, { revision: "2099-01-01" }));
  assertEquals(errorOf(unsupported)[0], -32022);
  const { supported, requested } = (unsupported!.error as JsonObject).data as JsonObject;
  assertEquals([supported, requested], [["2026-07-28"], "2099-01-01"]);
  const _meta = { ...claimOf(), "io.modelcontextprotocol/clientCapabilities": undefined };
  assertEquals(errorOf((await say(legacy(2, "tools/list", { _meta })))[0])[0], -32602);
  assertEquals(errorOf((await say(modernRequest(3, "tools/list", {}, { logLevel: "loud" })))[0])[0], -32602);
  const long = { capabilities: { experimental: { x: { y: "x".repeat(70_000) } } } };
  const [code, message] = errorOf((await say(modernRequest(4, "tools/list", {}, long)))[0]);
  assertEquals(code, -32602);
  assertStringIncludes(message, "65536 characters");
  const meta = { progressToken: "x".repeat(1025) };
  assertEquals(errorOf((await say(modernRequest(5, "tools/call", {}, { meta })))[0])[0], -32602);
  assertEquals(calls, []);
});

Deno.test("a request is told its progress under its own token, and the log messages it asked for", async () => {
  const { say, holdCall } = client();
  const tell = async (said: Parameters<typeof claimOf>[0]) => {
    const { call, end } = holdCall();
    const sent = say(modernRequest("a", "tools/call", { name: "t" }, said));
    const log = (level: string) => ({ level, logger: "t", data: level });
    (await call).notify("notifications/progress", { progressToken: 77, progress: 1 });
    for (const level of ["debug", "warning", "error"]) {
      (await call).notify("notifications/message", log(level));
    }
    (await call).notify("notifications/tools/list_changed", {});
    (await call).notify("notifications/elicitation/complete", {});
    end();
    return [...await sent, ...await say()].filter(({ method }) => method).map(({ method, params }) => {
      const { progressToken, level } = params as JsonObject;
      return [String(method).slice("notifications/".length), progressToken ?? level];
    });
  };
  assertEquals(await tell({}), []);
  assertEquals(await tell({ meta: { progressToken: 1.5e3 } }), [["progress", 1500]]);
  assertEquals(await tell({ logLevel: "warning", meta: { progressToken: "p" } }), [
    ["progress", "p"],
    ["message", "warning"],
    ["message", "error"],
  ]);
});

Deno.test("a request can be withdrawn, and its id is not given away while it runs", async () => {
  const { say, holdCall, session } = client();
  const { call, end } = holdCall();
  await say(modernRequest(1, "tools/call", { name: "t" }));
  for (const again of [modernRequest(1, "tools/list"), legacy(1, "tools/list")]) {
    assertStringIncludes(errorOf((await say(again))[0])[1], "already in use");
  }
  assertEquals([...session.modern.requests], [1]);
  assertEquals(await say(cancel(1)), []);
  assertEquals((await call).signal.aborted, true);
  end();
  assertEquals(await say(), []);
  assertEquals([session.modern.requests.size, session.calls.size], [0, 0]);
});

Deno.test("a client that comes back is told of its requests of the modern era as of others", async () => {
  const { say, holdCall, hello, session, resumeToken } = client({ resume: true });
  const { end } = holdCall();
  await say(
    modernRequest(1, "tools/call", { name: "t" }),
    modernRequest(2, "subscriptions/listen", { notifications: {} }),
  );
  const resume = { token: resumeToken, waiting: [1, 2, 3] };
  const [channel, ack] = hello({ session_id: session.id, resume });
  assertEquals(ack.unseen, [3]);
  end();
  await settle();
  assertEquals(channel.take().map(({ id }) => id), [1]);
});

Deno.test("one set of capabilities is one tenant; one in use is never given up, and of others 32 are kept", async () => {
  const { say, tenants, ended, holdCall, session } = client({}, { maxRunning: 100 });
  const list = (n: number) =>
    say(modernRequest(n, "tools/list", {}, { capabilities: { experimental: { n: { n } } } }));
  const { end } = holdCall();
  await list(0);
  for (let n = 1; n < 40; n++) {
    await say(modernRequest(n, "server/discover", {}, { capabilities: { n: { n } } }));
  }
  assertEquals(ended, []);
  end();
  await say();
  await say(modernRequest("z", "tools/list", {}, { capabilities: { z: {} } }));
  assertEquals(ended, Array.from({ length: 9 }, (_, n) => `${session.id}~${n + 1}`));
  assertEquals(tenants().length, 32);
  assertEquals(tenants().every(({ session: id }) => id === session.id), true);
});

Deno.test("a listen is acknowledged first, tagged with its id as it came, and told what it asked for", async () => {
  const { say, tenants, calls } = client();
  const asked = {
    toolsListChanged: true,
    promptsListChanged: false,
    resourceSubscriptions: ["a://x"],
    other: true,
  };
  const [ack] = await say(
    '{"jsonrpc":"2.0","id":1.0,"method":"subscriptions/listen","params":' +
      JSON.stringify({ notifications: asked, _meta: claimOf() }) + "}",
  );
  assertEquals(ack!.method, "notifications/subscriptions/acknowledged");
  assertEquals((ack!.params as JsonObject).notifications, {
    toolsListChanged: true,
    resourceSubscriptions: ["a://x"],
  });
  assertEquals(subscriptionOf(ack!), 1);
  assertEquals(calls.map(({ method }) => method), ["tools/list", "resources/subscribe"]);
  const [tenant] = tenants();
  for (const what of ["tools", "prompts", "resources"]) tenant!.notify(`notifications/${what}/list_changed`);
  for (const uri of ["a://x", "a://x/y", "a://xy", "a://z"]) {
    tenant!.notify("notifications/resources/updated", { uri });
  }
  tenant!.notify("notifications/message", { level: "error", data: "no" });
  const told = await say();
  assertEquals(told.map(({ method, params }) => [method, (params as JsonObject).uri]), [
    ["notifications/tools/list_changed", undefined],
    ["notifications/resources/updated", "a://x"],
    ["notifications/resources/updated", "a://x/y"],
  ]);
  assertEquals(told.map(subscriptionOf), [1, 1, 1]);
});

Deno.test("a listen that an earlier daemon had is told of each of its resources, no other is", async () => {
  const resume = { token: "of another daemon", waiting: ["l", 7] };
  const { say, hello, resumeToken } = client({ session_id: "s", resume });
  const notifications = { toolsListChanged: true, resourceSubscriptions: ["a://x", "a://y"] };
  const listen = (id: Json) => modernRequest(id, "subscriptions/listen", { notifications });
  const restored = await say(listen("l"));
  const updated = "notifications/resources/updated";
  assertEquals(restored.map(({ method, params }) => [method, (params as JsonObject).uri]), [
    ["notifications/subscriptions/acknowledged", undefined],
    [updated, "a://x"],
    [updated, "a://y"],
  ]);
  assertEquals(restored.map(subscriptionOf), ["l", "l", "l"]);
  await say(cancel("l"));
  assertEquals([(await say(listen("m"))).length, (await say(listen("l"))).length], [1, 1]);
  const again = { session_id: "s", resume: { token: resumeToken!, waiting: ["l", "n"] } };
  const [channel] = hello(again);
  channel.say(listen("n"));
  await settle();
  assertEquals(channel.take().some(({ method }) => method === updated), false, "the daemon is the same");
});

Deno.test("listens share a subscription, which ends with the last of them", async () => {
  const { say, calls, session, tenants } = client();
  const listen = (id: Json) =>
    say(modernRequest(id, "subscriptions/listen", { notifications: { resourceSubscriptions: ["a://x"] } }));
  await listen("a");
  await listen("b");
  assertEquals(session.modern.listens?.size, 2);
  assertEquals(await say(cancel("a")), []);
  tenants()[0]!.notify("notifications/resources/updated", { uri: "a://x" });
  assertEquals((await say()).map(subscriptionOf), ["b"]);
  assertEquals(calls.map(({ method }) => method), ["resources/subscribe"]);
  await say(cancel("b"));
  await listen("c");
  assertEquals(calls.map(({ method }) => method.slice("resources/".length)), [
    "subscribe",
    "unsubscribe",
    "subscribe",
  ]);
  assertEquals(session.modern.listens?.size, 1);
});

Deno.test("what cannot be listened to is left out of the acknowledgement", async () => {
  const { say, daemon } = client({ server: "one" });
  daemon.answer = ({ method, params }) => {
    if (method === "initialize") {
      return { result: { capabilities: { tools: {}, resources: { subscribe: true } } } };
    }
    return params.uri === "a://no" ? { error: { code: -32002, message: "no" } } : { result: {} };
  };
  const notifications = {
    toolsListChanged: true,
    promptsListChanged: true,
    resourceSubscriptions: ["a://x", "a://no"],
    taskIds: ["t"],
  };
  const capabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } };
  const [ack] = await say(modernRequest(1, "subscriptions/listen", { notifications }, { capabilities }));
  assertEquals((ack!.params as JsonObject).notifications, { resourceSubscriptions: ["a://x"] });
  const [refused] = await say(modernRequest(2, "subscriptions/listen", { notifications }));
  assertEquals(errorOf(refused)[0], -32021);
  assertEquals(((refused!.error as JsonObject).data as JsonObject).requiredCapabilities, capabilities);
  for (const odd of [undefined, { toolsListChanged: 1 }, { resourceSubscriptions: [1] }]) {
    const [answer] = await say(modernRequest(3, "subscriptions/listen", { notifications: odd }));
    assertEquals(errorOf(answer)[0], -32602);
  }
});

Deno.test("a listen for thousands of resources has few calls at once, and none is left out", async () => {
  const { say, daemon, calls } = client({}, { maxFrameBytes: 10_000_000 });
  const resourceSubscriptions = Array.from({ length: 4000 }, (_, i) => `a://${i}`);
  let running = 0;
  let most = 0;
  daemon.answer = async () => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return { result: {} };
  };
  const messages = await say(
    modernRequest(1, "subscriptions/listen", { notifications: { resourceSubscriptions } }),
  );
  while (messages.length === 0) messages.push(...await say());
  assertEquals((messages[0]!.params as JsonObject).notifications, { resourceSubscriptions });
  await say(cancel(1));
  while (calls.length < 8000) await say();
  assertEquals(most <= 4, true, `${most} calls at once`);
});

Deno.test("listens are bounded, and so are their resources", async () => {
  const { say, session } = client({}, { maxFrameBytes: 10_000_000 });
  const uris = Array.from({ length: 4097 }, (_, i) => `a://${i}`);
  const listen = (id: number, resourceSubscriptions: string[] = []) =>
    say(modernRequest(id, "subscriptions/listen", { notifications: { resourceSubscriptions } }));
  assertStringIncludes(errorOf((await listen(0, uris)).at(-1))[1], "4096");
  await say();
  for (let id = 1; id <= 256; id++) await listen(id);
  assertStringIncludes(errorOf((await listen(257))[0])[1], "listens 256 times");
  assertEquals([session.modern.listens?.size, session.calls.size], [256, 0]);
});

Deno.test("a listen ends with a result when the daemon stops, and keeps its session from being idle", async () => {
  const { say, registry, session } = client({}, { idleMs: 60_000 });
  await say(modernRequest("l", "subscriptions/listen", { notifications: { toolsListChanged: true } }));
  session.lastUsedMs = -100_000;
  registry.closeIdle();
  assertEquals([...registry].length, 1);
  registry.endListens();
  const [end] = await say();
  assertEquals([end!.id, subscriptionOf(end!), (end!.result as JsonObject).resultType], [
    "l",
    "l",
    "complete",
  ]);
  const [late] = await say(modernRequest("m", "subscriptions/listen", { notifications: {} }));
  assertEquals(((late!.error as JsonObject).data as JsonObject).code, "SHUTTING_DOWN");
  assertEquals(session.modern.listens?.size, 0);
  registry[Symbol.dispose]();
});
