/** What the settings of the choice of models do at the door of a tool. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { LiveSettings } from "../lib/app/live_settings.ts";
import { modelChoiceOf, modelDefaultsOf } from "../lib/app/model_choice.ts";
import { ConfiguredModels } from "../lib/app/model_providers.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import { SettingsLoader } from "../lib/config/program_settings.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { PROVIDER_KINDS } from "../lib/provider/provider_kinds.ts";
import type { ProviderStatus } from "../lib/provider/provider_status.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import { OpenAiServer } from "./fixtures/openai_server.ts";
import { investigationStep, TEST_HOST, TestTools } from "./helpers/exai_tools.ts";
import { FakeModels, promptOf } from "./helpers/fake_models.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

Deno.test("the addresses that provider_list names are those of the settings", () => {
  const named = PROVIDER_KINDS.flatMap(({ options }) => options).flatMap((option) =>
    /^(\w+) \((https:.+)\)$/.exec(option)?.slice(1) ?? []
  );
  const set = Object.values(SETTINGS).filter(({ env }) => named.includes(env)).flatMap((
    { env, fallback },
  ) => [
    env,
    fallback,
  ]);
  assertEquals(named.toSorted(), set.toSorted());
  assert(named.length >= 10);
});

Deno.test("models answer in the language of LOCALE, in every tool that asks one, whatever way it is written", async () => {
  for (const written of ["fr-FR", "fr_FR.UTF-8"]) {
    const locale = SETTINGS.locale.read(written)!;
    const models = new FakeModels();
    using tools = new TestTools({
      models,
      modelDefaults: () => modelDefaultsOf(defaultSettings({ locale })),
    });
    await tools.call("chat", { prompt: "Hello?" });
    await tools.call("debug", investigationStep(1, { next_step_required: false }));
    for (const asked of models.asked) {
      assertStringIncludes(promptOf(asked), "Write everything meant for people in French (France) (fr-FR)");
    }
    assertEquals(models.asked.length, 2);
  }
});

Deno.test("without LOCALE, or with one of no language, models are told nothing of it", async () => {
  for (const written of ["", "C", "POSIX", "C.UTF-8"]) {
    const locale = SETTINGS.locale.read(written)!;
    const models = new FakeModels();
    using tools = new TestTools({
      models,
      modelDefaults: () => modelDefaultsOf(defaultSettings({ locale })),
    });
    await tools.call("chat", { prompt: "Hello?" });
    assert(!promptOf(models.asked[0]!).includes("meant for people"));
  }
  assertEquals(SETTINGS.locale.read("no such language"), undefined);
});

Deno.test("DEFAULT_THINKING_MODE goes before the tool's own mode, a call's mode before both", async () => {
  const settings = defaultSettings({ defaultThinkingMode: "low", thinkdeepThinkingMode: "max" });
  const models = new FakeModels();
  using tools = new TestTools({ models, modelDefaults: () => modelDefaultsOf(settings) });
  await tools.call("chat", { prompt: "Hello?" });
  await tools.call("thinkdeep", investigationStep(1, { next_step_required: false }));
  await tools.call("chat", { prompt: "Hello?", thinking_mode: "high" });
  assertEquals(models.asked.map(({ request }) => request.thinkingMode), ["low", "max", "high"]);
});

Deno.test("a daily budget is an amount with its unit, as text or as an object, and nothing else", () => {
  const { dailyBudget } = SETTINGS;
  const usd = (amount: number) => ({ unit: "usd", amount });
  const tokens = (amount: number) => ({ unit: "tokens", amount });
  for (
    const [written, budgets] of [
      ["", {}],
      ["openai=5 USD", { openai: usd(5) }],
      ["openai = $2.50, all=10 usd", { openai: usd(2.5), all: usd(10) }],
      ["kimi=2M tokens,glm=1.5k tokens", { kimi: tokens(2_000_000), glm: tokens(1500) }],
      ['{"lab": "1_000 tokens"}', { lab: tokens(1000) }],
    ] as const
  ) {
    assertEquals(dailyBudget.read(written), budgets, written);
  }
  for (
    const written of ["openai", "openai=5", "openai=5 EUR", "=5 USD", "openai=-5 USD", '{"openai": 5}', "{"]
  ) {
    assertEquals(dailyBudget.read(written), undefined, written);
  }
});

Deno.test("the allowed models of Gemini are read under either of their names", () => {
  const settings = defaultSettings({ googleAllowedModels: ["flash"] });
  assertEquals(modelChoiceOf(settings).allowedModels!.gemini, ["flash"]);
  const both = defaultSettings({ googleAllowedModels: ["flash"], geminiAllowedModels: ["pro"] });
  assertEquals(modelChoiceOf(both).allowedModels!.gemini, ["pro"]);
});

/** A provider with so many models. */
function provider(name: string, count: number): ProviderStatus {
  const abilities = { files: false, search: true, thinking: true, images: true };
  const models = Array.from({ length: count }, (_, i) => ({
    name: `vendor-${i % 30}/a-model-with-a-long-name-${i}`,
    aliases: [],
    contextTokens: 200_000,
    abilities,
    price: { input: 2, output: 10, source: "list" },
  }));
  return { name, kind: "openrouter", available: true, abilities, models };
}

