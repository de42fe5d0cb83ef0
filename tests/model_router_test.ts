import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { HOUR_MS } from "../lib/base/units.ts";
import type { Sample, SampleRequest } from "../lib/provider/client_sample.ts";
import type { ChatResult } from "../lib/provider/provider.ts";
import { createModelRouter, type ModelEntry, type ProviderSetup } from "../lib/provider/configured_router.ts";
import type { ModelRouter, RouteQuery } from "../lib/provider/model_router.ts";
import { cutAfter, fail, hang, OpenAiServer, say, type Script } from "./fixtures/openai_server.ts";
import { QUESTION, rig, TEST_KEY } from "./helpers/provider_rig.ts";

type Kind = ProviderSetup["kind"];

/** Several providers, each at a server of its own. */
class Several implements AsyncDisposable {
  readonly servers = new Map<string, OpenAiServer>();
  readonly models: ModelRouter;

  constructor(scripts: Partial<Record<Kind, Script[]>>, models: ModelEntry[] = [], defaultModel?: string) {
    const setups = (Object.entries(scripts) as [Kind, Script[]][]).map(([kind, all]): ProviderSetup => {
      const server = new OpenAiServer(...all);
      this.servers.set(kind, server);
      return { kind, apiKey: TEST_KEY, baseUrl: server.url };
    });
    this.models = createModelRouter({ setups, models, defaultModel, retry: { initialDelayMs: 0 } });
  }

  async ask(query: Partial<RouteQuery> = {}, signal = new AbortController().signal) {
    const route = await this.models.resolve({ tool: "chat", ...query });
    return await this.models.chat(route, QUESTION, { signal });
  }

  server(kind: Kind): OpenAiServer {
    return this.servers.get(kind)!;
  }

  async [Symbol.asyncDispose]() {
    this.models[Symbol.dispose]();
    for (const server of this.servers.values()) await server[Symbol.asyncDispose]();
  }
}

const OK = [say("Yes.")];

async function refusal(several: Several, query: Partial<RouteQuery>): Promise<string> {
  const error = await assertRejects(() => several.models.resolve({ tool: "chat", ...query }), ExaiError);
  assertEquals(error.code, "INVALID_PARAMS");
  return error.message;
}

Deno.test("a requested model is used, under its name, an alias, or its provider's name before it", async () => {
  await using several = new Several({ kimi: OK, glm: OK });
  for (
    const [requested, model] of [
      ["glm-4.7", "glm-4.7"],
      ["GLM-4.7", "glm-4.7"],
      ["glm/glm-4.7", "glm-4.7"],
      ["k2.6", "kimi-k2.6"],
      ["kimi/k2.6", "kimi-k2.6"],
    ]
  ) {
    const { routing, model: answered } = await several.ask({ requested });
    assertEquals([answered, routing.tried], [model, []]);
    assert(routing.why.includes("asked for"), routing.why);
  }
});

Deno.test("a requested model that fails is not replaced by another", async () => {
  await using several = new Several({ kimi: OK, glm: [fail(429, {}, { "retry-after": "60" })] });
  const error = await assertRejects(() => several.ask({ requested: "glm-4.7" }), ExaiError);
  assertEquals(error.details?.fault, "rate_limit");
  assertEquals(several.server("kimi").chats.length, 0);
});

Deno.test("a model nobody has is refused by name, with what is available and what was perhaps meant", async () => {
  await using several = new Several({ kimi: OK });
  const message = await refusal(several, { requested: "kimi-k2.66" });
  assert(message.includes('"kimi-k2.66"') && message.includes("did you mean"), message);
  assert(message.includes("Available:") && message.includes("kimi-k3") && message.includes("auto"), message);
});

Deno.test("a model of a provider that is not set up is refused with what sets it up", async () => {
  await using several = new Several({ kimi: OK });
  const message = await refusal(several, { requested: "gpt-5.2" });
  assert(message.includes("openai, which is not set up: set OPENAI_API_KEY"), message);
});

