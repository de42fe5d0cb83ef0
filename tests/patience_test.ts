import { delay } from "@std/async/delay";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ClientPatience } from "../lib/admission/client_patience.ts";
import { CallTimeouts } from "../lib/app/call_timeouts.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { SECOND_MS } from "../lib/base/units.ts";
import type { Call, Caller, Target } from "../lib/call/call.ts";
import { type Identity, ownerOf } from "../lib/call/owner.ts";
import { defaultSettings } from "../lib/config/load.ts";
import type { Settings } from "../lib/config/settings.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { GivenUp } from "../lib/call/wait.ts";
import { after, hang, OpenAiServer, say } from "./fixtures/openai_server.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";
import { RawHttp } from "./helpers/http_client.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { tempDir } from "./helpers/files.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { NO_TASKS } from "./helpers/no_task_records.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sdkClient } from "./helpers/sdk_client.ts";
import { SOMEBODY } from "./helpers/threads.ts";

const MODEL = "slow-model";

/** A daemon whose only model is at a server of the test's own. */
async function rig(settings: Partial<Settings> = {}) {
  const model = new OpenAiServer();
  model.models = [{ id: MODEL, object: "model" }];
  const dir = await tempDir({});
  const daemon = await testDaemon({
    settings: { customUrl: model.url, customModel: MODEL, findLocal: false, ...settings },
  });
  return {
    model,
    dir: dir.path,
    daemon,
    url: daemon.url,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

function envelopeOf(result: unknown): JsonObject {
  return (result as { structuredContent: JsonObject }).structuredContent;
}

function chat(client: Client, args: JsonObject, options: { timeout?: number; signal?: AbortSignal } = {}) {
  return client.callTool({ name: "chat", arguments: args }, undefined, options);
}

/** The conversation a model was sent, without the system prompt. */
function conversation(body: JsonObject): unknown[] {
  return (body.messages as JsonObject[]).filter(({ role }) => role !== "system").map(({ content }) =>
    content
  );
}

Deno.test("a model slower than its client is answered for with a handle, and its reply can be waited for", async () => {
  await using at = await rig({ detachAfterMs: 30 });
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("At last.")));
  await using client = await sdkClient(at.url);
  const early = envelopeOf(await chat(client, { prompt: "q" }));
  assertEquals(early.status, "running");
  assertStringIncludes(String(early.content), "chat is still running");
  const { handle } = early.metadata as JsonObject;
  gate.resolve();
  const late = await client.callTool({ name: "await_call", arguments: { handle } });
  const { content, continuation_offer } = envelopeOf(late);
  assertEquals(content, "At last.");
  const { continuation_id } = continuation_offer as JsonObject;
  at.model.script(say("Indeed."));
  await chat(client, { prompt: "really?", continuation_id: continuation_id! });
  assertEquals(conversation(at.model.lastBody).at(-1), "really?");
  assertStringIncludes(JSON.stringify(conversation(at.model.lastBody)), "At last.");
});

Deno.test("a client whose time is up and that calls again gets the reply, which is paid for once", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("Worth the wait.")));
  await using client = await sdkClient(at.url);
  const args = { prompt: "q", temperature: 0.2 };
  await assertRejects(() => chat(client, args, { timeout: 300 }), Error, "-32001");
  const again = chat(client, { temperature: 0.2, prompt: "q" });
  gate.resolve();
  assertEquals(envelopeOf(await again).content, "Worth the wait.");
  assertEquals(at.model.chats.length, 1);
  // It has been given: the same question is a new one now.
  assertEquals(envelopeOf(await chat(client, args)).content, "Worth the wait.");
  assertEquals(at.model.chats.length, 2);
});

Deno.test("a reply that comes after its client gave up is in the thread, and the next call in it waits for it", async () => {
  await using at = await rig();
  at.model.script(say("First."));
  await using client = await sdkClient(at.url);
  const { continuation_offer } = envelopeOf(await chat(client, { prompt: "one" }));
  const { continuation_id } = continuation_offer as JsonObject;
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("Second, late.")), say("Third."));
  const args = { prompt: "two", continuation_id: continuation_id! };
  await assertRejects(() => chat(client, args, { timeout: 300 }), Error, "-32001");
  const next = chat(client, { prompt: "three", continuation_id: continuation_id! });
  gate.resolve();
  assertEquals(envelopeOf(await next).content, "Third.");
  const said = JSON.stringify(conversation(at.model.lastBody));
  for (const part of ["one", "First.", "two", "Second, late.", "three"]) assertStringIncludes(said, part);
  assertEquals(at.model.chats.length, 3);
});

