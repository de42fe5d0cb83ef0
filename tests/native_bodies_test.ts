import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ChatRequest, ThinkingMode } from "../lib/provider/provider.ts";
import { sayClaude } from "./fixtures/anthropic_events.ts";
import { sayGemini } from "./fixtures/gemini_events.ts";
import type { NativeKind } from "./fixtures/native_server.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { nativeRig } from "./helpers/native_rig.ts";
import { TEST_KEY } from "./helpers/provider_rig.ts";

const MODELS: Readonly<Record<NativeKind, string>> = { gemini: "gemini-4-argon", anthropic: "claude-opus-5" };
const KINDS = Object.keys(MODELS) as NativeKind[];
const MODES: ThinkingMode[] = ["minimal", "low", "medium", "high", "max"];
const PIXEL = "iVBORw0KGgo=";

/** Asks `model` and gives back the body the provider got, all of which it documents. */
async function bodyOf(
  kind: NativeKind,
  model: string,
  request: Partial<ChatRequest> = {},
): Promise<JsonObject> {
  await using one = nativeRig(kind);
  await one.ask(model, request);
  return one.server.lastBody;
}

async function refusalOf(kind: NativeKind, model: string, request: Partial<ChatRequest>): Promise<string> {
  await using one = nativeRig(kind);
  const error = await assertRejects(() => one.ask(model, request), ExaiError);
  assertEquals([error.code, one.server.asked.length], ["INVALID_PARAMS", 0], "nothing may be sent");
  return error.message;
}

const config = (body: JsonObject) => (body.generationConfig ?? {}) as JsonObject;

/** What a body says of thinking, in short. */
function thinkingIn(body: JsonObject): string {
  const { thinkingLevel, thinkingBudget } = (config(body).thinkingConfig ?? {}) as JsonObject;
  const { type, budget_tokens } = (body.thinking ?? {}) as JsonObject;
  const { effort } = (body.output_config ?? {}) as JsonObject;
  return [thinkingLevel, thinkingBudget, type, budget_tokens, effort].filter((part) => part !== undefined)
    .join(" ");
}

const CONVERSATION: ChatRequest["messages"] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hi. ", reasoning: "A greeting." },
  { role: "user", content: [{ type: "text", text: "And?" }, { type: "text", text: "" }] },
];

Deno.test("Gemini gets a conversation as it documents one, under its key and nothing more", async () => {
  await using one = nativeRig("gemini");
  const result = await one.ask("gemini-2.5-flash", {
    messages: CONVERSATION,
    temperature: 0.3,
    maxOutputTokens: 500,
  });
  const { body, headers, method, path } = one.server.asked[0]!;
  assertEquals([method, path], ["POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"]);
  assertEquals(headers.get("x-goog-api-key"), TEST_KEY);
  assertEquals(headers.get("authorization"), null);
  assertEquals(headers.get("x-goog-api-client"), null, "the package tells of itself and the machine");
  assertEquals(body.contents, [
    { role: "user", parts: [{ text: "Hi" }] },
    { role: "model", parts: [{ text: "Hi. " }] },
    { role: "user", parts: [{ text: "And?" }] },
  ]);
  assertEquals((body.systemInstruction as JsonObject).parts, [{ text: "Be brief." }]);
  assertEquals([config(body).temperature, config(body).maxOutputTokens], [0.3, 500]);
  assertEquals([result.text, result.provider, result.model], ["Hello.", "gemini", "gemini-2.5-flash"]);
});

Deno.test("Claude gets a conversation as it documents one, under its key and nothing more", async () => {
  await using one = nativeRig("anthropic");
  const result = await one.ask("claude-sonnet-5", {
    messages: CONVERSATION,
    temperature: 0.3,
    maxOutputTokens: 500,
  });
  const { body, headers } = one.server.asked[0]!;
  assertEquals(headers.get("authorization"), `Bearer ${TEST_KEY}`);
  assertEquals(headers.get("anthropic-version"), "2026-10-21");
  assertEquals([...headers.keys()].filter((name) => name.startsWith("x-")), []);
  assertEquals([body.system, body.max_tokens], ["Be brief.", 500]);
  assertEquals(body.messages, [
    { role: "user", content: [{ type: "text", text: "Hi" }] },
    { role: "assistant", content: [{ type: "text", text: "Hi." }] },
    { role: "user", content: [{ type: "text", text: "And?" }] },
  ]);
  assertEquals(body.temperature, undefined, "this version of the API has none");
  assertEquals([result.text, result.provider, result.model], ["Hello.", "anthropic", "claude-sonnet-5"]);
});