Deno.test("a model that cannot do what is asked is refused by name, with those that can", async () => {
  await using several = new Several({ glm: OK });
  const images = await refusal(several, { requested: "glm-4.7", needs: { images: true } });
  assert(images.includes("glm-4.7 takes no images. These can: ") && images.includes("glm-4.6v"), images);
  const window = await refusal(several, { requested: "glm-4.5", needs: { inputTokens: 500_000 } });
  assert(window.includes("holds 131072 tokens") && window.includes("glm-5.3"), window);
});

Deno.test("with nothing set up it is said how to set something up", async () => {
  await using several = new Several({});
  const message = await refusal(several, {});
  assert(
    message.includes("KIMI_API_KEY") && message.includes("Ollama") && message.includes("sampling"),
    message,
  );
});

Deno.test("auto takes the class of model the tool wants, in the order of the providers, and says so", async () => {
  await using several = new Several({ kimi: OK, glm: OK, openai: OK });
  const deep = await several.ask({ tool: "thinkdeep" });
  assertEquals(deep.routing.chosen, "kimi/kimi-k3");
  assertEquals(deep.routing.why, "thinkdeep wants a deep model, and kimi/kimi-k3 is the first such");
  assertEquals((await several.ask({ tool: "chat" })).routing.chosen, "kimi/kimi-k2.6");
  assertEquals(
    (await several.ask({ tool: "x", class: "fast" })).routing.chosen,
    "kimi/kimi-k2.7-code-highspeed",
  );
  const route = await several.models.resolve({ tool: "thinkdeep" });
  assertEquals(route.fallbacks.map(({ provider }) => provider), ["glm", "openai"]);
});

Deno.test("auto takes only models that can do what is asked", async () => {
  await using several = new Several({ glm: OK, openai: OK });
  const chosen = async (needs: RouteQuery["needs"]) =>
    (await several.models.resolve({ tool: "thinkdeep", needs })).model.name;
  assertEquals(await chosen({ images: true }), "gpt-6.2-sol");
  assertEquals(await chosen({ webSearch: true }), "glm-5.3");
  assertEquals(await chosen({ inputTokens: 1_049_000 }), "gpt-6.2-sol");
  const message = await refusal(several, { needs: { inputTokens: 2_000_000 } });
  assert(message.includes("no model can do this"), message);
});

Deno.test("auto takes only models the provider really lists", async () => {
  await using several = new Several({ kimi: OK });
  several.server("kimi").models = [{ id: "kimi-k2.5", context_length: 100_000 }, { id: "kimi-next" }];
  const route = await several.models.resolve({ tool: "thinkdeep" });
  assertEquals(route.model.name, "kimi-k2.5");
  assertEquals(route.model.contextTokens, 100_000, "the provider knows the window of this account");
  assertEquals(route.model.abilities.images, true, "the catalogue knows what the model can do");
  const [status] = several.models.status();
  assertEquals(status?.models.map(({ name }) => name), ["kimi-k2.5", "kimi-next"]);
  const unknown = status?.models[1];
  assertEquals(unknown?.abilities, { files: true, search: false, thinking: false, images: false });
});

Deno.test("a model that a provider has added since is found by its name", async () => {
  await using several = new Several({ kimi: OK });
  several.server("kimi").models = [{ id: "kimi-k9" }];
  const { model, routing } = await several.ask({ requested: "kimi-k9" });
  assertEquals([model, routing.chosen], ["kimi-k9", "kimi/kimi-k9"]);
});

Deno.test("lists are asked for once, and again when they are older than wanted", async () => {
  await using it = rig({ kind: "kimi" });
  it.server.models = [{ id: "kimi-k2.6" }];
  const listings = () => it.server.requests.filter(({ path }) => path === "/models").length;
  await it.models.ensureFresh(HOUR_MS);
  await it.models.ensureFresh(HOUR_MS);
  assertEquals(listings(), 1);
  assertEquals(it.models.status()[0]!.models.map(({ name }) => name), ["kimi-k2.6"]);
  it.server.models = [{ id: "kimi-k9" }];
  await it.models.ensureFresh(-1);
  assertEquals(listings(), 2);
  assertEquals(it.models.status()[0]!.models.map(({ name }) => name), ["kimi-k9"]);
});

