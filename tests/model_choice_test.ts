import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ModelEntry, ProviderSetup } from "../lib/provider/configured_router.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import type { ModelChoice } from "../lib/provider/model_choice.ts";
import type { RouteQuery } from "../lib/provider/model_router.ts";
import { fail, OpenAiServer, say } from "./fixtures/openai_server.ts";
import { QUESTION, TEST_KEY } from "./helpers/provider_rig.ts";

/** Providers at servers of the test's own, chosen among as `choice` says. */
class Choosing implements AsyncDisposable {
  readonly servers = new Map<string, OpenAiServer>();
  readonly models;

  constructor(
    kinds: readonly ProviderSetup["kind"][],
    choice: ModelChoice & { models?: ModelEntry[] } = {},
  ) {
    const setups = kinds.map((kind): ProviderSetup => {
      const server = new OpenAiServer(say("Yes."));
      this.servers.set(kind, server);
      return { kind, apiKey: TEST_KEY, baseUrl: server.url };
    });
    this.models = createModelRouter({ setups, retry: { initialDelayMs: 0 }, ...choice });
  }

  async chosen(query: Partial<RouteQuery> = {}): Promise<string> {
    const { model } = await this.models.resolve({ tool: "chat", ...query });
    return `${model.provider}/${model.name}`;
  }

  async refusal(query: Partial<RouteQuery>): Promise<string> {
    const error = await assertRejects(() => this.models.resolve({ tool: "chat", ...query }), ExaiError);
    return error.message;
  }

  async ask(requested?: string) {
    const route = await this.models.resolve({ tool: "chat", requested });
    return await this.models.chat(route, QUESTION, { signal: new AbortController().signal });
  }

  async [Symbol.asyncDispose]() {
    this.models[Symbol.dispose]();
    for (const server of this.servers.values()) await server[Symbol.asyncDispose]();
  }
}

Deno.test("only allowed models are chosen, asked for by name, and listed; the refusal names the variable", async () => {
  await using it = new Choosing(["kimi", "openai"], {
    allowedModels: { openai: ["gpt-5-mini", "GPT4.1"], kimi: ["k2.6"] },
  });
  assertEquals(await it.chosen({ tool: "thinkdeep" }), "kimi/kimi-k2.6");
  assertEquals(await it.chosen({ requested: "gpt-4.1" }), "openai/gpt-4.1", "an alias allows its model");
  assertEquals(await it.chosen({ requested: "openai", tool: "thinkdeep" }), "openai/gpt-5-mini");
  const message = await it.refusal({ requested: "gpt-5" });
  assertStringIncludes(message, "gpt-5 of openai is not among those that OPENAI_ALLOWED_MODELS allows");
  assertStringIncludes(message, "Available: kimi-k2.6, gpt-5-mini, gpt-4.1");
  const status = it.models.status();
  assertEquals(status.map(({ models }) => models.map(({ name }) => name)), [["kimi-k2.6"], [
    "gpt-5-mini",
    "gpt-4.1",
  ]]);
  assertEquals([status[1]!.restricted!.by, status[1]!.restricted!.hidden > 20], [
    "OPENAI_ALLOWED_MODELS",
    true,
  ]);
});

Deno.test("a star in the allowed models stands for any characters, and an unknown name is told", async () => {
  await using it = new Choosing(["glm"], { allowedModels: { glm: ["glm-4.*", "glm-99"] } });
  assertEquals(it.models.status()[0]!.restricted!.unknown, [], "the list may have it");
  it.servers.get("glm")!.models = ["glm-4.5", "glm-4.6", "glm-4.7", "glm-4.8", "glm-5"].map((id) => ({ id }));
  await it.models.ensureFresh(0);
  const [glm] = it.models.status();
  assert(glm!.models.length > 3 && glm!.models.every(({ name }) => name.startsWith("glm-4.")));
  assertEquals(glm!.restricted!.unknown, ["glm-99"]);
});