Deno.test("a native provider is found at its address however that is written", async () => {
  const addresses: [NativeKind, (url: string) => string][] = [
    ["gemini", (url) => `${url}/`],
    ["gemini", (url) => url.replace("/v1beta", "")],
    ["gemini", (url) => `${url}/openai/`],
    ["anthropic", (url) => `${url}/`],
    ["anthropic", (url) => `${url}/v1`],
    ["anthropic", (url) => `${url}/v1/messages`],
  ];
  for (const [kind, address] of addresses) {
    await using one = nativeRig(kind, { address });
    assertEquals((await one.ask(MODELS[kind])).text, "Hello.", address("URL"));
  }
});

Deno.test("each thinking mode reaches the native models in what they take: a level, an effort, or a budget", async () => {
  const sent = async (kind: NativeKind, model: string) => {
    const bodies = [];
    for (const thinkingMode of MODES) bodies.push(thinkingIn(await bodyOf(kind, model, { thinkingMode })));
    return bodies;
  };
  assertEquals(await sent("gemini", "gemini-4-argon"), ["LOW", "LOW", "MEDIUM", "HIGH", "HIGH"]);
  assertEquals(await sent("gemini", "gemini-4-neon"), ["LOW", "LOW", "MEDIUM", "HIGH", "XHIGH"]);
  assertEquals(await sent("gemini", "gemini-3.5-flash"), ["MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH"]);
  assertEquals(await sent("gemini", "gemini-2.5-pro"), ["164", "2621", "10813", "21955", "32768"]);
  assertEquals(await sent("gemini", "gemini-2.5-flash"), ["0", "1966", "8110", "16466", "24576"]);
  const adaptive = ["low", "medium", "high", "max"].map((effort) => `adaptive ${effort}`);
  assertEquals(await sent("anthropic", "claude-opus-5"), ["disabled", ...adaptive]);
  assertEquals(await sent("anthropic", "claude-opus-5-5"), [adaptive[0]!, ...adaptive]);
  assertEquals(await sent("anthropic", "claude-sonnet-5-5"), ["between_tools low", ...adaptive]);
  assertEquals(await sent("anthropic", "claude-haiku-4-5"), [
    "disabled",
    "enabled 2560",
    "enabled 10560",
    "enabled 21440",
    "enabled 32000",
  ]);
});

Deno.test("without a thinking mode no native model is told how to think, but Gemini is asked to show its thoughts", async () => {
  assertEquals(config(await bodyOf("gemini", "gemini-4-argon")).thinkingConfig, { includeThoughts: true });
  const { thinking, output_config } = await bodyOf("anthropic", "claude-opus-5-5");
  assertEquals([thinking, output_config], [undefined, undefined]);
});

Deno.test("a budget leaves room for the answer, and is left out where there is none", async () => {
  const ask = (maxOutputTokens: number) =>
    bodyOf("anthropic", "claude-haiku-4-5", { thinkingMode: "max", maxOutputTokens });
  assertEquals(thinkingIn(await ask(4000)), "enabled 2976");
  assertEquals(thinkingIn(await ask(1500)), "");
});

Deno.test("a temperature reaches only Gemini's models that are meant to have one", async () => {
  assertEquals(config(await bodyOf("gemini", "gemini-2.5-pro", { temperature: 0.2 })).temperature, 0.2);
  assertEquals(config(await bodyOf("gemini", "gemini-4-argon", { temperature: 0.2 })).temperature, undefined);
});

Deno.test("web search reaches the native providers in their own words", async () => {
  assertEquals((await bodyOf("gemini", MODELS.gemini, { webSearch: true })).tools, [{ googleSearch: {} }]);
  const [tool] = (await bodyOf("anthropic", MODELS.anthropic, { webSearch: true })).tools as JsonObject[];
  assertEquals(tool?.type, "web_search_20250305");
});