Deno.test("a provider that serves no list keeps the models of the catalogue; one that is down says why", async () => {
  await using several = new Several({ kimi: OK, glm: OK });
  const { kimi, glm } = { kimi: several.server("kimi"), glm: several.server("glm") };
  glm.other = fail(503, { error: { message: "maintenance" } });
  await several.models.refresh();
  const [first, second] = several.models.status();
  assertEquals([first?.available, first?.reason], [true, undefined]);
  assert(first!.models.length > 3);
  assertEquals(second?.available, false);
  assert(second?.reason?.includes("maintenance"), second?.reason);
  assertEquals(kimi.requests[0]?.path, "/models");
});

Deno.test("auto falls back on a rate limit, an outage and an open breaker, and says what it did", async () => {
  const limited = fail(429, { error: { message: "busy" } }, { "retry-after": "60" });
  await using several = new Several({ kimi: [limited], glm: [fail(500, {})], openai: OK });
  const phases: string[] = [];
  const route = await several.models.resolve({ tool: "thinkdeep" });
  const { signal } = new AbortController();
  const result = await several.models.chat(route, QUESTION, {
    signal,
    onProgress: ({ phase }) => phases.push(phase),
  });
  assertEquals([result.text, result.provider], ["Yes.", "openai"]);
  assertEquals(result.routing.requested, "auto");
  assertEquals(result.routing.chosen, "openai/gpt-6.2-sol");
  assertEquals(result.routing.tried.map(({ provider, fault }) => [provider, fault]), [
    ["kimi", "rate_limit"],
    ["glm", "outage"],
  ]);
  assert(result.routing.why.includes("fell back to openai/gpt-6.2-sol"), result.routing.why);
  assertEquals(phases.filter((phase) => phase === "falling_back").length, 2);
});

Deno.test("auto puts a provider that cannot be used now last, and says why", async () => {
  await using several = new Several({ kimi: OK, glm: OK });
  several.server("kimi").other = fail(401, { error: { message: "invalid key" } });
  const { routing } = await several.ask({ tool: "thinkdeep" });
  assertEquals(routing.chosen, "glm/glm-5.3");
  assert(routing.why.includes("passed over: kimi (") && routing.why.includes("invalid key"), routing.why);
  const alone = await several.models.resolve({ tool: "thinkdeep", provider: "kimi" });
  assertEquals(alone.model.provider, "kimi");
});

Deno.test("auto does not fall back where the first may have been billed or where it would fail alike", async () => {
  for (const script of [cutAfter("Half"), fail(504, {}), fail(400, {}), fail(401, {}), say("")]) {
    await using several = new Several({ kimi: [script], glm: OK });
    await assertRejects(() => several.ask({ tool: "thinkdeep" }), ExaiError);
    assertEquals(several.server("glm").chats.length, 0);
  }
});

Deno.test("when all fail, the error is the last one's and names those before it", async () => {
  await using several = new Several({
    kimi: [fail(500, {})],
    glm: [fail(503, { error: { message: "later" } })],
  });
  const error = await assertRejects(() => several.ask({ tool: "thinkdeep" }), ExaiError);
  assert(error.message.includes("later") && error.message.includes("kimi/kimi-k3: outage"), error.message);
  assertEquals((error.details?.tried as unknown[]).length, 2);
});