Deno.test("a provider none of whose models is allowed says which variable does that", async () => {
  await using it = new Choosing(["glm"], { allowedModels: { glm: ["glm-99"] } });
  assertEquals(it.models.status()[0]!.reason, "GLM_ALLOWED_MODELS allows none of its models");
  assertStringIncludes(
    await it.refusal({}),
    "glm is set up and cannot be used: GLM_ALLOWED_MODELS allows none of its models",
  );
});

Deno.test("a tool's own default model goes before the default of all, and a call's model before both", async () => {
  await using it = new Choosing(["kimi", "glm"], {
    defaultModel: "glm-4.7",
    toolModels: { codereview: "k3", debug: "auto" },
  });
  assertEquals(await it.chosen({ tool: "chat" }), "glm/glm-4.7");
  assertEquals(await it.chosen({ tool: "codereview" }), "kimi/kimi-k3");
  assertEquals(await it.chosen({ tool: "codereview", requested: "glm-5" }), "glm/glm-5");
  assertEquals(await it.chosen({ tool: "debug" }), "kimi/kimi-k3");
  assertEquals(await it.chosen({ tool: "constructor" }), "glm/glm-4.7");
  const why = async (tool: string) => (await it.models.resolve({ tool })).why;
  assertEquals(await why("chat"), "glm-4.7 was asked for (DEFAULT_MODEL)");
  assertEquals(await why("codereview"), "k3 was asked for: kimi-k3 (EXAI_TOOL_MODELS)");
});

const GROK = {
  id: "x-ai/grok-4.7",
  context_length: 500_000,
  supported_parameters: ["tools", "reasoning", "temperature"],
  pricing: { prompt: "0.000002", completion: "0.000006", input_cache_read: "0.0000005" },
};

async function openrouter(choice: ModelChoice & { models?: ModelEntry[] } = {}): Promise<Choosing> {
  const it = new Choosing(["openrouter"], choice);
  it.servers.get("openrouter")!.models = [
    GROK,
    { ...GROK, id: "z-ai/glm-5.3" },
    { ...GROK, id: "qwen/qwen4-coder:free", pricing: { prompt: "0", completion: "0" } },
  ];
  await it.models.ensureFresh(0);
  return it;
}

Deno.test("a routing variant of OpenRouter is a variant of its model, asked by its whole name", async () => {
  await using it = await openrouter({
    models: [{ name: "x-ai/grok-4.7", provider: "openrouter", aliases: ["grok"] }],
  });
  for (
    const [requested, name] of [
      ["x-ai/grok-4.7:nitro", "x-ai/grok-4.7:nitro"],
      ["grok:floor", "x-ai/grok-4.7:floor"],
      ["openrouter/x-ai/Grok-4.7:EXACTO", "x-ai/grok-4.7:exacto"],
      ["grok-4.7:online:nitro", "x-ai/grok-4.7:online:nitro"],
      ["qwen/qwen4-coder:free:floor", "qwen/qwen4-coder:free:floor"],
      ["qwen4-coder:free", "qwen/qwen4-coder:free"],
    ] as const
  ) {
    assertEquals(await it.chosen({ requested }), `openrouter/${name}`, requested);
  }
  const { model } = await it.models.resolve({ tool: "chat", requested: "grok:nitro" });
  assertEquals([model.contextTokens, model.price?.input], [500_000, 2]);
  await it.ask("grok:nitro");
  assertEquals(it.servers.get("openrouter")!.lastBody.model, "x-ai/grok-4.7:nitro");
});

Deno.test("a variant that is a model of its own and not listed is refused, with the variants there are", async () => {
  await using it = await openrouter();
  const message = await it.refusal({ requested: "x-ai/grok-4.7:free" });
  assertStringIncludes(message, "x-ai/grok-4.7 has no variant free; it has nitro, floor, exacto, online");
  await using local = new Choosing(["kimi"]);
  assertStringIncludes(
    await local.refusal({ requested: "kimi-k3:nitro" }),
    `there is no model "kimi-k3:nitro"`,
  );
});

