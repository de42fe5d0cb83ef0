import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import { likelyUrl } from "../lib/provider/api/provider_site.ts";
import { claudeEvents } from "./fixtures/anthropic_events.ts";
import { streamed } from "./fixtures/native_server.ts";
import { answer, fail, say, type Script } from "./fixtures/openai_server.ts";
import { respond } from "./fixtures/response_events.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { nativeRig } from "./helpers/native_rig.ts";
import { type Rig, rig, type RigOptions } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

const refuse = (message: string, more: JsonObject = {}, status = 400) =>
  fail(status, { error: { message, ...more } });

async function chat({ models }: Pick<Rig, "models">, args: JsonObject = {}) {
  using tools = new TestTools({ models });
  const { answer, isError } = await tools.call("chat", { prompt: "Hello?", model: MODEL, ...args });
  return { content: String(answer.content), isError, facts: answer.metadata };
}

async function chatOnce(script: Script, options: RigOptions = {}) {
  await using one = rig({ scripts: [script], retry: { maxAttempts: 1 }, ...options });
  return (await chat(one)).content;
}

Deno.test("a refusal that stays without the field is not taken for one of the field", async () => {
  const policy = refuse("Our policy forbids what the messages say of temperature");
  await using one = rig({ scripts: [policy, policy, say("Fine.")] });
  assert((await chat(one, { temperature: 0.3 })).isError);
  const { facts } = await chat(one, { temperature: 0.3 });
  const sent = one.server.chats.map(({ body }) => "temperature" in body);
  assertEquals([sent, facts.warnings], [[true, false, true], undefined]);
});

Deno.test("a field is known in any case and among the errors of fields, and not by the name of a model", async () => {
  const unless = (field: string, body: JsonObject): Script => (request) =>
    field in request.body ? fail(422, body)(request) : say("Fine.")(request);
  for (
    const script of [
      unless("stream_options", { error: { message: "unknown field streamOptions" } }),
      unless("temperature", { errors: { temperature: ["is not allowed"] } }),
    ]
  ) {
    await using one = rig({ scripts: [script] });
    assertEquals((await chat(one, { temperature: 0.3 })).content, "Fine.");
  }
  const models = [{ name: "big-thinking", provider: "custom", thinking: ["low", "high"] as const }];
  const full = refuse("The model `big-thinking` is full");
  await using one = rig({ kind: "custom", scripts: [full, full, say("Fine.")], models });
  assert((await chat(one, { model: "big-thinking", thinking_mode: "high" })).isError);
  assertEquals(one.server.chats.length, 1);
});

Deno.test("the words of a refusal stand for the code that it lacks", async () => {
  const window = [
    "prompt is too long: 208310 tokens > 200000 maximum",
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Invalid request: Your request exceeded model token limit: 262144",
    "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
  ];
  for (const message of window) {
    assertStringIncludes(await chatOnce(refuse(message, { type: "invalid_request_error" })), "larger window");
  }
  const key = fail(400, {
    code: "Client specified an invalid argument",
    error: "Incorrect API key provided: xa***.",
  });
  assertStringIncludes(await chatOnce(key), "Check its key");
  const credit = refuse("Your credit balance is too low to access the API.", {
    type: "invalid_request_error",
  });
  assertStringIncludes(await chatOnce(credit), "nothing left");
  const busy = refuse("Limit of your context window per minute", { code: "rate_limit_exceeded" }, 429);
  assertStringIncludes(await chatOnce(busy), "asked too often");
});

Deno.test("a reason is found before a page, behind a comment, and in a code alone", async () => {
  const page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
  assertStringIncludes(await chatOnce(refuse(`upstream: ${page}`, {}, 502)), "upstream: 502 Bad Gateway. It");
  assertStringIncludes(
    await chatOnce(answer(`<!-- x -->${page}`, "text/html", 502)),
    ": 502 Bad Gateway. It",
  );
  assertStringIncludes(await chatOnce(answer('<div class="e">Down</div>', "text/html", 500)), ": Down. It");
  assertStringIncludes(await chatOnce(refuse("", { code: "insufficient_quota" })), "insufficient_quota");
});

Deno.test("what is not the second API does not hide why the first refuses", async () => {
  const missing = refuse("model 'gpt-4.1' not found, try pulling it first", {}, 404);
  for (
    const second of [
      answer("<html><title>Open WebUI</title></html>", "text/html"),
      refuse("no token", {}, 401),
      fail(400, { error: "Unexpected endpoint or method. (POST /v1/responses)" }),
    ]
  ) {
    assertStringIncludes(await chatOnce(missing, { responses: [second] }), "try pulling it first");
  }
});

