import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { createModelRouter, type ProviderSetup } from "../lib/provider/configured_router.ts";
import { fail, type Script } from "./fixtures/openai_server.ts";
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
  await using ollama = serve(() =>
    Response.json({ error: { message: 'model "m" not found' } }, { status: 404 })
  );
  const gone = await chat({ kind: "custom", baseUrl: `${ollama.origin}/v1`, models: ["m"] }, "m");
  assert(gone.text.endsWith("Check that it has m; listmodels shows what it has"), gone.text);
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

Deno.test("a URL or a key of which no request can be made is named, and nothing is said to be billed", async () => {
  const setups: Partial<ProviderSetup>[] = [{ baseUrl: "not a url" }, { apiKey: "two\nlines" }, {
    apiKey: "schlüssel…",
  }];
  for (const setup of setups) {
    const { text } = await chat({
      kind: "custom",
      baseUrl: "http://127.0.0.1:1234/v1",
      models: ["m"],
      ...setup,
    }, "m");
    assertStringIncludes(text, "cannot be asked");
    assertStringIncludes(text, "Check customApiUrl (CUSTOM_API_URL) and customApiKey (CUSTOM_API_KEY)");
    assert(!text.includes("billed"), text);
  }
  const { text } = await chat({ kind: "custom", baseUrl: "http://127.0.0.1:6000/v1", models: ["m"] }, "m");
  assertStringIncludes(text, "Port 6000 is reserved");
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
  assertStringIncludes(
    text,
    "custom is set up and lists no models: load one there, or name it in its models in models.json",
  );
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
  assertStringIncludes(wrong, "Invalid Authentication. Check its key, openaiApiKey (OPENAI_API_KEY), and");
  const missing = await refusal(denied, { kind: "custom", model: "m", setup: { apiKey: "", models: ["m"] } });
  assertStringIncludes(missing, "It wants a key: set customApiKey (CUSTOM_API_KEY)");
  await using server = serve(() => Response.json({ error: "Invalid API key" }, { status: 401 }));
  const { text } = await chat({ kind: "custom", baseUrl: `${server.origin}/v1`, apiKey: TEST_KEY });
  assertStringIncludes(
    text,
    "custom is set up and cannot be used: custom answered 401: Invalid API key. Check its key, customApiKey",
  );
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
