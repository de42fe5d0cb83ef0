import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { wrongPathAdvice } from "../lib/provider/api/provider_site.ts";
import type { ChatRequest, FaultKind } from "../lib/provider/provider.ts";
import { claudeError, claudeEvents, sayClaude } from "./fixtures/anthropic_events.ts";
import { geminiError, sayGemini } from "./fixtures/gemini_events.ts";
import { type NativeKind, streamed } from "./fixtures/native_server.ts";
import { answer, fail, hang, type Script } from "./fixtures/openai_server.ts";
import { HeldTimers } from "./helpers/held_timers.ts";
import { nativeRig } from "./helpers/native_rig.ts";
import { TEST_KEY } from "./helpers/provider_rig.ts";
import { until } from "./helpers/until.ts";

const MODELS: Readonly<Record<NativeKind, string>> = { gemini: "gemini-4-argon", anthropic: "claude-opus-5" };
const SAY = { gemini: sayGemini, anthropic: sayClaude };
/** Of no other timer. */
const SILENCE_MS = 123_456;
const KINDS = Object.keys(MODELS) as NativeKind[];

async function answerOf(kind: NativeKind, script: Script, request: Partial<ChatRequest> = {}) {
  await using one = nativeRig(kind, { scripts: [script] });
  return await one.ask(MODELS[kind], request);
}

/**
 * Asks once; the call fails with `fault` after exactly `requests` requests. The server is silent for too long once it
 * was asked and has sent `sent` parts, if that is given.
 */
async function faultOf(
  kind: NativeKind,
  script: Script,
  { fault, requests, sent }: { fault: FaultKind; requests: number; sent?: number },
): Promise<ExaiError> {
  // Set for the question, and again for each part.
  using silences = new HeldTimers(SILENCE_MS);
  await using one = nativeRig(kind, { scripts: [script], setup: { silenceMs: SILENCE_MS } });
  const failing = assertRejects(() => one.ask(MODELS[kind]), ExaiError);
  if (sent !== undefined) {
    await one.server.askedFor(1);
    await until("what is sent", () => silences.waiting.length > sent || undefined);
    silences.waiting.at(-1)!();
  }
  const error = await failing;
  assertEquals([error.details?.fault, one.server.asked.length], [fault, requests], error.message);
  assert(!JSON.stringify([error.message, error.details]).includes(TEST_KEY));
  return error;
}

Deno.test("a native provider that is busy is asked again, and one that says for how long is not asked before", async () => {
  const overloaded = [{ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }];
  const busy: [NativeKind, Script][] = [
    ["gemini", geminiError(503, "UNAVAILABLE", "The model is overloaded.")],
    ["gemini", geminiError(429, "RESOURCE_EXHAUSTED", "Quota", [{ retryDelay: "0.01s" }])],
    ["anthropic", claudeError(529, "overloaded_error", "Overloaded")],
    ["anthropic", claudeError(429, "rate_limit_error", "Slow down", { "retry-after": "0.01" })],
    ["anthropic", streamed(overloaded)],
  ];
  for (const [kind, script] of busy) {
    await using one = nativeRig(kind, { scripts: [script, SAY[kind]("Now.")] });
    assertEquals((await one.ask(MODELS[kind])).text, "Now.");
    assertEquals(one.server.asked.length, 2);
  }
  const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "37s" }];
  const later = geminiError(
    429,
    "RESOURCE_EXHAUSTED",
    "Quota exceeded for metric: requests per day",
    details,
  );
  const error = await faultOf("gemini", later, { fault: "rate_limit", requests: 1 });
  assertEquals(error.retryAfterMs, 37_000);
  assert(error.message.includes("gemini answered 429: Quota exceeded for metric"), error.message);
});

Deno.test("a key that a native provider does not take is told as such", async () => {
  const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }];
  const invalid = geminiError(
    400,
    "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.",
    details,
  );
  const gemini = await faultOf("gemini", invalid, { fault: "auth", requests: 1 });
  assert(gemini.message.includes("API key not valid"), gemini.message);
  const rejected = claudeError(401, "authentication_error", `invalid x-api-key ${TEST_KEY}`);
  const claude = await faultOf("anthropic", rejected, { fault: "auth", requests: 1 });
  assert(claude.message.includes("invalid x-api-key"), claude.message);
});

