import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { Caller } from "../lib/call/call.ts";
import { makeCall, TEST_HOST, TestTools } from "./helpers/exai_tools.ts";
import { FakeModels } from "./helpers/fake_models.ts";

const KIMI = {
  name: "kimi",
  available: true,
  abilities: { files: true, search: true, thinking: false, images: true },
  models: [{
    name: "kimi-large",
    aliases: ["large"],
    contextTokens: 1000,
    abilities: { files: true, search: true, thinking: false, images: false },
  }],
};

class KimiModels extends FakeModels {
  override status() {
    return [KIMI] as unknown as ReturnType<FakeModels["status"]>;
  }
}

function promptText(prompt: { messages: { content: unknown }[] }): string {
  return String((prompt.messages[0]!.content as { text: string }).text);
}

/** The JSON of the first call that a prompt tells the model to make. */
function callIn(text: string): JsonObject {
  return JSON.parse(/^\{[\s\S]*?^\}$/m.exec(text)?.[0] ?? "{}");
}

Deno.test("there is a prompt for every tool, and each begins the tool when it is given what it requires", async () => {
  using tools = new TestTools({ cwd: Deno.cwd() });
  await using client = await tools.sdkClient();
  const { prompts } = await client.listPrompts();
  assertEquals(prompts.map(({ name }: { name: string }) => name), [...tools.server.toolNames]);
  for (const { name, arguments: parameters = [] } of prompts) {
    const required = parameters.filter((one: { required?: boolean }) => one.required);
    const args = Object.fromEntries(required.map((one: { name: string }) => [one.name, "a thing"]));
    const text = promptText(await client.getPrompt({ name, arguments: args }));
    assertStringIncludes(text, `tool ${name} `);
    const call = name === "kimi_chat_with_tools" ? undefined : callIn(text);
    if (call === undefined || name === "precommit" || name.startsWith("kimi_")) continue;
    if (name === "testgen") call.relevant_files = ["a.ts"];
    if (name === "consensus") call.models = [{ model: "one" }];
    const { answer, isError } = await tools.call(name, call);
    assertEquals(isError, false, `${name}: ${JSON.stringify(answer.content)}`);
  }
});

Deno.test("what a person fills in becomes arguments of the right kind", async () => {
  using tools = new TestTools();
  await using client = await tools.sdkClient();
  const review = promptText(
    await client.getPrompt({
      name: "codereview",
      arguments: {
        task: "review it",
        review_type: "security",
        relevant_files: "a.ts, b.ts",
        use_websearch: "yes",
      },
    }),
  );
  const args = callIn(review);
  assertEquals([args.step, args.review_type, args.relevant_files, args.use_websearch], [
    "review it",
    "security",
    ["a.ts", "b.ts"],
    true,
  ]);
  assertStringIncludes(review, "next_call");
  const consensus = callIn(promptText(
    await client.getPrompt({ name: "consensus", arguments: { task: "t", models: "one:for, vendor/two" } }),
  ));
  assertEquals(consensus.models, [{ model: "one", stance: "for" }, { model: "vendor/two" }]);
});

Deno.test("a prompt that is not there, or filled in wrongly, says what there is", async () => {
  using tools = new TestTools();
  const get = (params: JsonObject) =>
    assertRejects(async () => void await tools.server.target(makeCall("prompts/get", params)), ExaiError);
  assertStringIncludes((await get({ name: "chatt" })).message, "did you mean chat?");
  assertStringIncludes((await get({ name: "chat" })).message, "prompt is required");
  assertStringIncludes(
    (await get({ name: "challenge", arguments: { prompt: "p", x: "1" } })).message,
    "it has: prompt",
  );
  assertStringIncludes((await get({ name: "chat", arguments: { prompt: 1 } })).message, "must be a text");
});

