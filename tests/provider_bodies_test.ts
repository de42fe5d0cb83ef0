import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ChatRequest, ThinkingMode } from "../lib/provider/provider.ts";
import type { ModelEntry } from "../lib/provider/configured_router.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ModelStatus } from "../lib/provider/provider_status.ts";
import { say } from "./fixtures/openai_server.ts";
import { respond } from "./fixtures/response_events.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { assertDocumented } from "./helpers/documented_bodies.ts";
import { assertDocumentedResponse } from "./helpers/documented_responses.ts";
import { rig, type RigOptions, TEST_KEY } from "./helpers/provider_rig.ts";

/** The kinds that are asked through chat completions. */
type Kind = Parameters<typeof assertDocumented>[0];

/** Asks `model` and gives back the body the provider got, after checking that the provider documents all of it. */
async function bodyOf(kind: Kind, model: string, request: Partial<ChatRequest>) {
  await using one = rig({ kind, setup: kind === "custom" ? { models: [model] } : {} });
  await one.ask(model, request);
  assertDocumented(kind, one.server.lastBody);
  return one.server.lastBody;
}

async function refusalOf(kind: Kind, model: string, request: Partial<ChatRequest>): Promise<string> {
  await using one = rig({ kind, setup: kind === "custom" ? { models: [model] } : {} });
  const error = await assertRejects(() => one.ask(model, request), ExaiError);
  assertEquals(error.code, "INVALID_PARAMS");
  assertEquals(one.server.chats.length, 0, "nothing may be sent, let alone billed");
  return error.message;
}

const MODELS: Record<Kind, string> = {
  kimi: "kimi-k2.6",
  glm: "glm-4.7",
  openrouter: "anthropic/claude-sonnet-4.5",
  openai: "gpt-5.2",
  custom: "qwen3:8b",
};

/** A rig of `kind`; of a server of the user's own it is told all its model can do. */
function ableCustom(kind: Kind): RigOptions {
  if (kind !== "custom") return { kind };
  const name = MODELS.custom;
  const able = { images: true, tools: true, jsonSchema: true, thinking: ["none", "low", "medium", "high"] };
  return { kind, setup: { models: [name] }, models: [{ name, ...able } as ModelEntry] };
}

for (const [kind, model] of Object.entries(MODELS) as [Kind, string][]) {
  Deno.test(`${kind} gets a question as it documents one, streamed, under its key`, async () => {
    await using one = rig({ kind, setup: kind === "custom" ? { models: [model] } : {} });
    const result = await one.ask(model, {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hi.", reasoning: "A greeting." },
        { role: "user", content: [{ type: "text", text: "And?" }] },
      ],
      temperature: 0.3,
      maxOutputTokens: 500,
    });
    const { body, headers, method } = one.server.chats[0]!;
    assertDocumented(kind, body);
    assertEquals([method, headers.get("authorization")], ["POST", `Bearer ${TEST_KEY}`]);
    assertEquals([body.model, body.max_tokens ?? body.max_completion_tokens], [model, 500]);
    assertEquals([result.text, result.provider, result.model], ["Hello.", kind, model]);
    assertEquals(result.usage.inputTokens, 12);
    assertEquals(result.usage.outputTokens, 3);
    // The SDK tells about the machine in headers of its own; nothing but the protocol's leaves it.
    assertEquals([...headers.keys()].filter((name) => name.startsWith("x-")), []);
  });
}

Deno.test("each thinking mode reaches the providers in their own words", async () => {
  const modes: ThinkingMode[] = ["minimal", "low", "medium", "high", "max"];
  const sent = async (kind: Kind, model: string) => {
    const bodies = [];
    for (const thinkingMode of modes) {
      const { thinking, reasoning_effort, reasoning } = await bodyOf(kind, model, { thinkingMode });
      const type = (thinking as { type?: string } | undefined)?.type;
      const effort = reasoning_effort ?? (reasoning as { effort?: string } | undefined)?.effort;
      bodies.push([type, effort].filter((part) => part !== undefined).join(" "));
    }
    return bodies;
  };
  const [off, on] = ["disabled", "enabled"];
  assertEquals(await sent("kimi", "kimi-k2.6"), [off, on, on, on, on]);
  assertEquals(await sent("kimi", "kimi-k3"), ["low", "low", "high", "high", "max"]);
  assertEquals(await sent("glm", "glm-4.7"), [off, on, on, on, on]);
  assertEquals(await sent("glm", "glm-5.2"), [off, `${on} high`, `${on} high`, `${on} high`, `${on} max`]);
  assertEquals(await sent("openai", "gpt-5"), ["minimal", "low", "medium", "high", "high"]);
  assertEquals(await sent("openai", "gpt-5.6-sol"), ["none", "low", "medium", "high", "max"]);
  assertEquals(await sent("openrouter", MODELS.openrouter), ["minimal", "low", "medium", "high", "xhigh"]);
});

