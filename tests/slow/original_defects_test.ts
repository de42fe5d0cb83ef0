/**
 * The faults of the original daemon, each by what its user saw, at the level a user sees it: a client, a daemon, a
 * provider whose requests are looked at. The parts that keep them away have tests of their own beside these.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { after, fail, hang, hangAfter, OpenAiServer, say } from "../fixtures/openai_server.ts";
import { investigationStep } from "../helpers/exai_tools.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { connectRaw } from "../helpers/raw_socket.ts";
import { answerOf, onlyProvider, ToolWindow } from "../helpers/tool_window.ts";

/** What the provider was sent in a request, as text. */
function sent({ body }: { body: JsonObject }): string {
  return (body.messages as JsonObject[]).map(({ role, content }) => `${role}: ${content}`).join("\n");
}

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}

Deno.test("a call whose time is up is answered at once, while the others of its window go on", async () => {
  const gate = Promise.withResolvers<void>();
  await using provider = new OpenAiServer(after(gate.promise, say("Here I am.")), hang());
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url);
  client.begin("other", "chat", { prompt: "other" });
  await provider.askedFor(1);
  client.begin("slow", "chat", { prompt: "slow" }, { timeout_ms: 500 });
  const { request_id, error } = await client.reply();
  assertEquals([request_id, (error as JsonObject).code], ["slow", "TIMEOUT"]);
  await provider.chats[1]?.closed;
  assertEquals((await client.call("version")).isError, false);
  gate.resolve();
  const last = await client.reply();
  assertEquals([last.request_id, answerOf(last).content], ["other", "Here I am."]);
  assert(provider.chats.length <= 2, "nobody asks again on his own account");
});

Deno.test("a provider that asks for a longer wait than the call may take is not waited for", async () => {
  const refusal = fail(429, { error: { message: "slow down" } }, { "retry-after": "15" });
  await using provider = new OpenAiServer(refusal);
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url);
  client.begin("asked", "chat", { prompt: "hello" }, { timeout_ms: 10_000 });
  const answer = answerOf(await client.reply());
  assertEquals(answer.isError, true, "answered by the tool, not cut off");
  assertStringIncludes(String(answer.content), "slow down");
  assertEquals(provider.chats.length, 1);
});

Deno.test("tools that ask no model answer while every slot of the provider is taken", async () => {
  await using provider = new OpenAiServer(hang());
  provider.models = [{ id: "kimi-k2.6" }];
  const settings = { findLocal: false, kimiApiKey: "k-123456", kimiUrl: provider.url, kimiMaxInflight: 1 };
  await using it = await testDaemon({ settings });
  await using busy = await ToolWindow.open(it.url);
  busy.begin("holds the slot", "chat", { prompt: "one" });
  await provider.askedFor(1);
  busy.begin("waits for it", "chat", { prompt: "two" });
  for (const client of [busy, await ToolWindow.open(it.url)]) {
    assertEquals((await client.call("version")).isError, false);
    assertEquals((await client.call("listmodels")).isError, false);
    assertEquals((await client.call("challenge", { prompt: "so it is" })).isError, false);
    assertEquals((await client.call("debug", investigationStep(1))).status, "pause_for_investigation");
    if (client !== busy) await client[Symbol.asyncDispose]();
  }
  assertEquals(provider.chats.length, 1);
});

Deno.test("the second investigation knows nothing of the first", async () => {
  await using provider = new OpenAiServer(say('{"summary": "done"}'));
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url);
  const investigate = async (what: string) => {
    const first = await client.call(
      "debug",
      investigationStep(1, { findings: what, files_checked: [`${what}.ts`] }),
    );
    const { continuation_id } = first.continuation_offer!;
    return await client.content("debug", investigationStep(2, { findings: what, continuation_id }));
  };
  await investigate("leak");
  const { state } = await investigate("deadlock");
  assertEquals((state as JsonObject).files_checked, ["deadlock.ts"]);
  assertEquals(provider.chats.map((chat) => [/leak/.test(sent(chat)), /deadlock/.test(sent(chat))]), [
    [true, false],
    [false, true],
  ]);
});