Deno.test("a question too long for the next model passes it over", async () => {
  await using several = new Several(
    { kimi: [fail(500, {})], glm: OK, openai: OK },
    [{ name: "glm-5.3", provider: "glm", contextTokens: 2000 }, { name: "glm-5.2", auto: false }],
  );
  const route = await several.models.resolve({ tool: "thinkdeep" });
  assertEquals(route.fallbacks.map(({ name }) => name), ["glm-5.3", "gpt-6.2-sol"]);
  const messages = [{ role: "user" as const, content: "word ".repeat(3000) }];
  const { signal } = new AbortController();
  const { routing } = await several.models.chat(route, { messages }, { signal });
  assertEquals(routing.chosen, "openai/gpt-6.2-sol");
  assertEquals(routing.tried[1]?.fault, "unfit");
});

Deno.test("a cancelled call falls back to nobody", async () => {
  await using several = new Several({ kimi: [hang()], glm: OK });
  const controller = new AbortController();
  const asking = several.ask({ tool: "thinkdeep" }, controller.signal);
  asking.catch(() => {});
  await several.server("kimi").askedFor(1);
  controller.abort();
  assertEquals((await assertRejects(() => asking, ExaiError)).code, "CANCELLED");
  assertEquals(several.server("glm").chats.length, 0);
});

Deno.test("the name of a provider means the best of its models", async () => {
  await using several = new Several({ kimi: OK, glm: OK });
  const { routing } = await several.ask({ requested: "glm", tool: "thinkdeep" });
  assertEquals([routing.requested, routing.chosen], ["glm", "glm/glm-5.3"]);
  assertEquals((await several.ask({ requested: "GLM", tool: "thinkdeep" })).routing.chosen, "glm/glm-5.3");
});

Deno.test("a default model stands where a call names none", async () => {
  await using several = new Several({ kimi: OK, glm: OK }, [], "glm-4.6");
  assertEquals((await several.ask()).routing.chosen, "glm/glm-4.6");
  assertEquals((await several.ask({ requested: "auto" })).routing.chosen, "kimi/kimi-k2.6");
});

Deno.test("the user's file changes models, adds them, and gives them names", async () => {
  await using several = new Several({ kimi: OK, glm: OK }, [
    { name: "glm-4.7", aliases: ["my-model"], class: "deep", contextTokens: 50_000 },
    { name: "kimi-internal", provider: "kimi", class: "deep", images: true, tools: true },
    { name: "kimi-k3", auto: false },
  ]);
  const mine = await several.models.resolve({ requested: "my-model", tool: "chat" });
  assertEquals([mine.model.name, mine.model.contextTokens, mine.model.class], ["glm-4.7", 50_000, "deep"]);
  assertEquals(mine.model.abilities.search, true, "what the file leaves out stays");
  const added = await several.models.resolve({ requested: "kimi-internal", tool: "chat" });
  assertEquals([added.model.provider, added.model.abilities.images], ["kimi", true]);
  several.server("kimi").models = [{ id: "kimi-k2.6" }];
  await several.models.refresh();
  const still = await several.models.resolve({ requested: "kimi-internal", tool: "chat" });
  assertEquals(
    still.model.name,
    "kimi-internal",
    "the user's word stands whether the provider lists it or not",
  );
});

Deno.test("several custom servers are told apart by their names", async () => {
  await using lab = new OpenAiServer(say("From the lab."));
  await using desk = new OpenAiServer(say("From the desk."));
  const setups: ProviderSetup[] = [
    { kind: "custom", name: "lab", baseUrl: lab.url, models: ["llama"] },
    { kind: "custom", name: "desk", baseUrl: `${desk.url}/` },
  ];
  desk.models = [{ id: "llama", max_model_len: 16_384 }, { id: "nomic-embed-text" }];
  using models = createModelRouter({ setups });
  await models.refresh();
  const { signal } = new AbortController();
  const ask = async (requested: string) => {
    const route = await models.resolve({ requested, tool: "chat" });
    return [(await models.chat(route, QUESTION, { signal })).text, route.model.contextTokens];
  };
  assertEquals(await ask("llama"), ["From the lab.", 32_768]);
  assertEquals(await ask("desk/llama"), ["From the desk.", 16_384]);
  assertEquals(models.status().map(({ name, kind }) => [name, kind]), [["lab", "custom"], [
    "desk",
    "custom",
  ]]);
  assertEquals(models.status()[1]?.models.length, 1, "what does not chat is no model to ask");
});

