import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { createModelRouter, type ProviderSetup } from "../lib/provider/configured_router.ts";
import { answer, fail, raw, say, type Script } from "./fixtures/openai_server.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { rig, type RigOptions, TEST_KEY } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

/** A server on this machine that answers as `handler` does. */
function serve(handler: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

const COMPLETION = { choices: [{ message: { content: "Hello." }, finish_reason: "stop" }] };

/** LM Studio: the API begins at /v1, and any other path is answered with 200 and an error. */
function lmStudio(request: Request): Response {
  const { pathname } = new URL(request.url);
  if (pathname === "/v1/models") return Response.json({ data: [{ id: "qwen3" }] });
  if (pathname === "/v1/chat/completions") return Response.json(COMPLETION);
  return Response.json({ error: `Unexpected endpoint or method. (${request.method} ${pathname})` });
}

/** What `chat` answers with a provider set up as `setup` says. */
async function chat(
  setup: ProviderSetup,
  model?: string,
): Promise<{ text: string; isError: boolean; warnings: unknown }> {
  using models = createModelRouter({ setups: [setup], retry: { initialDelayMs: 0, maxAttempts: 1 } });
  using tools = new TestTools({ models });
  const { answer, isError } = await tools.call("chat", { prompt: "Hello?", model });
  return { text: String(answer.content), isError, warnings: answer.metadata.warnings };
}

async function refusal(
  script: Script,
  { kind, ...options }: RigOptions & { model?: string } = {},
): Promise<string> {
  await using one = rig({ kind, scripts: [script], ...options, retry: { maxAttempts: 1 } });
  return (await assertRejects(() => one.ask(options.model ?? MODEL), ExaiError)).message;
}

Deno.test("a URL without the path of the API is named, with the one that works; the setting is not said to be missing", async (test) => {
  const handlers: Record<string, (request: Request) => Response> = {
    "200 and an error, as LM Studio answers": lmStudio,
    "404 and a text, as Ollama answers": () => new Response("404 page not found", { status: 404 }),
    "404 and a detail, as FastAPI answers": () => Response.json({ detail: "Not Found" }, { status: 404 }),
    "405": () => Response.json({ detail: "Method Not Allowed" }, { status: 405 }),
    "a web page": () =>
      new Response("<html><title>Open WebUI</title>", { headers: { "content-type": "text/html" } }),
    "a text": () => new Response("Ollama is running"),
  };
  for (const [name, handler] of Object.entries(handlers)) {
    await using server = serve(handler);
    for (const models of [undefined, ["qwen3"]]) {
      await test.step(`${name}${models ? ", with its model named" : ""}`, async () => {
        const { text, isError } = await chat({ kind: "custom", baseUrl: server.origin, models });
        assert(isError, text);
        assertStringIncludes(text, `${server.origin}/v1`);
        assertStringIncludes(text, "customApiUrl (CUSTOM_API_URL)");
        assert(!text.includes("set CUSTOM_API_URL") && !text.includes("not set up"), text);
      });
    }
  }
});

Deno.test("a URL of an endpoint is taken for that of its API, and the answer says so", async () => {
  await using server = serve(lmStudio);
  for (const path of ["/v1/chat/completions", "/v1/models/", "/v1/completions?x=1", "/v1/", " "]) {
    const baseUrl = path === " " ? ` ${server.origin}/v1 ` : server.origin + path;
    const { text, warnings } = await chat({ kind: "custom", baseUrl }, "qwen3");
    assertEquals(text, "Hello.");
    const isEndpoint = /models|completions/.test(path);
    assertEquals(warnings !== undefined, isEndpoint, path);
    if (isEndpoint) assertStringIncludes(String(warnings), `the API begins at ${server.origin}/v1`);
  }
});

Deno.test("paths of other APIs of a server lead to the one that is asked", async () => {
  await using server = serve(() => new Response("404 page not found", { status: 404 }));
  for (const path of ["/api", "/api/v0", "/api/v1", "/v1/v1", "/api/v4"]) {
    const { text } = await chat({ kind: "custom", baseUrl: server.origin + path, models: ["m"] }, "m");
    assertStringIncludes(text, `begins at ${server.origin}/v1:`);
  }
  const { text } = await chat({ kind: "custom", baseUrl: `${server.origin}/v1`, models: ["m"] }, "m");
  assert(!text.includes("begins at"), "where nothing better is known, nothing is proposed");
});

Deno.test("a server that is down is named, with what to start", async () => {
  const { origin } = await (async () => {
    await using server = serve(lmStudio);
    return server;
  })();
  for (const models of [undefined, ["qwen3"]]) {
    const { text, isError } = await chat({ kind: "custom", baseUrl: `${origin}/v1`, models });
    assert(isError);
    assertStringIncludes(text, `Nothing listens at ${origin}/v1: start the server`);
    assert(!text.includes("not set up"), text);
  }
  const { text } = await chat(
    { kind: "custom", baseUrl: "http://no-such-host.invalid/v1", models: ["m"] },
    "m",
  );
  assertStringIncludes(text, "There is no host no-such-host.invalid");
});

Deno.test("TLS where none is spoken is named, with the URL without it", async () => {
  await using server = serve(lmStudio);
  const baseUrl = `${server.origin.replace("http:", "https:")}/v1`;
  const { text } = await chat({ kind: "custom", baseUrl, models: ["qwen3"] }, "qwen3");
  assertStringIncludes(text, `set customApiUrl (CUSTOM_API_URL) to ${server.origin}/v1`);
});

Deno.test("a redirect is not followed, and where it leads is named", async () => {
  const message = await refusal(() =>
    Response.redirect("https://elsewhere.example/v1/chat/completions", 308)
  );
  assertStringIncludes(
    message,
    "set openaiBaseUrl (OPENAI_BASE_URL) to where it is now: https://elsewhere.example/v1",
  );
});

Deno.test("a server that has no model loaded says so", async () => {
  await using server = serve(() => Response.json({ object: "list", data: [] }));
  const { text } = await chat({ kind: "custom", baseUrl: `${server.origin}/v1` });
  assertStringIncludes(text, "custom is set up and lists no models");
});

Deno.test("lists of models are read in every shape", async () => {
  const lists = [[{ id: "qwen3" }], { models: [{ name: "qwen3" }] }, { data: [{ model: "qwen3" }] }];
  for (const list of lists) {
    await using server = serve(({ url }) => Response.json(url.endsWith("/models") ? list : COMPLETION));
    assertEquals((await chat({ kind: "custom", baseUrl: `${server.origin}/v1` }, "qwen3")).text, "Hello.");
  }
});

Deno.test("a wrong key is told from a missing one, with the setting it stands in", async () => {
  const denied = fail(401, {
    error: { message: "Invalid Authentication", type: "invalid_authentication_error" },
  });
  const wrong = await refusal(denied);
  assertStringIncludes(wrong, "Invalid Authentication. Check its key (openaiApiKey (OPENAI_API_KEY))");
  const missing = await refusal(denied, { kind: "custom", model: "m", setup: { apiKey: "", models: ["m"] } });
  assertStringIncludes(missing, "It wants a key: set customApiKey (CUSTOM_API_KEY)");
  const named = await refusal(denied, { kind: "custom", model: "m", setup: { name: "lab", models: ["m"] } });
  assertStringIncludes(named, "apiKey of lab in models.json");
});

Deno.test("a key pasted with its header, quotes or spaces is sent as it is meant", async () => {
  for (const apiKey of [`Bearer ${TEST_KEY}`, ` "${TEST_KEY}"\n`, `'${TEST_KEY}'`]) {
    await using one = rig({ setup: { apiKey } });
    await one.ask(MODEL);
    assertEquals(one.server.chats[0]!.headers.get("authorization"), `Bearer ${TEST_KEY}`);
  }
});

Deno.test("a key of another platform of the vendor is told where it is valid", async () => {
  const denied = fail(401, { error: { message: "Invalid Authentication" } });
  const kimi = await refusal(denied, { kind: "kimi", model: "kimi-k2.6" });
  assertStringIncludes(kimi, "set kimiApiUrl (KIMI_API_URL) to ");
  for (
    const url of [
      "https://api.moonshot.cn/v1",
      "https://api.moonshot.ai/v1",
      "https://api.kimi.com/coding/v1",
    ]
  ) {
    assertStringIncludes(kimi, url);
  }
  const plan = fail(429, {
    error: { code: "1113", message: "Insufficient balance or no resource package. Please recharge." },
  });
  for (const script of [denied, plan]) {
    const glm = await refusal(script, { kind: "glm", model: "glm-4.7" });
    assertStringIncludes(glm, "set glmApiUrl (GLM_API_URL) to https://api.z.ai/api/coding/paas/v4");
    assertStringIncludes(glm, "https://open.bigmodel.cn/api/paas/v4");
  }
});

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
    [403, page("Just a moment..."), "Just a moment"],
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

Deno.test("a provider whose models all fail is left alone as a whole", async () => {
  await using one = rig({
    scripts: [fail(500, {})],
    breaker: { failures: 3, openMs: 60_000 },
    retry: { maxAttempts: 1 },
  });
  const ask = async (model: string) => (await assertRejects(() => one.ask(model), ExaiError)).details?.fault;
  for (const model of [MODEL, "gpt-4o", MODEL, "gpt-4o"]) assertEquals(await ask(model), "outage");
  assertEquals(await ask("gpt-4.1-mini"), "breaker_open", "a model that was not asked yet");
  assertEquals(one.server.chats.length, 4);
});
