// The Responses API, at a server that answers as OpenAI documents it.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ChatMessage, ChatRequest, ThinkingMode } from "../lib/provider/provider.ts";
import { answer, fail } from "./fixtures/openai_server.ts";
import { respond, respondWhole } from "./fixtures/response_events.ts";
import { assertDocumentedResponse } from "./helpers/documented_responses.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { rig } from "./helpers/provider_rig.ts";

/** The body OpenAI gets, after checking that it documents all of it. */
async function bodyOf(model: string, request: Partial<ChatRequest>): Promise<JsonObject> {
  await using one = rig({ responses: [respond("Hi.")] });
  await one.ask(model, request);
  const { body } = one.server.responses[0]!;
  assertDocumentedResponse("openai", body);
  assertEquals(one.server.chats.length, 0);
  return body;
}

const NEVER_STORED = { store: false, stream: true };

for (
  const model of ["gpt-5-codex", "gpt-5.3-codex", "gpt-5-pro", "gpt-5.5-pro", "o3", "o3-pro", "gpt-6.2-sol"]
) {
  Deno.test(`${model} is asked through the Responses API, and nothing is stored`, async () => {
    const body = await bodyOf(model, {});
    assertEquals({ store: body.store, stream: body.stream }, NEVER_STORED);
    assertEquals(body.include, ["reasoning.encrypted_content"]);
  });
}

Deno.test("a conversation reaches the Responses API as it documents one", async () => {
  const messages: ChatMessage[] = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hi.", reasoning: "A greeting." },
    {
      role: "user",
      content: [{ type: "text", text: "And?" }, { type: "image", url: "data:image/png;base64,AAAA" }],
    },
  ];
  const body = await bodyOf("gpt-5.2", { messages, temperature: 0.3, maxOutputTokens: 500 });
  assertEquals(body.input, [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hi." },
    {
      role: "user",
      content: [
        { type: "input_text", text: "And?" },
        { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "auto" },
      ],
    },
  ]);
  assertEquals([body.max_output_tokens, body.temperature], [500, undefined]);
  assertEquals((await bodyOf("gpt-5.2", { maxOutputTokens: 5 })).max_output_tokens, 16, "the least it takes");
});

Deno.test("each thinking mode reaches the Responses API as an effort the model has", async () => {
  const modes: ThinkingMode[] = ["minimal", "low", "medium", "high", "max"];
  const sent = async (model: string, request: Partial<ChatRequest> = {}) => {
    const bodies = modes.map((thinkingMode) => bodyOf(model, { ...request, thinkingMode }));
    return (await Promise.all(bodies)).map(({ reasoning }) => (reasoning as JsonObject).effort);
  };
  assertEquals(await sent("gpt-5"), ["minimal", "low", "medium", "high", "high"]);
  assertEquals(await sent("gpt-5-pro"), ["high", "high", "high", "high", "high"]);
  assertEquals(await sent("gpt-6.2-sol"), ["low", "low", "medium", "high", "max"]);
  assertEquals(await sent("gpt-5", { webSearch: true }), ["low", "low", "medium", "high", "high"]);
});

Deno.test("a summary of the reasoning is asked for where there is reasoning", async () => {
  assertEquals((await bodyOf("gpt-5.2", {})).reasoning, { summary: "auto" });
  assertEquals((await bodyOf("gpt-5.2", { thinkingMode: "high" })).reasoning, {
    effort: "high",
    summary: "auto",
  });
  assertEquals((await bodyOf("gpt-5.2", { thinkingMode: "minimal" })).reasoning, { effort: "none" });
});