Deno.test("the first reply is in the thread, and what was said is sent once", async () => {
  await using provider = new OpenAiServer(say("reply one"), say("reply two"), say("reply three"));
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url);
  const { continuation_offer } = await client.call("chat", { prompt: "question one" });
  const { continuation_id } = continuation_offer!;
  await client.call("chat", { prompt: "question two", continuation_id });
  await client.call("chat", { prompt: "question three", continuation_id });
  const text = sent(provider.chats[2]!);
  const parts = ["question one", "reply one", "question two", "reply two", "question three"];
  assertEquals(parts.map((part) => occurrences(text, part)), [1, 1, 1, 1, 1]);
  assertEquals(
    parts.toSorted((a, b) => text.indexOf(a) - text.indexOf(b)),
    parts,
    "in the order it was said",
  );
});

Deno.test("a file that was edited is sent again in place of what it was, and one that was not is sent once", async () => {
  await using dir = await tempDir({ "edited.ts": "before the edit", "same.ts": "as it always was" });
  await using provider = new OpenAiServer();
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url, dir.path);
  const files = ["edited.ts", "same.ts"];
  const { continuation_offer } = await client.call("chat", { prompt: "one", files });
  const { continuation_id } = continuation_offer!;
  await dir.write("edited.ts", "after the edit");
  await client.call("chat", { prompt: "two", files, continuation_id });
  const counts = provider.chats.map((chat) =>
    ["before the edit", "after the edit", "as it always was"].map((part) => occurrences(sent(chat), part))
  );
  assertEquals(counts, [[1, 0, 1], [0, 1, 1]]);
});

Deno.test("/etc/passwd and a symlink to it are refused, by every tool that shows files, and nothing is sent", async () => {
  await using dir = await tempDir({ "a.ts": "A" });
  await Deno.symlink("/etc/passwd", join(dir.path, "link.ts"));
  await using provider = new OpenAiServer();
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url, dir.path);
  for (const path of ["/etc/passwd", "link.ts", "../../../../../../../../etc/passwd", "file:///etc/passwd"]) {
    const last = { ...investigationStep(1, { next_step_required: false }), relevant_files: [path] };
    const calls: [string, JsonObject][] = [
      ["chat", { prompt: "show it", files: [path] }],
      ["chat", { prompt: "show it", images: [path] }],
      ["codereview", last],
      ["consensus", { ...last, models: [{ model: "m" }] }],
    ];
    for (const [name, args] of calls) {
      const answer = await client.call(name, args);
      assertEquals(answer.isError, true, `${name} ${path}`);
      const said = JSON.stringify(answer);
      assertStringIncludes(said, "EXAI_ALLOWED_DIRS");
      assert(!said.includes("root:"), said);
    }
  }
  assertEquals(provider.chats.length, 0);
});