Deno.test("a model that a native provider does not have is told as that, and not as a wrong URL", async (test) => {
  const hosts = { gemini: "generativelanguage.googleapis.com/v1beta", anthropic: "api.anthropic.com" };
  const missing = {
    gemini: geminiError(404, "NOT_FOUND", "models/gemini-9 is not found"),
    anthropic: claudeError(404, "not_found_error", "model: claude-9"),
  };
  for (const kind of KINDS) {
    await test.step(kind, async () => {
      const { message } = await faultOf(kind, missing[kind], { fault: "refused", requests: 1 });
      assertStringIncludes(message, `Check that it has ${MODELS[kind]}; listmodels shows what it has`);
      assert(!message.includes("most likely begins"), message);
    });
    await test.step(`${kind} at its own host`, () => {
      const site = { name: kind, kind, baseUrl: `https://${hosts[kind]}`, hasKey: true };
      assert(!wrongPathAdvice(site).includes("most likely"), wrongPathAdvice(site));
      assert(!wrongPathAdvice(site).includes("OpenAI"), wrongPathAdvice(site));
    });
  }
});

Deno.test("the reason stands in an error of Google even where it is wrapped in another", async () => {
  const inner = JSON.stringify({
    error: { code: 400, message: "Unknown name foo", status: "INVALID_ARGUMENT" },
  });
  const wrapped = answer(JSON.stringify({ error: { message: inner, code: 400 } }), "text/plain", 400);
  const { message } = await faultOf("gemini", wrapped, { fault: "refused", requests: 1 });
  assert(message.startsWith("gemini answered 400: Unknown name foo."), message);
});

Deno.test("what a native provider may have billed is not asked again", async () => {
  const late = { type: "error", error: { type: "api_error", message: "died" } };
  const cases: [NativeKind, Script, FaultKind][] = [
    ["gemini", sayGemini("Half an", { end: "cut" }), "cut"],
    ["gemini", sayGemini("Half an", { end: "closed" }), "cut"],
    ["gemini", sayGemini("", { finishReason: "MALFORMED_FUNCTION_CALL" }), "cut"],
    ["gemini", sayGemini("", { thoughts: "Hm.", finishReason: "MAX_TOKENS" }), "empty"],
    ["gemini", sayGemini("", { finishReason: "SAFETY" }), "empty"],
    ["gemini", () => Response.json({ promptFeedback: { blockReason: "PROHIBITED_CONTENT" } }), "empty"],
    ["gemini", answer("data: {\n\n", "text/event-stream"), "malformed"],
    ["gemini", geminiError(504, "DEADLINE_EXCEEDED", "too long"), "cut"],
    ["gemini", answer("<html>", "text/html"), "malformed"],
    ["anthropic", sayClaude("Half an", { end: "cut" }), "cut"],
    ["anthropic", sayClaude("Half an", { end: "closed" }), "cut"],
    ["anthropic", streamed([...claudeEvents("Half", { end: "closed" }, "m"), late]), "cut"],
    ["anthropic", sayClaude("", { thoughts: "Hm.", stopReason: "max_tokens" }), "empty"],
    ["anthropic", sayClaude("", { stopReason: "refusal" }), "empty"],
    ["anthropic", answer("data: {\n\n", "text/event-stream"), "malformed"],
    ["anthropic", claudeError(400, "invalid_request_error", "prompt is too long"), "refused"],
    ["anthropic", answer("<html>", "text/html"), "malformed"],
  ];
  for (const [kind, script, fault] of cases) await faultOf(kind, script, { fault, requests: 1 });
});