Deno.test("a window that is started anew in its directory finds the reply to what the last one asked", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("For whoever asks.")));
  const args = { prompt: "a long one" };
  {
    using before = await RawClient.hello(at.url, { cwd: at.dir });
    before.send({ op: "call_tool", request_id: "1", name: "chat", arguments: args });
    await at.model.askedFor(1);
    await before.close();
  }
  using restarted = await RawClient.hello(at.url, { cwd: at.dir });
  const again = restarted.call("chat", args);
  gate.resolve();
  assertStringIncludes(JSON.stringify(await again), "For whoever asks.");
  assertEquals(at.model.chats.length, 1);
  await restarted.close();
});

Deno.test("so does one whose connection was cut without a word, which the daemon would let it resume", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("For whoever asks.")), say("paid for twice"));
  const args = { prompt: "a long one" };
  const hello = { cwd: at.dir, resume: true };
  using killed = await RawClient.hello(at.url, hello);
  killed.send({ op: "call_tool", request_id: "1", name: "chat", arguments: args });
  await at.model.askedFor(1);
  await killed.close();
  using restarted = await RawClient.hello(at.url, hello);
  const again = restarted.call("chat", args);
  gate.resolve();
  assertStringIncludes(JSON.stringify(await again), "For whoever asks.");
  assertEquals(at.model.chats.length, 1);
  await restarted.close();
});

Deno.test("so does an HTTP client that dropped its request and begins a new session", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("For whoever asks.")), say("paid for twice"));
  const headers = { "x-exai-cwd": at.dir };
  const args = { prompt: "a long one" };
  const controller = new AbortController();
  const dropped = await RawHttp.open(`${at.daemon.http}mcp`, headers);
  const response = await dropped.call(1, "chat", args, controller.signal);
  await at.model.askedFor(1);
  controller.abort();
  await response.text().catch(() => {});
  const restarted = await RawHttp.open(`${at.daemon.http}mcp`, headers);
  const again = await restarted.call(1, "chat", args);
  gate.resolve();
  assertStringIncludes(await again.text(), "For whoever asks.");
  assertEquals(at.model.chats.length, 1);
});

Deno.test("so does a window whose directory is known by its roots alone, which nobody had asked for", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("For whoever asks.")));
  const params = { name: "chat", arguments: { prompt: "a long one" } };
  const options = { roots: [`file://${at.dir}`] };
  {
    await using before = await McpWindow.open(at.url, { roots: {} }, options);
    void before.request("tools/call", params);
    await at.model.askedFor(1);
  }
  await using restarted = await McpWindow.open(at.url, { roots: {} }, options);
  const again = restarted.request("tools/call", params);
  gate.resolve();
  const { continuation_offer, content } = envelopeOf((await again).result);
  assertEquals([content, at.model.chats.length], ["For whoever asks.", 1]);
  const { continuation_id } = continuation_offer as JsonObject;
  const more = { name: "chat", arguments: { prompt: "more", continuation_id } };
  assertEquals(envelopeOf((await restarted.request("tools/call", more)).result).status, "success");
  assertStringIncludes(JSON.stringify(conversation(at.model.lastBody)), "a long one");
});

Deno.test("what one directory's window lost is not given to a window of another", async () => {
  await using at = await rig();
  await using elsewhere = await tempDir({});
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("mine")), say("yours"));
  {
    using before = await RawClient.hello(at.url, { cwd: at.dir });
    before.send({ op: "call_tool", request_id: "1", name: "chat", arguments: { prompt: "q" } });
    await at.model.askedFor(1);
    await before.close();
  }
  using other = await RawClient.hello(at.url, { cwd: elsewhere.path });
  assertStringIncludes(JSON.stringify(await other.call("chat", { prompt: "q" })), "yours");
  gate.resolve();
  await other.close();
});