Deno.test("next_call of every tool that works in steps can be called as it is, to the end", async () => {
  await using dir = await tempDir({ "a.ts": "A" });
  await using provider = new OpenAiServer(say('{"summary": "done"}'));
  await using it = await testDaemon({ settings: onlyProvider(provider) });
  await using client = await ToolWindow.open(it.url, dir.path);
  await new Deno.Command("git", { args: ["init", "-q"], cwd: dir.path }).output();
  const own: Record<string, JsonObject> = {
    debug: {},
    codereview: { review_type: "security" },
    analyze: {},
    refactor: {},
    secaudit: {},
    thinkdeep: {},
    testgen: { relevant_files: ["a.ts"] },
    precommit: { path: "." },
    planner: {},
    tracer: { trace_mode: "precision", target_description: "a" },
    docgen: {
      document_complexity: true,
      document_flow: true,
      update_existing: true,
      comments_on_complex_logic: true,
      num_files_documented: 1,
      total_files_to_document: 1,
    },
    consensus: { models: [{ model: "m" }] },
  };
  for (const [name, fields] of Object.entries(own)) {
    const { findings: _none, ...plan } = investigationStep(1, fields);
    let answer = await client.call(name, name === "planner" ? plan : investigationStep(1, fields));
    const { continuation_id } = answer.continuation_offer!;
    while (answer.status.startsWith("pause_for_")) {
      const { next_call } = answer.content as { next_call: { tool: string; arguments: JsonObject } };
      assertEquals([next_call.tool, next_call.arguments.continuation_id], [name, continuation_id]);
      answer = await client.call(next_call.tool, next_call.arguments);
    }
    assertEquals([answer.isError, answer.status.replace(/^.*_/, "")], [false, "complete"], name);
  }
});

Deno.test("a slow call is billed once, whatever its client does meanwhile", async (test) => {
  const args = { name: "chat", arguments: { prompt: "think" } };

  await test.step("its client waits", async () => {
    const gate = Promise.withResolvers<void>();
    await using provider = new OpenAiServer(after(gate.promise, say("At last.")));
    await using it = await testDaemon({ settings: onlyProvider(provider) });
    await using client = await ToolWindow.open(it.url);
    client.begin("slow", "chat", args.arguments);
    await provider.askedFor(1);
    client.begin("slow", "chat", args.arguments);
    const refused = await client.reply();
    assertStringIncludes(JSON.stringify(refused.error), "INVALID_REQUEST");
    gate.resolve();
    assertEquals([answerOf(await client.reply()).content, provider.chats.length], ["At last.", 1]);
  });

  await test.step("its client is cut off and comes back", async () => {
    const gate = Promise.withResolvers<void>();
    await using provider = new OpenAiServer(after(gate.promise, say("At last.")));
    await using it = await testDaemon({ settings: onlyProvider(provider) });
    let token: string;
    {
      using socket = await connectRaw(it.url);
      await socket.send(JSON.stringify({ op: "hello", session_id: "window", resume: true }));
      [, token] = /"resume_token":"([^"]+)"/.exec(await socket.readUntil("resume_token"))! as unknown as [
        string,
        string,
      ];
      await socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: args }));
      await provider.askedFor(1);
    }
    const resume = { token, waiting: [1] };
    using client = await RawClient.hello(it.url, { session_id: "window", resume });
    assertEquals(client.ack.unseen, []);
    gate.resolve();
    assertStringIncludes(JSON.stringify(await client.next()), "At last.");
    assertEquals(provider.chats.length, 1);
    await client.close();
  });

  await test.step("its client gives up", async () => {
    await using provider = new OpenAiServer(hangAfter("Once upon a time"), say("Again."));
    await using it = await testDaemon({ settings: onlyProvider(provider) });
    await using client = await ToolWindow.open(it.url);
    client.begin("slow", "chat", args.arguments);
    const { closed } = await provider.askedFor(1);
    client.raw.send({ op: "cancel", request_id: "slow" });
    assertEquals(((await client.reply()).error as JsonObject).code, "CANCELLED");
    // Nothing more is generated, and nobody asks again on his own account.
    await closed;
    assertEquals(provider.chats.length, 1);
    assertEquals((await client.call("chat", args.arguments)).content, "Again.");
    assertEquals(provider.chats.length, 2);
  });

  await test.step("its client leaves", async () => {
    await using provider = new OpenAiServer(hangAfter("Once upon a time"));
    await using it = await testDaemon({ settings: onlyProvider(provider) });
    const client = await ToolWindow.open(it.url);
    client.begin("slow", "chat", args.arguments);
    const { closed } = await provider.askedFor(1);
    await client[Symbol.asyncDispose]();
    await closed;
    assertEquals(provider.chats.length, 1);
  });
});