Deno.test("what a filter of a native provider says is told: as the reason of an error, or beside what there is", async () => {
  const details = { type: "refusal", category: "cyber", explanation: "It may be an exploit." };
  const refusal = sayClaude("", { stopReason: "refusal", stopDetails: details });
  const claude = await faultOf("anthropic", refusal, { fault: "empty", requests: 1 });
  assert(claude.message.includes("held the answer back (cyber: It may be an exploit.)"), claude.message);
  const blocked = { promptFeedback: { blockReason: "PROHIBITED_CONTENT", blockReasonMessage: "No." } };
  const gemini = await faultOf("gemini", () => Response.json(blocked), { fault: "empty", requests: 1 });
  assert(gemini.message.includes("held the answer back (PROHIBITED_CONTENT: No.)"), gemini.message);
  const half = sayGemini("Half", { finishReason: "RECITATION" });
  const { text, warnings } = await answerOf("gemini", half);
  assertEquals([text, warnings], ["Half", [
    "a filter of gemini stopped the answer (RECITATION); what there is of it is shown",
  ]]);
});

Deno.test("what a native model refuses and can do without is left out, then and from then on", async () => {
  const cases: [NativeKind, Script, string][] = [
    [
      "gemini",
      geminiError(400, "INVALID_ARGUMENT", "Thinking level is not supported for this model."),
      "thinkingConfig",
    ],
    [
      "anthropic",
      claudeError(400, "invalid_request_error", '"thinking.type.adaptive" is not supported for this model.'),
      "thinking",
    ],
    [
      "anthropic",
      claudeError(400, "invalid_request_error", "This model does not support the effort parameter."),
      "output_config",
    ],
  ];
  for (const [kind, refusal, field] of cases) {
    await using one = nativeRig(kind, { scripts: [refusal, SAY[kind]("Hello.")] });
    const { text, warnings } = await one.ask(MODELS[kind], { thinkingMode: "high" });
    assertEquals([text, warnings], ["Hello.", [
      `${MODELS[kind]} does not take ${field}, so it was left out`,
    ]]);
    await one.ask(MODELS[kind], { thinkingMode: "high" });
    assertEquals(
      one.server.asked.map(({ body: { generationConfig, ...body } }) => {
        return { ...body, ...generationConfig as JsonObject }[field] !== undefined;
      }),
      [true, false, false],
    );
  }
  const tooMany = "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens";
  const refused = claudeError(400, "invalid_request_error", tooMany);
  const { message } = await faultOf("anthropic", refused, { fault: "refused", requests: 1 });
  assert(message.includes(tooMany), message);
});

Deno.test("an error that Gemini tells within a stream is one like any other", async () => {
  const error = { error: { code: 503, status: "UNAVAILABLE", message: "The model is overloaded." } };
  await using one = nativeRig("gemini", { scripts: [streamed([error]), sayGemini("Now.")] });
  assertEquals([(await one.ask(MODELS.gemini)).text, one.server.asked.length], ["Now.", 2]);
  const begun = { candidates: [{ content: { parts: [{ text: "Half" }] } }] };
  const late = await faultOf("gemini", streamed([begun, error]), { fault: "cut", requests: 1 });
  assert(late.message.includes("The model is overloaded."), late.message);
});

Deno.test("a native provider's silence, and where it would send the question on, end the request", async () => {
  for (const kind of KINDS) {
    await faultOf(kind, hang(), { fault: "timeout", requests: 1, sent: 0 });
    await faultOf(kind, SAY[kind]("Half", { end: "open" }), { fault: "timeout", requests: 1, sent: 1 });
    const moved = fail(307, {}, { location: "http://elsewhere.example/" });
    const { message } = await faultOf(kind, moved, { fault: "refused", requests: 1 });
    assert(message.includes("http://elsewhere.example/"), message);
  }
});

Deno.test("a cancelled question ends at the native provider at once", async () => {
  for (const kind of KINDS) {
    await using one = nativeRig(kind, { scripts: [SAY[kind]("Half", { end: "open" })] });
    const abort = new AbortController();
    const asking = one.ask(MODELS[kind], {}, {
      signal: abort.signal,
      onProgress: ({ phase }) => phase === "answering" && abort.abort(new ExaiError("CANCELLED", "enough")),
    });
    const error = await assertRejects(() => asking, ExaiError);
    assertEquals(error.code, "CANCELLED");
    await one.server.asked[0]!.closed;
  }
});