Deno.test("without a thinking mode no provider is told how to think", async () => {
  for (const [kind, model] of Object.entries(MODELS) as [Kind, string][]) {
    const body = await bodyOf(kind, model, {});
    assertEquals([body.thinking, body.reasoning_effort, body.reasoning], [undefined, undefined, undefined]);
  }
});

Deno.test("a thinking mode is refused by name where there is no thinking to steer", async () => {
  assert(
    (await refusalOf("openai", "gpt-4.1", { thinkingMode: "high" })).includes("gpt-4.1 has no thinking"),
  );
  assert((await refusalOf("custom", "llama3", { thinkingMode: "low" })).includes("llama3 has no thinking"));
  const always = await refusalOf("kimi", "kimi-k2.7-code", { thinkingMode: "minimal" });
  assert(always.includes("kimi-k2.7-code always thinks"), always);
});

Deno.test("web search reaches the providers in their own words", async () => {
  assertEquals((await bodyOf("glm", "glm-4.7", { webSearch: true })).tools, [{
    type: "web_search",
    web_search: { enable: true, search_engine: "search-prime", search_result: true },
  }]);
  const kimi = await bodyOf("kimi", "kimi-k2.6", { webSearch: true });
  assertEquals(kimi.tools, [{ type: "builtin_function", function: { name: "$web_search" } }]);
  assertEquals(kimi.thinking, { type: "disabled" }, "Kimi searches only while the model does not think");
  const router = await bodyOf("openrouter", "openrouter/auto", { webSearch: true });
  assertEquals(router.tools, [{ type: "openrouter:web_search" }]);
  const search = await bodyOf("openai", "gpt-5-search-api", { webSearch: true });
  assertEquals(search.web_search_options, {});
});

Deno.test("web search is refused by name where there is none", async () => {
  for (
    const [kind, model] of [["openai", "gpt-4.1"], ["custom", "llama3"], ["kimi", "kimi-k2.7-code"]] as [
      Kind,
      string,
    ][]
  ) {
    const message = await refusalOf(kind, model, { webSearch: true });
    assert(message.includes(`${model} cannot search the web`), message);
  }
  const both = await refusalOf("kimi", "kimi-k2.6", { webSearch: true, thinkingMode: "high" });
  assert(both.includes("kimi-k2.6 searches the web only while it does not think"), both);
});

Deno.test("a mere default is left out where it cannot be had with the rest, and the answer says so", async () => {
  const request = { webSearch: true, defaultThinkingMode: "high" } as const;
  await using kimi = rig({ kind: "kimi" });
  const { leftOut } = await kimi.ask("kimi-k2.6", request);
  assertEquals(kimi.server.lastBody.thinking, { type: "disabled" });
  assertEquals(
    leftOut,
    "thinking_mode high, which is a default: kimi-k2.6 searches the web only while it does not think",
  );
  const alone = await kimi.ask("kimi-k2.6", { defaultThinkingMode: "high" });
  assertEquals([kimi.server.lastBody.thinking, alone.leftOut], [{ type: "enabled" }, undefined]);
  const asked = await kimi.ask("kimi-k2.6", { thinkingMode: "minimal", ...request });
  assertEquals([kimi.server.lastBody.thinking, asked.leftOut], [{ type: "disabled" }, undefined]);
});

Deno.test("Kimi's search is answered with its own arguments until the model has its answer", async () => {
  const search = {
    id: "$web_search:0",
    name: "$web_search",
    arguments: '{"query":"deno","usage":{"total_tokens":7}}',
  };
  await using one = rig({
    kind: "kimi",
    scripts: [say("", { toolCalls: [{ ...search, type: "builtin_function" }] }), say("Deno 2.9 is out.")],
  });
  const phases: string[] = [];
  const result = await one.ask("kimi-k2.6", { webSearch: true }, {
    onProgress: ({ phase }) => phases.push(phase),
  });
  assertEquals(result.text, "Deno 2.9 is out.");
  assertEquals(result.usage.inputTokens, 24, "both rounds are paid for");
  assert(phases.includes("searching"));
  const { messages } = one.server.lastBody;
  assertDocumented("kimi", one.server.lastBody);
  assertEquals((messages as unknown[]).slice(1), [
    {
      role: "assistant",
      content: "",
      tool_calls: [{
        id: search.id,
        type: "builtin_function",
        function: { name: "$web_search", arguments: search.arguments },
      }],
    },
    { role: "tool", tool_call_id: search.id, name: "$web_search", content: search.arguments },
  ]);
});