Deno.test("a schema and JSON mode reach the Responses API as text formats", async () => {
  const jsonSchema = { name: "answer", schema: { type: "object", properties: { a: { type: "string" } } } };
  const { name, schema } = jsonSchema;
  assertEquals((await bodyOf("gpt-5.2", { jsonSchema })).text, {
    format: { type: "json_schema", name, schema, strict: false },
  });
  const pro = await bodyOf("gpt-5.4-pro", { jsonSchema });
  assertEquals(pro.text, { format: { type: "json_object" } });
  assertStringIncludes(JSON.stringify(pro.input), "JSON Schema");
  const searching = await bodyOf("gpt-5.4-pro", { jsonSchema, webSearch: true });
  assertEquals(searching.text, undefined, "JSON mode and web search exclude each other");
});

Deno.test("web search is a tool of the Responses API, and says where it looked", async () => {
  await using one = rig({
    responses: [respond("It rains.", {
      looked: ["https://a.example/", "https://b.example/"],
      cited: [{ url: "https://b.example/", title: "Weather" }],
    })],
  });
  const { citations, text } = await one.ask("gpt-5.2", { webSearch: true });
  const { body } = one.server.responses[0]!;
  assertDocumentedResponse("openai", body);
  assertEquals(body.tools, [{ type: "web_search" }]);
  assertEquals(body.include, ["reasoning.encrypted_content", "web_search_call.action.sources"]);
  assertEquals(text, "It rains.");
  assertEquals(citations?.map(({ url }) => url), ["https://a.example/", "https://b.example/"]);
});

const TOOLS = [{ name: "weather", description: "Tells the weather", parameters: { type: "object" } }];

Deno.test("a model that calls tools in rounds gets its encrypted reasoning back, and nobody else does", async () => {
  const calls = [
    { id: "call_1", name: "weather", arguments: '{"city":"Oslo"}' },
    { id: "call_2", name: "weather", arguments: '{"city":"Rome"}' },
  ];
  await using one = rig({
    responses: [
      respond("", { reasoning: "Both.", encrypted: "gAAA", commentary: "I look it up.", calls }),
      respond("Rain, sun."),
    ],
  });
  const tools = TOOLS;
  const first = await one.ask("gpt-5.2", { tools, toolChoice: "required" });
  assertEquals([first.finishReason, first.text], ["tool_calls", ""]);
  assertEquals(first.toolCalls, calls);
  const { body: asked } = one.server.responses[0]!;
  assertDocumentedResponse("openai", asked);
  assertEquals(asked.tools, [{ type: "function", ...TOOLS[0], strict: false }]);
  assertEquals(asked.tool_choice, "required");

  const messages: ChatMessage[] = [
    { role: "user", content: "The weather?" },
    { role: "assistant", content: "", toolCalls: first.toolCalls, providerItems: first.providerItems },
    { role: "tool", toolCallId: "call_1", content: "rain" },
    { role: "tool", toolCallId: "call_2", content: "sun" },
  ];
  assertEquals((await one.ask("gpt-5.2", { messages, tools })).text, "Rain, sun.");
  const { body } = one.server.responses[1]!;
  assertDocumentedResponse("openai", body);
  const input = body.input as JsonObject[];
  assertEquals(input.map(({ type, role }) => type ?? role), [
    "user",
    "reasoning",
    "message",
    "function_call",
    "function_call",
    "function_call_output",
    "function_call_output",
  ]);
  assertEquals(input[1]!.encrypted_content, "gAAA");

  await one.ask("gpt-5.1", { messages, tools });
  const other = one.server.responses[2]!.body.input as JsonObject[];
  assertEquals(other.map(({ type, role }) => type ?? role), [
    "user",
    "function_call",
    "function_call",
    "function_call_output",
    "function_call_output",
  ]);
});

Deno.test("a server without a Responses API is asked by chat completions, and remembered", async () => {
  await using one = rig();
  assertEquals((await one.ask("gpt-5.2", { thinkingMode: "high" })).text, "Hello.");
  assertEquals(one.server.lastBody.reasoning_effort, "high");
  await one.ask("gpt-5.2");
  assertEquals([one.server.responses.length, one.server.chats.length], [1, 2]);
  const error = await assertRejects(() => one.ask("gpt-5.2", { webSearch: true }), ExaiError);
  assertEquals(error.details?.fault, "refused");
  assertEquals(one.server.chats.length, 2, "chat completions cannot search with this model");
});