Deno.test("the variant online searches without being given a search tool as well", async () => {
  await using it = await openrouter();
  const route = await it.models.resolve({
    tool: "chat",
    requested: "x-ai/grok-4.7:online",
    needs: { webSearch: true },
  });
  const { signal } = new AbortController();
  await it.models.chat(route, { ...QUESTION, webSearch: true }, { signal });
  assertEquals(it.servers.get("openrouter")!.lastBody.tools, undefined);
});

Deno.test("an allowed model of OpenRouter allows its routing variants, an allowed variant not its model", async () => {
  await using both = await openrouter({ allowedModels: { openrouter: ["x-ai/*"] } });
  assertEquals(await both.chosen({ requested: "x-ai/grok-4.7:nitro" }), "openrouter/x-ai/grok-4.7:nitro");
  assertStringIncludes(await both.refusal({ requested: "z-ai/glm-5.3:nitro" }), "OPENROUTER_ALLOWED_MODELS");
  await using one = await openrouter({
    allowedModels: { openrouter: ["x-ai/grok-4.7:floor", "z-ai/glm-5.3"] },
  });
  assertEquals(await one.chosen({ requested: "x-ai/grok-4.7:floor" }), "openrouter/x-ai/grok-4.7:floor");
  assertStringIncludes(await one.refusal({ requested: "x-ai/grok-4.7" }), "OPENROUTER_ALLOWED_MODELS");
  assertEquals(one.models.status()[0]!.restricted?.unknown, []);
});

Deno.test("with OpenRouter alone, auto finds a model that EXAI knows from its vendor", async () => {
  await using it = await openrouter();
  assertEquals(await it.chosen({ tool: "thinkdeep" }), "openrouter/x-ai/grok-4.7");
});

Deno.test("where no model can be had, the three ways to get one are told in the same words", async () => {
  await using none = new Choosing([]);
  const ways = (message: string) => message.slice(message.indexOf("The shortest ways"));
  const told = await Promise.all(
    [{}, { requested: "gpt-9" }, { requested: "client" }].map((query) => none.refusal(query)),
  );
  for (const message of told) {
    assertEquals(ways(message), ways(told[0]!));
    for (const word of ["kimiApiKey", "ollama pull", "MCP sampling"]) assertStringIncludes(message, word);
  }
});

Deno.test("a provider that is set up and lists nothing is named, with its reason", async () => {
  await using it = new Choosing(["custom"]);
  it.servers.get("custom")!.other = fail(401, { error: { message: "wrong key" } });
  const message = await it.refusal({});
  assertStringIncludes(message, "custom is set up and cannot be used");
  assertStringIncludes(message, "wrong key");
});

Deno.test("a default model that cannot be asked is told with the setting that names it", async () => {
  await using it = new Choosing(["glm"], { defaultModel: "gpt-9", toolModels: { chat: "glm-4.7" } });
  assertStringIncludes(
    await it.refusal({ tool: "debug" }),
    'the call named no model, and DEFAULT_MODEL says "gpt-9"',
  );
  assertStringIncludes(
    await it.refusal({ tool: "chat", needs: { images: true } }),
    "glm-4.7 takes no images",
  );
  assertStringIncludes(await it.refusal({ needs: { images: true } }), "EXAI_TOOL_MODELS");
  assert(!(await it.refusal({ requested: "gpt-9" })).includes("DEFAULT_MODEL"));
});

Deno.test("a tool of one provider goes by the default model only where that is one of the provider's", async () => {
  await using it = new Choosing(["kimi", "glm"], { defaultModel: "glm-4.7" });
  const query = { tool: "kimi_chat_with_tools", provider: "kimi" };
  assertEquals(await it.chosen(query), "kimi/kimi-k2.6");
  await using own = new Choosing(["kimi", "glm"], { defaultModel: "k3" });
  assertEquals(await own.chosen(query), "kimi/kimi-k3");
});