Deno.test("what the web search found comes back as citations", async () => {
  const link = { link: "https://deno.com/", title: "Deno", content: "…" };
  await using glm = rig({ kind: "glm", scripts: [say("Found.", { extra: { web_search: [link, link] } })] });
  const found = await glm.ask("glm-4.7", { webSearch: true });
  assertEquals(found.citations, [{ url: "https://deno.com/", title: "Deno" }]);
  const annotation = { type: "url_citation", url_citation: { url: "https://a.example/", title: "A" } };
  await using router = rig({
    kind: "openrouter",
    scripts: [say("Found.", { delta: { annotations: [annotation] } })],
  });
  const cited = await router.ask("openrouter/auto", { webSearch: true });
  assertEquals(cited.citations, [{ url: "https://a.example/", title: "A" }]);
});

Deno.test("functions are offered as documented, and the calls of a model come back whole", async () => {
  const call = { id: "call_1", name: "weather", arguments: '{"city":"Oslo"}' };
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  for (const [kind, model] of Object.entries(MODELS) as [Kind, string][]) {
    await using one = rig({
      ...ableCustom(kind),
      scripts: [say("", { toolCalls: [call, { ...call, id: "call_2" }] })],
    });
    const result = await one.ask(model, { tools: [{ name: "weather", description: "Weather", parameters }] });
    assertDocumented(kind, one.server.lastBody);
    assertEquals(result.toolCalls, [call, { ...call, id: "call_2" }]);
    assertEquals(result.finishReason, "tool_calls");
    const messages: ChatRequest["messages"] = [
      { role: "user", content: "?" },
      { role: "assistant", content: "", toolCalls: [call] },
      { role: "tool", toolCallId: "call_1", content: "Rain" },
    ];
    one.server.script(say("Rain in Oslo."));
    await one.ask(model, { messages, tools: [{ name: "weather", parameters }] });
    assertDocumented(kind, one.server.lastBody);
  }
});

Deno.test("images reach the models that take them, and are refused by name by the others", async () => {
  const url = "data:image/png;base64,iVBORw0KGgo=";
  const messages: ChatRequest["messages"] = [{
    role: "user",
    content: [{ type: "text", text: "What is it?" }, { type: "image", url }],
  }];
  for (
    const [kind, model] of Object.entries({ ...MODELS, kimi: "kimi-k3", glm: "glm-4.6v" }) as [Kind, string][]
  ) {
    await using one = rig(ableCustom(kind));
    await one.ask(model, { messages });
    assertDocumented(kind, one.server.lastBody);
    const [{ content }] = one.server.lastBody.messages as [{ content: unknown[] }];
    assertEquals(content[1], { type: "image_url", image_url: { url } });
  }
  const refusal = await refusalOf("glm", "glm-4.7", { messages });
  assert(refusal.includes("glm-4.7 takes no images"), refusal);
  const remote: ChatRequest["messages"] = [{
    role: "user",
    content: [{ type: "image", url: "https://x.example/a.png" }],
  }];
  assert((await refusalOf("kimi", "kimi-k3", { messages: remote })).includes("give the image as a file"));
});

Deno.test("an answer in JSON is asked for by schema where the model keeps to one, and in words where not", async () => {
  const jsonSchema = { name: "verdict", schema: { type: "object", properties: { ok: { type: "boolean" } } } };
  const held = await bodyOf("openai", "gpt-5.2", { jsonSchema });
  assertEquals(held.response_format, { type: "json_schema", json_schema: jsonSchema });
  for (const kind of ["openrouter", "custom"] as const) {
    await using one = rig(ableCustom(kind));
    await one.ask(MODELS[kind], { jsonSchema });
    assertDocumented(kind, one.server.lastBody);
    assertEquals(one.server.lastBody.response_format, held.response_format, kind);
  }
  assertEquals((await bodyOf("kimi", MODELS.kimi, { jsonSchema })).response_format, { type: "json_object" });
  const told = await bodyOf("glm", "glm-4.7", { jsonSchema });
  assertEquals(told.response_format, { type: "json_object" });
  const [{ role, content }] = told.messages as [{ role: string; content: string }];
  assertEquals(role, "system");
  assert(content.includes("JSON Schema") && content.includes('"boolean"'), content);
});