Deno.test("a user who cancels stops the model", async () => {
  await using at = await rig();
  at.model.script(hang());
  await using client = await sdkClient(at.url);
  const controller = new AbortController();
  const call = chat(client, { prompt: "q" }, { signal: controller.signal });
  const { closed } = await at.model.askedFor(1);
  controller.abort("the user pressed Esc");
  await assertRejects(() => call);
  await closed;
});

Deno.test("so does one who cancels the call that was made again", async () => {
  await using at = await rig();
  at.model.script(hang());
  await using client = await sdkClient(at.url);
  await assertRejects(() => chat(client, { prompt: "q" }, { timeout: 300 }), Error, "-32001");
  const { closed } = await at.model.askedFor(1);
  const controller = new AbortController();
  const again = chat(client, { prompt: "q" }, { signal: controller.signal });
  await client.ping();
  controller.abort("the user pressed Esc");
  await assertRejects(() => again);
  await closed;
  assertEquals(at.model.chats.length, 1);
});

Deno.test("a window without a directory leaves nobody who could find a reply: its end stops the model", async () => {
  await using at = await rig();
  at.model.script(hang());
  using client = await RawClient.hello(at.url);
  client.send({ op: "call_tool", request_id: "1", name: "chat", arguments: { prompt: "q" } });
  const { closed } = await at.model.askedFor(1);
  await client.close();
  await closed;
});

Deno.test("what goes on without its window is shown as such, and cancel stops the model", async () => {
  await using at = await rig();
  at.model.script(hang());
  {
    using gone = await RawClient.hello(at.url, { cwd: at.dir });
    gone.send({ op: "call_tool", request_id: "1", name: "chat", arguments: { prompt: "q" } });
    await at.model.askedFor(1);
    await gone.close();
  }
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(new URL(path, at.url.replace(/^ws/, "http")), { method });
    return await response.json() as { calls: JsonObject[] };
  };
  let call: JsonObject | undefined;
  while (call?.waits_for === undefined) [call] = (await ask("/calls?tool=chat")).calls;
  assertStringIncludes(String(call.waits_for), "it goes on until it is done or cancelled");
  await ask(`/cancel?id=${call.id}`, "POST");
  await (await at.model.askedFor(1)).closed;
  while (call?.waits_for !== undefined) [call] = (await ask("/calls?tool=chat")).calls;
});

Deno.test("a failure after the client gave up is not what the same call made again gets", async () => {
  using tools = new TestTools();
  const timeouts = new CallTimeouts(defaultSettings({}), tools.server, NO_TASKS);
  const outcomes = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let runs = 0;
  const target = timeouts.limit(tools.server)(async () => {
    const run = runs++;
    await outcomes[run]!.promise;
    return { result: textResult(`run ${run}`, { isError: run === 0 }) };
  });
  const controller = new AbortController();
  const params = { name: "chat", arguments: { prompt: "q" } };
  const first = target(
    makeCall("tools/call", params, { caller: callerNamed("c"), signal: controller.signal }),
  );
  controller.abort(new GivenUp("timed_out", "too slow"));
  await assertRejects(() => first, GivenUp);
  outcomes[0]!.resolve();
  await delay(0);
  outcomes[1]!.resolve();
  const { result } = await target(makeCall("tools/call", params, { caller: callerNamed("c") }));
  assertEquals(result, textResult("run 1"));
});

Deno.test("the daemon stops with calls that nobody waits for, and their models stop with it", async () => {
  await using at = await rig({ detachAfterMs: 10 });
  at.model.script(hang());
  using client = await RawClient.hello(at.url, { cwd: at.dir });
  assertStringIncludes(JSON.stringify(await client.call("chat", { prompt: "q" })), "still running");
  const { closed } = await at.model.askedFor(1);
  await at.daemon.daemon.stop();
  await closed;
});