Deno.test("a model that only the Responses API has is asked there, whatever is known of it", async () => {
  const onlyThere = fail(404, {
    error: {
      message: "This model is only supported in v1/responses and not in v1/chat/completions.",
      type: "invalid_request_error",
      param: "model",
      code: null,
    },
  });
  const models = [{ name: "gpt-4.9-codex", provider: "openai" }];
  await using one = rig({ responses: [respond("Here.")], scripts: [onlyThere], models });
  assertEquals((await one.ask("gpt-4.9-codex")).text, "Here.");
  assertEquals((await one.ask("gpt-4.9-codex")).text, "Here.");
  assertEquals([one.server.chats.length, one.server.responses.length], [1, 2]);
});

Deno.test("a model that is nowhere is one refusal with the reason of the API it belongs to", async () => {
  const missing = (where: string) =>
    fail(404, { error: { message: `not in ${where}`, code: "model_not_found" } });
  await using one = rig({ responses: [missing("responses")], scripts: [missing("chat")] });
  const error = await assertRejects(() => one.ask("gpt-5-codex"), ExaiError);
  assertStringIncludes(error.message, "not in responses");
});

Deno.test("nothing but an absent path leads to the other API", async () => {
  for (
    const [status, code] of [[400, "INVALID_PARAMS"], [401, "CONFIG"], [500, "UPSTREAM_UNAVAILABLE"]] as const
  ) {
    await using one = rig({ responses: [fail(status, { error: { message: "no" } })] });
    const error = await assertRejects(() => one.ask("gpt-5.2"), ExaiError);
    assertEquals([error.code, one.server.chats.length], [code, 0]);
  }
});

Deno.test("models.json chooses the API of a model, also at a server of the user's own", async () => {
  const models = [{
    name: "qwen3",
    provider: "custom",
    api: "responses" as const,
    thinking: ["low", "high"] as const,
  }];
  await using one = rig({ responses: [respond("Local.")], kind: "custom", models });
  assertEquals((await one.ask("qwen3", { thinkingMode: "high" })).text, "Local.");
  const { body } = one.server.responses[0]!;
  assertDocumentedResponse("custom", body);
  assertEquals(body.reasoning, { effort: "high" });
  await using other = rig({
    responses: [respond("Never.")],
    models: [{ name: "gpt-5.2", provider: "openai", api: "chat" }],
  });
  await other.ask("gpt-5.2");
  assertEquals([other.server.chats.length, other.server.responses.length], [1, 0]);
});

Deno.test("what OpenAI lists is offered with the API it has, or not at all", async () => {
  await using one = rig({ responses: [respond("New.")] });
  one.server.models = [
    "gpt-9-codex",
    "gpt-9-pro",
    "gpt-4.5-x",
    "gpt-realtime-2",
    "o4-deep-research",
    "gpt-5-codex",
  ]
    .map((id) => ({ id, object: "model" }));
  await one.models.refresh();
  const { models } = one.models.status()[0]!;
  assertEquals(models.map(({ name }) => name), ["gpt-5-codex", "gpt-9-codex", "gpt-9-pro", "gpt-4.5-x"]);
  assertEquals((await one.ask("gpt-9-codex")).text, "New.");
  await one.ask("gpt-4.5-x");
  assertEquals([one.server.responses.length, one.server.chats.length], [1, 1]);
});

Deno.test("raw completions of such a model go through chat completions", async () => {
  await using one = rig({ responses: [respond("Never.")] });
  const route = await one.models.resolve({ requested: "gpt-5.2", tool: "chat" });
  const { signal } = new AbortController();
  const { text } = await one.models.complete(route, { messages: [{ role: "user", content: "Hi" }] }, {
    signal,
  });
  assert(text === "Hello." && one.server.responses.length === 0);
});

