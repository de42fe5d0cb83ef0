import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { JsonObject } from "../lib/base/json.ts";
import type { Settings } from "../lib/config/settings.ts";
import { after, hang, OpenAiServer, say } from "./fixtures/openai_server.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawHttp } from "./helpers/http_client.ts";
import { tempDir } from "./helpers/files.ts";
import { HeldTimers } from "./helpers/held_timers.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { withClock } from "./helpers/oauth_rig.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sdkClient } from "./helpers/sdk_client.ts";

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

/** A client gives a question up, as its time is up, once the model has it as its `nth`: at least that long after it came. */
async function giveUp(
  client: Client,
  model: OpenAiServer,
  args: JsonObject,
  { nth = 1, afterMs = 0 } = {},
) {
  const timeout = 43_210;
  using times = new HeldTimers(timeout);
  const call = assertRejects(() => chat(client, args, { timeout }), Error, "-32001");
  await withClock(-afterMs, () => model.askedFor(nth));
  times.pass();
  await call;
}

/** The reply to a chat, waited for by its handle where the machine is slower than the client was found to be patient. */
async function replyTo(client: Client, args: JsonObject): Promise<JsonObject> {
  return await lateReply(client, envelopeOf(await chat(client, args)));
}

/** The reply to a chat that was answered with `early`. */
async function lateReply(client: Client, early: JsonObject): Promise<JsonObject> {
  let reply = early;
  while (reply.status === "running") {
    const { handle } = reply.metadata as JsonObject;
    reply = envelopeOf(await client.callTool({ name: "await_call", arguments: { handle } }));
  }
  return reply;
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
  gate.resolve();
  const { content, continuation_offer } = await lateReply(client, early);
  assertEquals(content, "At last.");
  const { continuation_id } = continuation_offer as JsonObject;
  at.model.script(say("Indeed."));
  await replyTo(client, { prompt: "really?", continuation_id: continuation_id! });
  assertEquals(conversation(at.model.lastBody).at(-1), "really?");
  assertStringIncludes(JSON.stringify(conversation(at.model.lastBody)), "At last.");
});

Deno.test("a client whose time is up and that calls again gets the reply, which is paid for once", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("Worth the wait.")));
  await using client = await sdkClient(at.url);
  const args = { prompt: "q", temperature: 0.2 };
  await giveUp(client, at.model, args);
  const again = replyTo(client, { temperature: 0.2, prompt: "q" });
  gate.resolve();
  assertEquals((await again).content, "Worth the wait.");
  assertEquals(at.model.chats.length, 1);
  // It has been given: the same question is a new one now.
  assertEquals((await replyTo(client, args)).content, "Worth the wait.");
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
  await giveUp(client, at.model, args, { nth: 2 });
  const next = replyTo(client, { prompt: "three", continuation_id: continuation_id! });
  gate.resolve();
  assertEquals((await next).content, "Third.");
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
  // It is not given a handle soon, which would end what it may cancel.
  await giveUp(client, at.model, { prompt: "q" }, { afterMs: 40_000 });
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

Deno.test("the daemon stops with calls that nobody waits for, and their models stop with it", async () => {
  await using at = await rig({ detachAfterMs: 10 });
  at.model.script(hang());
  using client = await RawClient.hello(at.url, { cwd: at.dir });
  assertStringIncludes(JSON.stringify(await client.call("chat", { prompt: "q" })), "still running");
  const { closed } = await at.model.askedFor(1);
  await at.daemon.daemon.stop();
  await closed;
});

Deno.test("a client that has given a call up is given a handle before that the next time", async () => {
  await using at = await rig();
  const gate = Promise.withResolvers<void>();
  at.model.script(after(gate.promise, say("done")));
  await using client = await sdkClient(at.url, { name: "hasty" });
  await giveUp(client, at.model, { prompt: "one" }, { afterMs: 600 });
  const early = envelopeOf(await chat(client, { prompt: "two" }, { timeout: 5000 }));
  assertEquals(early.status, "running");
  assert(early.metadata !== undefined);
  gate.resolve();
});