/** A client that lends its model, and what it was asked. */
function lender(text = "From your editor.") {
  const asked: SampleRequest[] = [];
  const sample: Sample = (request): Promise<ChatResult> => {
    asked.push(request);
    const usage = { inputTokens: 5, outputTokens: 4, estimated: true };
    return Promise.resolve({ text, model: "claude-x", provider: "client", usage, finishReason: "stop" });
  };
  return { asked, sample };
}

Deno.test("with no key at all the attached client's own model answers, where the client lends it", async () => {
  await using several = new Several({});
  const { asked, sample } = lender();
  const route = await several.models.resolve({ tool: "chat", sample });
  const { signal } = new AbortController();
  const result = await several.models.chat(route, {
    messages: [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [{ type: "text", text: "Look" }, { type: "image", url: "data:image/png;base64,QUI=" }],
      },
      { role: "assistant", content: "Seen." },
      { role: "user", content: "So?" },
    ],
    temperature: 0.5,
    jsonSchema: { name: "v", schema: { type: "object" } },
  }, { signal });
  assertEquals([result.text, result.provider, result.model], ["From your editor.", "client", "claude-x"]);
  assertEquals(result.routing.chosen, "client/client");
  const request = asked[0]!;
  assert(request.systemPrompt?.startsWith("Be brief.\n\n") && request.systemPrompt.includes("JSON Schema"));
  assertEquals([request.temperature, request.maxOutputTokens], [0.5, 8192]);
  assertEquals(request.messages, [
    { role: "user", content: { type: "text", text: "Look" } },
    { role: "user", content: { type: "image", data: "QUI=", mimeType: "image/png" } },
    { role: "assistant", content: { type: "text", text: "Seen." } },
    { role: "user", content: { type: "text", text: "So?" } },
  ]);
});

Deno.test("the client's model comes last in auto, and is asked by name with a hint if there is one", async () => {
  await using several = new Several({ kimi: [fail(500, {})] });
  const { asked, sample } = lender();
  assertEquals((await several.ask({ sample })).routing.chosen, "client/client");
  assertEquals(several.server("kimi").chats.length, 3);
  assertEquals((await several.ask({ requested: "client", sample })).provider, "client");
  await several.ask({ requested: "client/claude-opus", sample });
  assertEquals(asked.map(({ modelHint }) => modelHint), [undefined, undefined, "claude-opus"]);
  await several.ask({ requested: "client", tool: "codereview", sample });
  assertEquals(asked.map(({ modelClass }) => modelClass), ["balanced", "balanced", "balanced", "deep"]);
  const without = await refusal(several, { requested: "client" });
  assert(without.includes("does not lend its model"), without);
});

Deno.test("what MCP sampling has not is refused by name", async () => {
  await using several = new Several({});
  const { asked, sample } = lender();
  const query = { requested: "client", sample, tool: "chat" };
  for (const needs of [{ webSearch: true }, { thinking: "high" as const }, { tools: true }]) {
    const message = await refusal(several, { ...query, needs });
    assert(message.startsWith("client "), message);
  }
  const route = await several.models.resolve(query);
  const { signal } = new AbortController();
  const ask = (request: Partial<typeof QUESTION>) =>
    several.models.chat(route, { ...QUESTION, ...request }, { signal });
  for (const request of [{ webSearch: true }, { thinkingMode: "low" as const }]) {
    const error = await assertRejects(() => ask(request), ExaiError);
    assert(error.message.includes("asked through MCP"), error.message);
  }
  const url = "https://x.example/a.png";
  await assertRejects(
    () => ask({ messages: [{ role: "user", content: [{ type: "image", url }] }] }),
    ExaiError,
    "base64",
  );
  assertEquals(asked, []);
});