Deno.test("a whole answer that is cut is no wrong URL, and is not asked again", async () => {
  const cut = answer('{"choices":[{"message":{"content":"Half an', "application/json");
  await using one = rig({ scripts: [cut] });
  const { content } = await chat(one);
  assertStringIncludes(content, "broke off");
  assertEquals(one.server.chats.length, 1);
});

Deno.test("a model that is overloaded within its streams does not close its provider", async () => {
  const start = claudeEvents("", {}, "claude")[0]!;
  const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
  await using one = nativeRig("anthropic", { scripts: [streamed([start, error])] });
  for (let i = 0; i < 3; i++) assert((await chat(one, { model: "claude-opus-4-8" })).isError);
  one.server.script(streamed(claudeEvents("Fine.", {}, "claude")));
  assertEquals((await chat(one, { model: "claude-haiku-4-5" })).content, "Fine.");
});

Deno.test("an answer that breaks after a search was billed: no other model is asked, and the budget counts it", async () => {
  const search = { id: "s", name: "$web_search", arguments: "{}", type: "builtin_function" };
  await using one = rig({
    kind: "kimi",
    scripts: [say("", { toolCalls: [search] }), refuse("down", {}, 503)],
    retry: { maxAttempts: 1 },
  });
  const { isError, content, facts } = await chat(one, { model: "kimi-k2.6", use_websearch: true });
  assert(isError && content.includes("may have been billed"), content);
  assertEquals(facts.error_code, "OUTCOME_UNKNOWN");
  assert(one.models.status()[0]!.spentToday!.inputTokens > 0);
});

Deno.test("the URL that most likely works is named for any page of a server", () => {
  const cases = {
    "/api/chat": "/v1",
    "/api/generate": "/v1",
    "/v1/chat": "/v1",
    "/v1/models/x": "/v1",
    "/openai/v1/chat": "/openai/v1",
    "/docs": "/v1",
    "/index.html": "/v1",
  };
  for (const [path, likely] of Object.entries(cases)) {
    assertEquals(likelyUrl({ kind: "custom", baseUrl: `http://host${path}` }), `http://host${likely}`);
  }
});

Deno.test("the password in a URL is in no error", async () => {
  await using one = rig({
    kind: "custom",
    scripts: [answer("<html><title>Gone</title></html>", "text/html", 404)],
  });
  const baseUrl = `http://user:hunter2-hunter2@${new URL(one.server.url).host}`;
  using models = createModelRouter({ setups: [{ kind: "custom", baseUrl, models: ["m"] }] });
  const { content } = await chat({ models }, { model: "m" });
  assert(content.includes("Gone") && !content.includes("hunter2"), content);
});

Deno.test("a model of the other API is asked there, whichever way the first says so", async () => {
  const ways = [
    refuse("This model is only supported in v1/responses and not in v1/chat/completions.", {
      param: "model",
    }),
    refuse("The chatCompletion operation does not work with the specified model", {
      code: "OperationNotSupported",
    }),
  ];
  for (const way of ways) assertEquals(await chatOnce(way, { responses: [respond("Fine.")] }), "Fine.");
  await using one = rig({
    responses: [refuse("Unsupported endpoint /v1/responses")],
    scripts: [say("Fine.")],
  });
  assertEquals((await chat(one, { model: "gpt-5.2" })).content, "Fine.");
});

Deno.test("a gateway that does not know store is asked without it", async () => {
  const script: Script = (request) =>
    "store" in request.body
      ? refuse("Unknown parameter: 'store'.", { param: "store" })(request)
      : respond("Fine.")(request);
  await using one = rig({ responses: [script] });
  assertEquals((await chat(one, { model: "gpt-5.2" })).content, "Fine.");
});

Deno.test("a redirect is told without its query", async () => {
  const content = await chatOnce(() =>
    new Response(null, { status: 302, headers: { location: "https://sso.example.com/login?token=abc123" } })
  );
  assert(content.includes("https://sso.example.com/login") && !content.includes("abc123"), content);
});

Deno.test("a field that is refused takes no retry away", async () => {
  const busy = refuse("busy", {}, 503);
  await using one = rig({
    scripts: [refuse("Unsupported parameter: temperature"), busy, busy, say("Fine.")],
  });
  assertEquals((await chat(one, { temperature: 0.3 })).content, "Fine.");
});