/** A model call of 130 s by a client named `client`, with default settings, and what it comes to. */
async function slowCall(client: string, { progressEveryMs }: { progressEveryMs?: number } = {}) {
  using tools = new TestTools();
  const timeouts = new CallTimeouts(defaultSettings({}), tools.server, NO_TASKS);
  using timers = new FakeTimers();
  const realNow = Date.now;
  Date.now = () => timers.nowMs;
  try {
    const reply = Promise.withResolvers<void>();
    const { promise: begun, resolve } = Promise.withResolvers<Call>();
    const target: Target = async (call) => {
      resolve(call);
      await reply.promise;
      call.signal.throwIfAborted();
      return { result: textResult("thought through") };
    };
    const call = makeCall("tools/call", { name: "chat" }, { caller: callerNamed(client), progressToken: 1 });
    const answer = timeouts.limit(tools.server)(target)(call);
    const running = await begun;
    for (let ms = 0; ms < 130 * SECOND_MS; ms += 5 * SECOND_MS) {
      timers.pass(5 * SECOND_MS);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      if (progressEveryMs !== undefined && ms % progressEveryMs === 0) {
        running.notify("notifications/progress", { progressToken: 1, progress: ms });
      }
    }
    reply.resolve();
    const { result } = await answer;
    const { handle } = (result!._meta as Record<string, JsonObject> | undefined)?.["exai/detached"] ?? {};
    const text = JSON.stringify(result);
    if (handle === undefined) return { text };
    const [awaiting] = timeouts.withAwaiting([tools.server]).slice(-1);
    const late = await awaiting!.target(
      makeCall("tools/call", { name: "await_call", arguments: { handle } }, { caller: callerNamed(client) }),
    );
    return { text, late: JSON.stringify(late.result) };
  } finally {
    Date.now = realNow;
  }
}

function callerNamed(name: string, identity: Identity = SOMEBODY): Caller {
  return {
    ...makeCall("", {}).caller,
    client: { name, version: "1" },
    belonging: { owner: () => Promise.resolve(ownerOf(identity)) },
  };
}

Deno.test("a model that thinks for 130 s, with default settings: Claude Code, which is told of progress, has the reply", async () => {
  const { text } = await slowCall("claude-code", { progressEveryMs: 10 * SECOND_MS });
  assertStringIncludes(text, "thought through");
});

Deno.test("a model that thinks for 130 s, with default settings: a client of 60 s has a handle in time, then the reply", async () => {
  for (const client of ["codex-mcp-client", "mcporter", "some client"]) {
    const { text, late } = await slowCall(client, { progressEveryMs: 10 * SECOND_MS });
    assertMatch(text, /chat is still running after 45\.0 s/);
    assertStringIncludes(late!, "thought through");
  }
});

Deno.test("a tool that asks no model keeps the short time limit", async () => {
  using tools = new TestTools();
  const timeouts = new CallTimeouts(defaultSettings({ callTimeoutMs: 20 }), tools.server, NO_TASKS);
  const stopped: Target = (call) =>
    new Promise((_, reject) => call.signal.addEventListener("abort", () => reject(call.signal.reason)));
  const call = makeCall("tools/call", { name: "planner" });
  const error = await assertRejects(() => timeouts.limit(tools.server)(stopped)(call)) as Error;
  assertStringIncludes(error.message, "longer than the 0.02 s");
});

Deno.test("a client that has given a call up is given a handle before that the next time", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("done")));
  await using client = await sdkClient(at.url, { name: "hasty" });
  await assertRejects(() => chat(client, { prompt: "one" }, { timeout: 600 }), Error, "-32001");
  const early = envelopeOf(await chat(client, { prompt: "two" }, { timeout: 5000 }));
  assertEquals(early.status, "running");
  assert(early.metadata !== undefined);
  gate.resolve();
});

Deno.test("of a thousand names of clients the daemon remembers how long they wait, not of all there are", () => {
  const patience = new ClientPatience();
  const caller = (number: number) => ({ client: { name: `client-${number}`, version: "1" } });
  const waits = (number: number) => patience.of(caller(number)).waitMs;
  const unknownMs = waits(-1);
  for (let number = 0; number <= 1000; number++) patience.learn(caller(number), SECOND_MS);
  assertEquals([waits(0), waits(1) < unknownMs, waits(1000) < unknownMs], [unknownMs, true, true]);
});