Deno.test("images reach the native providers, whether as a file or by address", async () => {
  const ask = (kind: NativeKind, url: string) =>
    bodyOf(kind, MODELS[kind], {
      messages: [{ role: "user", content: [{ type: "image", url }, { type: "text", text: "What is it?" }] }],
    });
  const gemini = (await ask("gemini", `data:image/jpg;base64,${PIXEL}`)).contents as JsonObject[];
  assertEquals(gemini[0]!.parts, [{ inlineData: { mimeType: "image/jpeg", data: PIXEL } }, {
    text: "What is it?",
  }]);
  const [linked] = (await ask("gemini", "https://x.example/a.png?b=1")).contents as JsonObject[];
  assertEquals((linked!.parts as JsonObject[])[0], {
    fileData: { mimeType: "image/png", fileUri: "https://x.example/a.png?b=1" },
  });
  const claude = (await ask("anthropic", `data:image/gif;base64,${PIXEL}`)).messages as JsonObject[];
  assertEquals((claude[0]!.content as JsonObject[])[0], {
    type: "image",
    source: { type: "base64", media_type: "image/gif", data: PIXEL },
  });
});

Deno.test("an image of a type that a native provider does not take is refused by name before it is sent", async () => {
  const messages: ChatRequest["messages"] = [{
    role: "user",
    content: [{ type: "image", url: `data:image/bmp;base64,${PIXEL}` }],
  }];
  for (const kind of KINDS) {
    const refusal = await refusalOf(kind, MODELS[kind], { messages });
    assert(refusal.includes("image/bmp") && refusal.includes("image/png"), refusal);
  }
});

Deno.test("an answer in JSON is asked for by schema, as each native provider takes one", async () => {
  const properties = { ok: { type: "boolean" }, n: { type: "integer", minimum: 1 } };
  const jsonSchema = { name: "verdict", schema: { type: "object", properties } };
  const gemini = await bodyOf("gemini", MODELS.gemini, { jsonSchema, webSearch: true });
  assertEquals(config(gemini).responseJsonSchema, jsonSchema.schema);
  assertEquals(config(gemini).responseMimeType, "application/json");
  const older = await bodyOf("gemini", "gemini-2.5-pro", { jsonSchema, webSearch: true });
  assertEquals(config(older).responseMimeType, undefined, "it does not search and write JSON at once");
  assert(JSON.stringify(older.systemInstruction).includes("JSON Schema"));
  const claude = await bodyOf("anthropic", MODELS.anthropic, { jsonSchema });
  assertEquals((claude.output_config as JsonObject).format, {
    type: "json_schema",
    schema: {
      type: "object",
      properties: { ok: { type: "boolean" }, n: { type: "integer" } },
      additionalProperties: false,
    },
  });
});

Deno.test("Claude's cache is written once a conversation goes on, and not for a single question", async () => {
  assertEquals((await bodyOf("anthropic", MODELS.anthropic)).cache_control, undefined);
  const body = await bodyOf("anthropic", MODELS.anthropic, { messages: CONVERSATION });
  assertEquals(body.cache_control, { type: "ephemeral" });
});

Deno.test("whatever a tool asks a native model for by itself, the provider gets only what it documents", async () => {
  const last = {
    step: "look",
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    findings: "a race",
    images: [`data:image/png;base64,${PIXEL}`],
  };
  const models: [NativeKind, string][] = [
    ["gemini", "gemini-4-carbon"],
    ["gemini", "gemini-2.5-flash"],
    ["anthropic", "claude-sonnet-5-5"],
    ["anthropic", "claude-haiku-4-5"],
  ];
  for (const [kind, model] of models) {
    const say = kind === "gemini" ? sayGemini : sayClaude;
    await using one = nativeRig(kind, { scripts: [say('{"summary": "done"}')] });
    using tools = new TestTools({ models: one.models });
    const calls: [string, JsonObject][] = [
      ["chat", { prompt: "hello", model, use_websearch: true, images: last.images }],
      ["consensus", { ...last, models: [{ model }] }],
    ];
    for (const name of ["thinkdeep", "analyze", "codereview", "secaudit", "refactor", "debug"]) {
      calls.push([name, { ...last, model }]);
    }
    for (const [name, args] of calls) {
      const { isError, answer } = await tools.call(name, args);
      assertEquals(isError, false, `${model} ${name}: ${JSON.stringify(answer.content)}`);
    }
    await one.ask(model);
    assertEquals(one.server.asked.length, calls.length + 1);
  }
});