Deno.test("arguments complete: choices, models, threads, the last entry of a list", async () => {
  using tools = new TestTools({ models: new KimiModels() });
  await using client = await tools.sdkClient();
  const complete = async (name: string, argument: { name: string; value: string }) =>
    (await client.complete({ ref: { type: "ref/prompt", name }, argument })).completion.values;
  assertEquals(await complete("codereview", { name: "review_type", value: "s" }), ["security"]);
  assertEquals(await complete("chat", { name: "model", value: "" }), ["auto", "kimi-large", "large"]);
  assertEquals(await complete("chat", { name: "model", value: "LAR" }), ["large", "kimi-large"]);
  assertEquals(await complete("consensus", { name: "models", value: "auto, lar" }), [
    "auto, large",
    "auto, kimi-large",
  ]);
  assertEquals(await complete("chat", { name: "use_websearch", value: "t" }), ["true"]);
  assertEquals(await complete("chat", { name: "prompt", value: "x" }), []);
  const { answer } = await tools.call("chat", { prompt: "q" });
  const id = answer.continuation_offer!.continuation_id;
  assertEquals(await complete("chat", { name: "continuation_id", value: id.slice(0, 4) }), [id]);
  const { completion } = await client.complete({
    ref: { type: "ref/resource", uri: "exai://threads/{id}" },
    argument: { name: "id", value: "" },
  });
  assertEquals([completion.values, completion.total, completion.hasMore], [[id], 1, false]);
  for (
    const params of [{ ref: { type: "ref/prompt", name: "chat" }, argument: { name: "x", value: "" } }, {}]
  ) {
    const call = makeCall("completion/complete", params as JsonObject);
    await assertRejects(async () => void await tools.server.target(call), ExaiError);
  }
});

Deno.test("a client that lends its model is offered it by name", async () => {
  using tools = new TestTools({ models: new KimiModels() });
  const params = { ref: { type: "ref/prompt", name: "chat" }, argument: { name: "model", value: "cl" } };
  const caller = { capabilities: { sampling: {} } } as unknown as Caller;
  const { result } = await tools.server.target(makeCall("completion/complete", params, { caller }));
  assertEquals((result!.completion as JsonObject).values, ["client"]);
});

Deno.test("the call record and every thread are resources", async () => {
  using tools = new TestTools({ host: { ...TEST_HOST, activity: () => ["a call", "another"] } });
  await using client = await tools.sdkClient();
  const read = async (uri: string) => {
    const [content] = (await client.readResource({ uri })).contents;
    return content as { text: string; mimeType: string; uri: string };
  };
  const { answer } = await tools.call("chat", { prompt: "why is it blue?" });
  const id = answer.continuation_offer!.continuation_id;
  const { resources } = await client.listResources();
  assertEquals(resources.map(({ uri }: { uri: string }) => uri), [
    "exai://calls",
    "exai://threads",
    `exai://threads/${id}`,
  ]);
  assertEquals((await read("exai://calls")).text, "a call\nanother");
  assertEquals(JSON.parse((await read("exai://threads")).text)[0].id, id);
  const thread = await read(`exai://threads/${id}`);
  assertEquals([thread.mimeType, thread.uri], ["text/markdown", `exai://threads/${id}`]);
  for (const part of ["# why is it blue?", "an answer", "**one:**", id]) {
    assertStringIncludes(thread.text, part);
  }
  const { resourceTemplates } = await client.listResourceTemplates();
  assertEquals(resourceTemplates[0]!.uriTemplate, "exai://threads/{id}");
  for (const uri of ["exai://threads/none", "exai://else", "file:///etc/passwd"]) {
    const call = makeCall("resources/read", { uri });
    const error = await assertRejects(async () => void await tools.server.target(call), ExaiError);
    assertEquals(error.code, "RESOURCE_NOT_FOUND");
  }
});

Deno.test("a transcript tells an investigation step by step", async () => {
  using tools = new TestTools({ models: new FakeModels(() => '{"summary":"a race"}') });
  const step = { step_number: 1, total_steps: 2, next_step_required: true, findings: "it hangs" };
  const { answer } = await tools.call("debug", { ...step, step: "find the hang" });
  const { continuation_id } = answer.continuation_offer!;
  const last = { ...step, step: "look closer", step_number: 2, next_step_required: false, continuation_id };
  await tools.call("debug", last);
  const { result } = await tools.server.target(
    makeCall("resources/read", { uri: `exai://threads/${continuation_id}` }),
  );
  const [{ text }] = result!.contents as [{ text: string }];
  const parts = [
    "# find the hang",
    "## debug, step 1",
    "Findings: it hangs",
    "## debug, step 2",
    "look closer",
    "a race",
  ];
  let at = -1;
  for (const part of parts) {
    const found = text.indexOf(part, at + 1);
    assert(found > at, part);
    at = found;
  }
});