Deno.test("an account that may not see summaries, or no stream, is answered all the same, and asked so from then on", async () => {
  const unverified = (param: string) =>
    fail(400, {
      error: {
        message: "Your organization must be verified to do this",
        type: "invalid_request_error",
        param,
        code: "unsupported_value",
      },
    });
  await using one = rig({
    responses: [
      unverified("reasoning.summary"),
      unverified("stream"),
      respondWhole("Whole."),
      respondWhole("Again."),
    ],
  });
  assertEquals((await one.ask("gpt-5.2", { thinkingMode: "high" })).text, "Whole.");
  assertEquals((await one.ask("gpt-5.2", { thinkingMode: "low" })).text, "Again.");
  const sent = one.server.responses.map(({ body }) => [body.reasoning, body.stream]);
  assertEquals(sent, [
    [{ effort: "high", summary: "auto" }, true],
    [{ effort: "high" }, true],
    [{ effort: "high" }, undefined],
    [{ effort: "low" }, undefined],
  ]);
});

Deno.test("an effort the model does not have is left out, and its summary is kept", async () => {
  const refused = fail(400, {
    error: { message: "Unsupported value: 'xhigh'", param: "reasoning.effort", code: "unsupported_value" },
  });
  await using one = rig({ responses: [refused, respond("Hi.")] });
  const { warnings } = await one.ask("gpt-5.2", { thinkingMode: "max" });
  assertEquals(one.server.responses[1]!.body.reasoning, { summary: "auto" });
  assertEquals(warnings, ["gpt-5.2 does not take reasoning.effort, so it was left out"]);
});

Deno.test("a local server behind OPENAI_BASE_URL is asked by chat completions, whatever it says of other paths", async () => {
  const unexpected = answer(
    '{"error":"Unexpected endpoint or method. (POST /v1/responses)"}',
    "application/json",
  );
  await using one = rig({ responses: [unexpected] });
  one.server.models = ["qwen3-coder", "openai/gpt-oss-20b", "gpt-oss-20b", "gpt-5.2"].map((id) => ({ id }));
  await one.models.refresh();
  for (const model of ["qwen3-coder", "openai/gpt-oss-20b", "gpt-oss-20b"]) {
    await one.ask(model, { temperature: 0.5 });
  }
  assertEquals([one.server.responses.length, one.server.lastBody.temperature], [0, 0.5]);
  assertEquals((await one.ask("gpt-5.2")).text, "Hello.");
});

Deno.test("a gateway that says by a code that a model has the other API is believed", async () => {
  const other = fail(400, { error: { message: "not accessible", code: "unsupported_api_for_model" } });
  const models = [{ name: "gpt-4.9-codex", provider: "openai" }];
  await using one = rig({ responses: [respond("Here.")], scripts: [other], models });
  assertEquals((await one.ask("gpt-4.9-codex")).text, "Here.");
});

Deno.test("chat with gpt-5-codex works through the tool, with the web, and says where it looked", async () => {
  await using one = rig({
    responses: [respond("Use the new API.", { cited: [{ url: "https://docs.example/new", title: "New" }] })],
  });
  one.server.models = [{ id: "gpt-5-codex", object: "model" }];
  await one.models.refresh();
  using tools = new TestTools({ models: one.models });
  const args = { prompt: "Which API?", model: "gpt-5-codex", use_websearch: true, thinking_mode: "high" };
  const { isError, answer } = await tools.call("chat", args);
  assertEquals(isError, false, JSON.stringify(answer));
  assertStringIncludes(JSON.stringify(answer), "Use the new API.");
  assertStringIncludes(JSON.stringify(answer), "https://docs.example/new");
  assertDocumentedResponse("openai", one.server.responses[0]!.body);
});