Deno.test("temperature goes only to models that take one", async () => {
  assertEquals((await bodyOf("glm", "glm-4.7", { temperature: 0.2 })).temperature, 0.2);
  assertEquals((await bodyOf("kimi", "kimi-k2.6", { temperature: 0.2 })).temperature, undefined);
  assertEquals((await bodyOf("openai", "gpt-5.2", { temperature: 0.2 })).temperature, undefined);
  assertEquals((await bodyOf("openai", "gpt-4.1", { temperature: 0.2 })).temperature, 0.2);
  for (const kind of ["openrouter", "custom"] as const) {
    assertEquals((await bodyOf(kind, MODELS[kind], { temperature: 0.2 })).temperature, 0.2);
  }
});

Deno.test("every provider streams and is asked to tell the usage, but for GLM, which tells it unasked", async () => {
  for (const [kind, model] of Object.entries(MODELS) as [Kind, string][]) {
    const { stream, stream_options } = await bodyOf(kind, model, {});
    assertEquals(
      [stream, stream_options],
      [true, kind === "glm" ? undefined : { include_usage: true }],
      kind,
    );
  }
});

Deno.test("a server of the user's own is told how hard to think, where the user says what its model takes", async () => {
  await using one = rig(ableCustom("custom"));
  const sent = [];
  for (const thinkingMode of ["minimal", "low", "max"] as const) {
    await one.ask(MODELS.custom, { thinkingMode });
    assertDocumented("custom", one.server.lastBody);
    sent.push(one.server.lastBody.reasoning_effort);
  }
  assertEquals(sent, ["none", "low", "high"]);
});

Deno.test("whatever a tool asks a model for by itself, the provider gets only what it documents", async () => {
  const others: [Kind, string][] = [["kimi", "kimi-k3"], ["glm", "glm-5.2"], ["openai", "gpt-4.1"]];
  const last = {
    step: "look",
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    findings: "a race",
    images: ["data:image/png;base64,iVBORw0KGgo="],
  };
  for (const [kind, model] of [...Object.entries(MODELS) as [Kind, string][], ...others]) {
    const done = '{"summary": "done"}';
    await using one = rig({ ...ableCustom(kind), scripts: [say(done)], responses: [respond(done)] });
    using tools = new TestTools({ models: one.models });
    const [{ abilities }] = one.models.status()[0]!.models.filter(({ name }) => name === model) as [
      ModelStatus,
    ];
    const wishes = { use_websearch: abilities.search, images: abilities.images ? last.images : [] };
    const calls: [string, JsonObject][] = [
      ["chat", { prompt: "hello", model, ...wishes }],
      ["consensus", { ...last, models: [{ model }], ...wishes }],
    ];
    for (const name of ["thinkdeep", "analyze", "codereview", "secaudit", "refactor", "debug"]) {
      calls.push([name, { ...last, model, ...wishes }]);
    }
    for (const [name, args] of calls) {
      const { isError, answer } = await tools.call(name, args);
      assertEquals(isError, false, `${model} ${name}: ${JSON.stringify(answer.content)}`);
      const { path, body } = one.server.requests.at(-1)!;
      if (path === "/responses") assertDocumentedResponse("openai", body);
      else assertDocumented(kind, body);
    }
    assertEquals(one.server.chats.length + one.server.responses.length, calls.length);
  }
});

Deno.test("a raw completion keeps messages and tools as the caller wrote them", async () => {
  await using one = rig({ kind: "kimi", scripts: [say("Done.")] });
  const messages = [{ role: "user", content: "Hi" }, { role: "assistant", content: "{", partial: true }];
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const route = await one.models.resolve({
    requested: "kimi-k2.6",
    tool: "kimi_chat_with_tools",
    provider: "kimi",
  });
  const { signal } = new AbortController();
  const result = await one.models.complete(
    route,
    { messages, tools, tool_choice: "auto", webSearch: true },
    { signal },
  );
  assertEquals(result.text, "Done.");
  const { lastBody } = one.server;
  assertEquals(lastBody.messages, messages);
  assertEquals(lastBody.tools, [...tools, { type: "builtin_function", function: { name: "$web_search" } }]);
  assertEquals(lastBody.tool_choice, "auto");
});

Deno.test("OpenRouter is told whose request it is when that is set", async () => {
  const headers = { "HTTP-Referer": "https://exai.example", "X-Title": "EXAI" };
  await using one = rig({ kind: "openrouter", setup: { headers } });
  await one.ask("openrouter/auto");
  const sent = one.server.chats[0]!.headers;
  assertEquals([sent.get("http-referer"), sent.get("x-title")], ["https://exai.example", "EXAI"]);
});
