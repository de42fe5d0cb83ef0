import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { answer, fail, type Script } from "./fixtures/openai_server.ts";
import { rig } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

async function refusal(script: Script): Promise<string> {
  await using one = rig({ scripts: [script], retry: { maxAttempts: 1 } });
  return (await assertRejects(() => one.ask(MODEL), ExaiError)).message;
}

Deno.test("the real reason is found, however deep it lies", async (test) => {
  const upstream = JSON.stringify({
    error: { message: "At most 1 image per prompt.", code: "invalid_request_error" },
  });
  const generic = (raw: unknown) => ({
    error: { message: "Provider returned error", code: 400, metadata: { raw, provider_name: "Crucible" } },
  });
  const cases: [string, unknown, string][] = [
    ["OpenRouter, a text", generic("z-ai/glm is rate-limited"), "z-ai/glm is rate-limited (said Crucible)"],
    ["OpenRouter, JSON in a text", generic(upstream), "At most 1 image per prompt. (said Crucible)"],
    ["OpenRouter, an object", generic(JSON.parse(upstream)), "At most 1 image per prompt. (said Crucible)"],
    ["a gateway of a gateway", { error: { message: JSON.stringify(generic(upstream)) } }, "At most 1 image"],
    ["JSON within a sentence", {
      error: { message: `Error from provider(x: 400): ${upstream}Error: at x.js` },
    }, "400: At most"],
    [
      "a list, as Gemini sends it",
      [{ error: { code: 400, message: "At most 1 image." } }],
      "At most 1 image",
    ],
    ["a text alone", { error: "At most 1 image." }, "At most 1 image"],
    ["no envelope", { message: "At most 1 image.", code: 400 }, "At most 1 image"],
    [
      "a detail of FastAPI",
      { detail: [{ loc: ["body", "messages"], msg: "At most 1 image" }] },
      "messages: At most 1 image",
    ],
    ["MiniMax", { base_resp: { status_code: 2013, status_msg: "At most 1 image" } }, "At most 1 image"],
    [
      "a page within",
      { error: { message: "<html><title>502 Bad Gateway</title></html>" } },
      "400: 502 Bad Gateway",
    ],
    ["a flag beside the message", { error: true, message: "At most 1 image" }, "At most 1 image"],
    ["Cloudflare", { success: false, errors: [{ code: 7000, message: "No route" }] }, "No route"],
    ["nothing", "", "no reason given"],
    ["problem details", { title: "Bad Request", detail: "At most 1 image" }, "At most 1 image"],
    ["Azure's filters", {
      error: {
        message: "Filtered.",
        code: "content_filter",
        innererror: { content_filter_result: { hate: { filtered: true }, violence: { filtered: false } } },
      },
    }, "(filtered: hate)"],
  ];
  for (const [name, body, words] of cases) {
    await test.step(name, async () => assertStringIncludes(await refusal(fail(400, body)), words));
  }
});

Deno.test("of an error page only what it says is shown", async () => {
  const page = (title: string, body = "") =>
    `<!DOCTYPE html><html><head><style>p{color:red}</style><title>${title}</title></head><body>${body}` +
    `<p>Your IP: 203.0.113.7</p>${"<p>filler</p>".repeat(500)}</body></html>`;
  const cases: [number, string, string][] = [
    [502, page("502 Bad Gateway"), "answered 502: 502 Bad Gateway"],
    [520, page("api.openai.com | 520: Web server is returning an unknown error"), "520: Web server"],
    [403, page("Just a moment..."), "moment. That is the page of a proxy"],
    [503, page("", "<h1>Service &amp; more unavailable</h1>"), "Service & more unavailable"],
    [500, "<html><body>Something broke</body></html>", "Something broke"],
    [500, '<?xml version="1.0"?><Error><Code>X</Code><Message>Slow Down</Message></Error>', "Slow Down"],
  ];
  for (const [status, html, words] of cases) {
    const message = await refusal(answer(html, "text/html", status));
    assertStringIncludes(message, words);
    assert(!/[<>]|203\.0|color/.test(message) && message.length < 700, message);
  }
});

Deno.test("codes say more than the status: no credit, too long, filtered, no such model", async (test) => {
  const cases: [number, unknown, string, string][] = [
    [429, { error: { type: "exceeded_current_quota_error", message: "?" } }, "auth", "nothing left"],
    [429, { error: { code: "insufficient_quota", message: "?" } }, "auth", "nothing left"],
    [402, { error: "Insufficient balance" }, "auth", "nothing left"],
    [400, [{ error: { message: "?", details: [{ reason: "API_KEY_INVALID" }] } }], "auth", "Check its key"],
    [400, { error: { code: "context_length_exceeded", message: "?" } }, "refused", "larger window"],
    [413, { message: "Payload Too Large" }, "refused", "larger window"],
    [400, { error: { type: "content_filter", message: "high risk" } }, "refused", "put it differently"],
    [403, { error: { message: "?", metadata: { reasons: ["violence"] } } }, "refused", "put it differently"],
    [500, { error: { type: "exceed_context_size_error", message: "?" } }, "refused", "larger window"],
    [400, { error: { code: "1211", message: "Unknown Model" } }, "refused", "listmodels"],
    [404, { error: { code: "model_not_found", message: "?" } }, "refused", "listmodels"],
    [400, { error: { status: "RESOURCE_EXHAUSTED", message: "?" } }, "rate_limit", "asked too often"],
  ];
  for (const [status, body, fault, words] of cases) {
    await test.step(JSON.stringify(body), async () => {
      await using one = rig({ scripts: [fail(status, body)], retry: { maxAttempts: 1 } });
      const error = await assertRejects(() => one.ask(MODEL), ExaiError);
      assertEquals(error.details?.fault, fault, error.message);
      assertStringIncludes(error.message, words);
      assertEquals(error.details?.site, undefined);
    });
  }
});

Deno.test("the wait that a provider asks for in its body is kept", async () => {
  const body = { error: { code: 429, message: "?", details: [{ retryDelay: "34s" }] } };
  await using one = rig({ scripts: [fail(429, body)] });
  const error = await assertRejects(() => one.ask(MODEL), ExaiError);
  assertEquals(error.retryAfterMs, 34_000);
});
