import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { fail, raw, say, type Script } from "./fixtures/openai_server.ts";
import { rig } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

const COMPLETION = { choices: [{ message: { content: "Hello." }, finish_reason: "stop" }] };

Deno.test("a field that a model refuses is left out, once for all", async (test) => {
  const openai = (param: string) => ({
    error: {
      message: `Unsupported parameter: '${param}' is not supported.`,
      param,
      code: "unsupported_parameter",
    },
  });
  const cases: [string, number, unknown][] = [
    ["OpenAI", 400, openai("temperature")],
    ["a value OpenAI does not take", 400, {
      error: { message: "Unsupported value: 'temperature' does not support 0.2", param: "temperature" },
    }],
    ["vLLM", 422, { detail: [{ loc: ["body", "temperature"], msg: "Extra inputs are not permitted" }] }],
    ["Gemini", 400, [{
      error: { message: 'Invalid JSON payload received. Unknown name "temperature": Cannot find field.' },
    }]],
    ["Bedrock, which lists what it takes", 400, {
      message:
        "temperature: unknown field `temperature`, expected one of `messages`, `model`, `stream_options`",
    }],
    ["OpenRouter", 400, {
      error: { message: "Provider returned error", metadata: { raw: JSON.stringify(openai("temperature")) } },
    }],
  ];
  for (const [name, status, body] of cases) {
    await test.step(name, async () => {
      const strict: Script = (request) =>
        request.body.temperature === undefined ? say("Fine.")(request) : fail(status, body)(request);
      await using one = rig({ kind: "custom", scripts: [strict], setup: { models: ["m"] } });
      const ask = () => one.ask("m", { temperature: 0.2 });
      const first = await ask();
      assertEquals([first.text, first.warnings], ["Fine.", [
        "m does not take temperature, so it was left out",
      ]]);
      assertEquals(one.server.chats.length, 2, "it is asked once more");
      assertEquals((await ask()).warnings?.length, 1);
      assertEquals(one.server.chats.length, 3, "it is remembered");
    });
  }
});

Deno.test("several fields are left out one after another, and a limit is sent under its other name", async () => {
  const strict: Script = (request) => {
    const { body } = request;
    for (const field of ["stream_options", "max_tokens", "temperature"]) {
      if (body[field] !== undefined) {
        return fail(400, { error: { message: `no ${field}`, param: field } })(request);
      }
    }
    return say("Fine.")(request);
  };
  await using one = rig({ kind: "custom", scripts: [strict], setup: { models: ["m"] } });
  const { text, warnings = [] } = await one.ask("m", { temperature: 0.2, maxOutputTokens: 99 });
  assertEquals(text, "Fine.");
  assertEquals(one.server.lastBody.max_completion_tokens, 99);
  assertEquals(warnings.map((warning) => warning.split(" ")[4]), ["stream_options,", "temperature,"]);
});

Deno.test("a model that may not be streamed answers as a whole", async () => {
  const strict: Script = (request) =>
    request.body.stream === undefined ? Response.json(COMPLETION) : fail(400, {
      error: { message: "Your organization must be verified to stream this model.", param: "stream" },
    })(
      request,
    );
  await using one = rig({ scripts: [strict] });
  assertEquals((await one.ask(MODEL)).text, "Hello.");
  assertEquals(one.server.lastBody.stream_options, undefined);
});

Deno.test("what cannot be left out is refused at once, with the reason", async () => {
  for (const param of ["messages", "model", "messages[0].content", undefined]) {
    const script = fail(400, { error: { message: "Too many images", param } });
    await using one = rig({ scripts: [script] });
    const { message } = await assertRejects(() => one.ask(MODEL, { temperature: 0.2 }), ExaiError);
    assertStringIncludes(message, "Too many images");
    assertEquals(one.server.chats.length, 1);
  }
});

Deno.test("a model that breaks off is left alone, the others of its provider are not", async () => {
  const broken = raw('{"choices":[{"delta":{"content":"Half"}}]}');
  const script: Script = (request) => request.body.model === MODEL ? broken(request) : say("Fine.")(request);
  await using one = rig({ scripts: [script], breaker: { failures: 2, openMs: 60_000 } });
  const faultOf = async () => (await assertRejects(() => one.ask(MODEL), ExaiError)).details?.fault;
  assertEquals([await faultOf(), await faultOf(), await faultOf()], ["cut", "cut", "breaker_open"]);
  assertEquals(one.server.chats.length, 2);
  const { message } = await assertRejects(() => one.ask(MODEL), ExaiError);
  assertStringIncludes(message, `${MODEL} of openai failed 2 times in a row`);
  assertEquals((await one.ask("gpt-4o")).text, "Fine.");
  assertEquals(one.models.status()[0]?.available, true, "a provider that answers is available");
});

Deno.test("failures of calls side by side count each", async () => {
  const broken = raw('{"choices":[{"delta":{"content":"Half"}}]}');
  await using one = rig({ scripts: [broken], breaker: { failures: 3, openMs: 60_000 } });
  await Promise.all([1, 2, 3].map(() => assertRejects(() => one.ask(MODEL), ExaiError, "broke off")));
  await assertRejects(() => one.ask(MODEL), ExaiError, "left alone");
});

Deno.test("auto passes over a model that is left alone, for another of its provider", async () => {
  await using one = rig({ breaker: { failures: 1, openMs: 60_000 } });
  const { model: best } = await one.models.resolve({ tool: "chat" });
  const broken = raw('{"choices":[{"delta":{"content":"Half"}}]}');
  one.server.script((request) => request.body.model === best.name ? broken(request) : say("Fine.")(request));
  await assertRejects(() => one.ask({ tool: "chat" }), ExaiError, "broke off");
  const { text, model } = await one.ask({ tool: "chat" });
  assertEquals([text, model === best.name], ["Fine.", false]);
});

Deno.test("a provider whose models all fail is left alone as a whole", async () => {
  await using one = rig({
    scripts: [fail(500, {})],
    breaker: { failures: 2, openMs: 60_000 },
    retry: { maxAttempts: 1 },
  });
  const ask = async (model: string) => (await assertRejects(() => one.ask(model), ExaiError)).details?.fault;
  for (const model of [MODEL, "gpt-4o", MODEL, "gpt-4o"]) assertEquals(await ask(model), "outage");
  assertEquals(await ask("gpt-4.1-mini"), "breaker_open", "a model that was not asked yet");
  assertEquals(one.server.chats.length, 4);
});

Deno.test("while a long rate limit holds, calls of the same model are told so and not sent", async () => {
  const busy = fail(429, { error: { message: "Slow down" } }, { "retry-after": "3600" });
  await using one = rig({ scripts: [busy], setup: { models: ["m", "n"] } });
  await assertRejects(() => one.ask("m"), ExaiError, "answered 429");
  const { retryAfterMs = 0 } = await assertRejects(
    () => one.ask("m"),
    ExaiError,
    "wants no question to m for",
  );
  assertEquals([one.server.chats.length, retryAfterMs > 3_590_000], [1, true]);
  await assertRejects(() => one.ask("n"), ExaiError, "answered 429");
});