Deno.test("listmodels with 400 models stays short, shows each provider's best, and finds any by a part of its name", async () => {
  const statuses = [provider("openrouter", 400), { ...provider("kimi", 6), kind: "kimi" as const }];
  using tools = new TestTools({ host: { ...TEST_HOST, providers: () => statuses } });
  const { result, answer } = await tools.call("listmodels", {});
  assert(JSON.stringify(result.structuredContent).length < 20_000);
  const { summary, providers } = answer.content as { summary: string; providers: JsonObject[] };
  assertStringIncludes(summary, "406 models of 2 providers");
  const find = (all: JsonObject[], name: string) => all.find((one) => one.name === name)!;
  const kimi = find(providers, "kimi").models as JsonObject[];
  assertEquals([kimi.length, kimi[0]!.usd_per_million], [6, { input: 2, output: 10 }]);
  const { models, more } = find(providers, "openrouter") as { models: JsonObject[]; more: JsonObject };
  const named = String(more.names).split(", ");
  assertEquals(models.length + named.length + Number(more.not_named), 400);
  assert(models.length >= 30 && named.length > 150);
  const found = await tools.content("listmodels", { filter: "NAME-399 vendor" });
  const [one] = find(found.providers as JsonObject[], "openrouter").models as JsonObject[];
  assertEquals(one!.name, "vendor-9/a-model-with-a-long-name-399");
  const none = await tools.content("listmodels", { filter: "gpt" });
  assertStringIncludes(String(none.summary), "No model of 2 providers fits this filter");
});

Deno.test("listmodels tells what a provider may not be asked, and what it was used for today", async () => {
  const status = {
    ...provider("openrouter", 1),
    restricted: { by: "OPENROUTER_ALLOWED_MODELS", hidden: 9, unknown: ["gpt-99"] },
    spentToday: { inputTokens: 10, outputTokens: 5, usd: 0.1 + 0.2 },
    budgetWarning: "openrouter has used $0.50 of $0.60",
  };
  using tools = new TestTools({ host: { ...TEST_HOST, providers: () => [status] } });
  for (const tool of ["listmodels", "provider_capabilities"]) {
    const { providers } = await tools.content(tool, {}) as { providers: JsonObject[] };
    const { restricted, today, budget_warning } = providers.find(({ name }) => name === "openrouter")!;
    assertEquals(restricted, { by: "OPENROUTER_ALLOWED_MODELS", hidden_models: 9, unknown: ["gpt-99"] });
    assertEquals(today, { input_tokens: 10, output_tokens: 5, usd: 0.3 });
    assertEquals(budget_warning, "openrouter has used $0.50 of $0.60");
  }
});

Deno.test("where no model can be had, every tool that needs one says the same three ways to get one", async () => {
  using models = createModelRouter({ setups: [] });
  using tools = new TestTools({ models });
  const { ways_to_a_model } = await tools.content("listmodels", {}) as { ways_to_a_model: string[] };
  assertEquals(ways_to_a_model.length, 3);
  assertEquals((await tools.content("provider_capabilities", {})).ways_to_a_model, ways_to_a_model);
  const last = { next_step_required: false, total_steps: 1 };
  const calls: [string, JsonObject][] = [
    ["chat", { prompt: "Hello?" }],
    ["chat", { prompt: "Hello?", model: "gpt-5.5" }],
    ["debug", investigationStep(1, last)],
    ["codereview", investigationStep(1, last)],
    ["thinkdeep", investigationStep(1, last)],
    ["analyze", investigationStep(1, last)],
    ["secaudit", investigationStep(1, last)],
    ["refactor", investigationStep(1, last)],
    ["consensus", { step: "Shall we?", step_number: 1, ...last, models: [{ model: "k3" }] }],
    ["kimi_chat_with_tools", { messages: [{ role: "user", content: "Hello?" }] }],
  ];
  for (const [tool, args] of calls) {
    const { result, isError } = await tools.call(tool, args);
    assertEquals(isError, true, tool);
    const text = JSON.parse(String(result.content[0]!.text));
    for (const way of ways_to_a_model) {
      if (tool === "kimi_chat_with_tools") assertStringIncludes(JSON.stringify(text), "KIMI_API_KEY");
      else {assert(
          JSON.stringify(text).includes(JSON.stringify(way).slice(1, -1)),
          `${tool} says not: ${way}`,
        );}
    }
  }
});

Deno.test("health tells which names in the settings mean no model, no provider and no tool", async () => {
  await using server = new OpenAiServer();
  server.models = [{ id: "glm-4.7" }, { id: "glm-5" }];
  await using home = await tempDir({});
  await using it = await testDaemon({
    settings: {
      home: home.path,
      findLocal: false,
      glmApiKey: "z-123456",
      glmUrl: server.url,
      glmAllowedModels: ["glm-4.7", "glm-99"],
      dailyBudget: SETTINGS.dailyBudget.read("openia=5 USD")!,
      toolModels: { codreview: "glm-4.7" },
    },
  });
  using client = await RawClient.hello(it.url);
  const listed =
    JSON.parse(firstText(await client.call("listmodels", { provider: "glm" }))).content.providers;
  assertEquals(listed[0].models.map(({ name }: JsonObject) => name), ["glm-4.7"]);
  const { notes } = await (await fetch(`${it.http}health`)).json();
  for (const part of ["GLM_ALLOWED_MODELS names what glm does not list: glm-99", "openia", "codreview"]) {
    assert(notes.some((note: string) => note.includes(part)), `${part}: ${notes.join()}`);
  }
});

Deno.test("what exai.json says of models counts once it is saved", async () => {
  const path = (home: string) => `${home}/exai.json`;
  await using home = await tempDir({ "exai.json": '{"glmApiKey": "z-123456", "findLocal": false}' });
  await Deno.chmod(path(home.path), 0o600);
  const reader = new SettingsLoader({ args: [], env: { EXAI_HOME: home.path, ENV_FILE: "" } });
  const started = await reader.read();
  await using live = await LiveSettings.open(reader, started, { databaseDir: home.path, onChange: () => {} });
  await using configured = await ConfiguredModels.open(live.current, statePaths(live.current));
  const models = () => configured.router.status()[0]!.models.map(({ name }) => name);
  assert(models().length > 5);
  const changed = {
    glmApiKey: "z-123456",
    findLocal: false,
    glmAllowedModels: ["glm-4.7", "glm-5"],
    toolModels: { debug: "glm-5" },
    defaultModel: "glm-4.7",
    locale: "ja",
  };
  await Deno.writeTextFile(path(home.path), JSON.stringify(changed));
  await live.reload();
  configured.setSettings(live.current);
  assertEquals(models(), ["glm-5", "glm-4.7"]);
  for (const [tool, model] of [["debug", "glm-5"], ["chat", "glm-4.7"]] as const) {
    assertEquals((await configured.router.resolve({ tool })).model.name, model);
  }
  assertEquals([modelDefaultsOf(configured.settings).locale, live.notes()], ["ja", []]);
});
