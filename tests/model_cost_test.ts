import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { untilAborted } from "../lib/base/abort.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import { callsCommand } from "../lib/commands/calls.ts";
import { loadSettings } from "../lib/config/load.ts";
import { readModels } from "../lib/config/models_file.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { listPrice } from "../lib/provider/catalogue/prices.ts";
import { SHIPPED_MODELS } from "../lib/provider/catalogue/catalogue.ts";
import { createModelRouter, type ProviderSetup } from "../lib/provider/configured_router.ts";
import type { ModelChoice } from "../lib/provider/model_choice.ts";
import { MemoryLedger, type SpendingLedger } from "../lib/provider/spending.ts";
import { after, cutAfter, fail, hang, OpenAiServer, say, type Script } from "./fixtures/openai_server.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";
import { FakeModels } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";
import { QUESTION, TEST_KEY } from "./helpers/provider_rig.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

const NOON = new Date(2026, 10, 24, 12).getTime();
const NEXT_DAY = new Date(2026, 10, 25, 0, 1).getTime();

/** An answer that used so many tokens. */
function used(inputTokens: number, outputTokens: number, more: JsonObject = {}): Script {
  return say("Yes.", { usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens, ...more } });
}

interface SpendingRigOptions extends ModelChoice {
  kinds?: readonly ProviderSetup["kind"][];
  ledger?: SpendingLedger;
}

/** Providers that answer `script`, and a clock. */
class SpendingRig implements AsyncDisposable {
  nowMs = NOON;
  readonly servers: OpenAiServer[];
  readonly models;

  constructor(script: Script, { kinds = ["openai"], ...choice }: SpendingRigOptions = {}) {
    this.servers = kinds.map(() => new OpenAiServer(script));
    this.models = createModelRouter({
      setups: kinds.map((kind, i) => ({ kind, apiKey: TEST_KEY, baseUrl: this.servers[i]!.url })),
      retry: { initialDelayMs: 0 },
      now: () => this.nowMs,
      ...choice,
    });
  }

  async ask(requested?: string) {
    const route = await this.models.resolve({ tool: "chat", requested });
    return await this.models.chat(route, QUESTION, { signal: new AbortController().signal });
  }

  async refusal(requested: string): Promise<ExaiError> {
    return await assertRejects(() => this.ask(requested), ExaiError);
  }

  get sent(): number {
    return this.servers.reduce((sum, { chats }) => sum + chats.length, 0);
  }

  async [Symbol.asyncDispose]() {
    this.models[Symbol.dispose]();
    for (const server of this.servers) await server[Symbol.asyncDispose]();
  }
}

Deno.test("an answer says what it cost, cached input and long requests at their own rates", async () => {
  await using it = new SpendingRig(
    used(100_000, 10_000, { prompt_tokens_details: { cached_tokens: 60_000 } }),
  );
  const { cost } = await it.ask("gpt-5.5");
  // 40,000 at $5, 60,000 at $0.50 and 10,000 at $30 per million.
  assertEquals(cost, { usd: 0.53, basis: "list price of 2026-07-02" });
  it.servers[0]!.script(used(300_000, 10_000));
  assertEquals((await it.ask("gpt-5.5")).cost?.usd, 3.45, "above 272,000 tokens all of it costs more");
  it.servers[0]!.script(say("Yes.", { usage: null }));
  assertEquals((await it.ask("gpt-5.5")).cost?.estimated, true);
});

Deno.test("every model that auto may choose has a price, with the date it was read", () => {
  // OpenRouter lists its prices itself.
  const unpriced = SHIPPED_MODELS.filter(({ provider, name, auto }) =>
    auto && provider !== "openrouter" && !listPrice(provider, name)
  );
  // The search models cost something for each search beside the tokens; the other has no price that could be read.
  const known = /-search-|^gemini-3.5-flash-lite$/;
  assertEquals(unpriced.map(({ name }) => name).filter((name) => !known.test(name)), []);
});

Deno.test("a price that was announced for a day holds from that day on", () => {
  const input = (today: string) => listPrice("gemini", "gemini-4-argon", today)?.input;
  assertEquals([input("2026-11-30"), input("2026-12-01"), input("2027-05-01")], [2, 4, 4]);
  assertEquals(listPrice("gemini", "gemini-4-argon", "2026-12-24")?.source, "list price of 2026-12-01");
});

Deno.test("a price in models.json goes before the list price, and what OpenRouter lists is used", async () => {
  await using it = new SpendingRig(used(1_000_000, 0), { kinds: ["openai", "openrouter"] });
  const { models, servers } = it;
  servers[1]!.models = [{ id: "x-ai/grok-4.7", pricing: { prompt: "0.000002", completion: "0.000006" } }];
  await models.ensureFresh(0);
  assertEquals((await it.ask("x-ai/grok-4.7")).cost, { usd: 2, basis: "OpenRouter's list" });
  const setups = servers.map(({ url }, i): ProviderSetup => ({
    kind: (["openai", "openrouter"] as const)[i]!,
    apiKey: TEST_KEY,
    baseUrl: url,
  }));
  models.configure({ setups, models: [{ name: "gpt-5.5", price: { input: 1, output: 2 } }] });
  assertEquals((await it.ask("gpt-5.5")).cost, { usd: 1, basis: "models.json" });
});

Deno.test("what a provider says it charged is the cost", async () => {
  await using it = new SpendingRig(used(1000, 10, { cost: 0.0421 }), { kinds: ["openrouter"] });
  it.servers[0]!.models = [{ id: "x-ai/grok-4.7", pricing: { prompt: "0.000002", completion: "0.000006" } }];
  await it.models.ensureFresh(0);
  assertEquals((await it.ask("x-ai/grok-4.7")).cost, { usd: 0.0421, basis: "the provider's bill" });
});

Deno.test("a daily budget warns from 80 % on, then stops, and starts anew at midnight", async () => {
  await using it = new SpendingRig(used(40, 0), {
    dailyBudgets: { openai: { unit: "tokens", amount: 100 } },
  });
  assertEquals((await it.ask("gpt-5")).budgetWarning, undefined);
  assertEquals(
    (await it.ask("gpt-5")).budgetWarning,
    "openai has used 80 of 100 tokens; at the whole of it no more is asked today",
  );
  assertEquals(
    (await it.ask("gpt-5")).budgetWarning,
    "openai has used 120 of 100 tokens; no more is asked today",
  );
  const { code, message, details } = await it.refusal("gpt-5");
  assertEquals([code, details?.fault, it.sent], ["CONFIG", "budget", 3]);
  assertStringIncludes(message, "openai has used 120 of 100 tokens, which is the whole budget for today");
  assertStringIncludes(message, "wait until midnight, or raise EXAI_DAILY_BUDGET");
  const [status] = it.models.status();
  assertEquals([status!.available, status!.spentToday?.inputTokens], [false, 120]);
  it.nowMs = NEXT_DAY;
  await it.ask("gpt-5");
  assertEquals([it.sent, it.models.status()[0]!.available], [4, true]);
});

Deno.test("a provider that reports less than nothing gives no budget back", async () => {
  const script = used(-5_000_000, 100, { cost: -3, prompt_tokens_details: { cached_tokens: -7 } });
  await using it = new SpendingRig(script, {
    kinds: ["openrouter"],
    dailyBudgets: { OpenRouter: { unit: "tokens", amount: 150 } },
  });
  it.servers[0]!.models = [{ id: "x-ai/grok-4.7", pricing: { prompt: "0.000002", completion: "0.000006" } }];
  await it.models.ensureFresh(0);
  assertEquals((await it.ask("x-ai/grok-4.7")).cost?.usd, 0.0006);
  await it.ask("x-ai/grok-4.7");
  assertStringIncludes((await it.refusal("x-ai/grok-4.7")).message, "openrouter has used 200 of 150 tokens");
});

Deno.test("requests sent at once see each other: a budget is exceeded by answers, not by questions", async () => {
  await using it = new SpendingRig(used(30, 0), { dailyBudgets: { openai: { unit: "tokens", amount: 30 } } });
  const answers = await Promise.allSettled(Array.from({ length: 8 }, () => it.ask("gpt-5")));
  assert(it.sent < 5 && it.sent > 1, `${it.sent}`);
  assertEquals(answers.filter(({ status }) => status === "fulfilled").length, it.sent);
  assertEquals(it.models.status()[0]!.spentToday?.inputTokens, 30 * it.sent);
});

Deno.test("auto goes on to a provider with budget left, and says why", async () => {
  await using it = new SpendingRig(used(60, 0), {
    kinds: ["kimi", "openai"],
    dailyBudgets: { kimi: { unit: "tokens", amount: 50 } },
  });
  assertEquals((await it.ask()).routing.chosen, "kimi/kimi-k2.6");
  const { routing } = await it.ask();
  assert(routing.chosen.startsWith("openai/"), routing.chosen);
  assertStringIncludes(routing.why, "passed over: kimi (kimi has used 60 of 50 tokens");
});

Deno.test("a budget of all providers together counts every provider", async () => {
  await using it = new SpendingRig(used(1_000_000, 0), {
    kinds: ["kimi", "openai"],
    dailyBudgets: { all: { unit: "usd", amount: 2 } },
  });
  await it.ask("gpt-5");
  await it.ask("kimi-k2.6");
  assertStringIncludes((await it.refusal("gpt-5")).message, "all providers have used $2.20 of $2.00");
});

Deno.test("under a budget in money a model without a price is not asked, and auto takes one with a price", async () => {
  const dailyBudgets = { openai: { unit: "usd", amount: 5 } } as const;
  await using it = new SpendingRig(used(10, 10), { dailyBudgets });
  it.servers[0]!.models = [{ id: "gpt-99" }, { id: "gpt-5" }];
  await it.models.ensureFresh(0);
  const { message } = await it.refusal("gpt-99");
  assertStringIncludes(message, "the budget of openai is in dollars, and its price is not known");
  assertStringIncludes(message, `{"name": "gpt-99", "price": {"input"`);
  assertEquals(it.sent, 0);
  await it.ask("gpt-5");
  const setups: ProviderSetup[] = [{ kind: "openai", apiKey: TEST_KEY, baseUrl: it.servers[0]!.url }];
  it.models.configure({ setups, models: [{ name: "gpt-99", class: "fast", auto: true }] });
  const { model } = await it.models.resolve({ tool: "chat", class: "fast" });
  assertEquals(model.name, "gpt-5", "the fast model has no price");
  await using own = new SpendingRig(used(10, 10), {
    kinds: ["custom"],
    dailyBudgets: { all: { unit: "usd", amount: 5 } },
  });
  own.servers[0]!.models = [{ id: "llama" }];
  await own.ask("llama");
});

Deno.test("an answer that broke off counts with its question, a refused request does not", async () => {
  const ledger = new MemoryLedger();
  await using it = new SpendingRig(cutAfter("Half an"), { ledger });
  const spent = () => it.models.status()[0]!.spentToday?.inputTokens ?? 0;
  await assertRejects(() => it.ask("gpt-5"), ExaiError);
  const afterCut = spent();
  assert(afterCut > 0);
  it.servers[0]!.script(fail(400, { error: { message: "no" } }));
  await assertRejects(() => it.ask("gpt-5"), ExaiError);
  assertEquals(spent(), afterCut);
});

Deno.test("a call that is cancelled counts if its question was sent, and not while it waits for its turn", async () => {
  for (const isFull of [true, false]) {
    await using server = new OpenAiServer(hang());
    const waits = Promise.withResolvers<void>();
    using models = createModelRouter({
      setups: [{ kind: "openai", apiKey: TEST_KEY, baseUrl: server.url }],
      admit: async (_provider, signal) => {
        waits.resolve();
        if (isFull) await untilAborted(new Promise<never>(() => {}), signal);
        return { [Symbol.dispose]() {} };
      },
    });
    const calling = new AbortController();
    const route = await models.resolve({ tool: "chat", requested: "gpt-5" });
    const call = models.chat(route, QUESTION, { signal: calling.signal });
    await (isFull ? waits.promise : server.askedFor(1));
    calling.abort();
    await assertRejects(() => call);
    assertEquals(models.status()[0]!.spentToday === undefined, isFull);
  }
});

Deno.test("the turns before one that failed count: a web search was billed although its answer never came", async () => {
  const search = { id: "$web_search:0", name: "$web_search", arguments: "{}", type: "builtin_function" };
  const searched = say("", { toolCalls: [search], usage: { prompt_tokens: 900, completion_tokens: 9 } });
  await using it = new SpendingRig(searched, { kinds: ["kimi"] });
  it.servers[0]!.script(searched, fail(400, { error: { message: "no" } }));
  const route = await it.models.resolve({ tool: "chat", requested: "kimi-k2.5" });
  const asked = it.models.chat(route, { ...QUESTION, webSearch: true }, {
    signal: new AbortController().signal,
  });
  await assertRejects(() => asked, ExaiError);
  const { inputTokens, outputTokens } = it.models.status()[0]!.spentToday!;
  assertEquals([inputTokens, outputTokens], [900, 9]);
});

Deno.test("below 80 % of a budget there is no warning", async () => {
  await using it = new SpendingRig(used(79, 0), {
    dailyBudgets: { openai: { unit: "tokens", amount: 100 } },
  });
  assertEquals((await it.ask("gpt-5")).budgetWarning, undefined);
});

Deno.test("a daemon's budget holds after its restart, its health warns, and calls show tokens and money", async () => {
  await using home = await tempDir({});
  await using server = new OpenAiServer(used(90_000, 0));
  const settings = {
    home: home.path,
    findLocal: false,
    openaiApiKey: TEST_KEY,
    openaiUrl: server.url,
    dailyBudget: SETTINGS.dailyBudget.read("openai=100k tokens")!,
  };
  const ask = async (it: { url: string }) => {
    using client = await RawClient.hello(it.url);
    return JSON.parse(firstText(await client.call("chat", { prompt: "Hello?", model: "gpt-5" })));
  };
  {
    await using it = await testDaemon({ settings });
    const { metadata } = await ask(it);
    assertEquals(metadata.cost, { usd: 0.1125, basis: "list price of 2026-07-02" });
    assertStringIncludes(metadata.budget_warning, "openai has used 90,000 of 100,000 tokens");
    const { notes } = await (await fetch(`${it.http}health`)).json();
    assert(notes.some((note: string) => note.includes("90,000 of 100,000 tokens")), notes.join());
    const { calls } = await (await fetch(`${it.http}calls?tool=chat`)).json();
    const [{ input_tokens, output_tokens, cost_usd }] = calls;
    assertEquals([input_tokens, output_tokens, cost_usd], [90_000, 0, 0.1125]);
    const port = new URL(it.url).port;
    const loaded = loadSettings({ args: [`--home=${home.path}`, `--port=${port}`], env: { ENV_FILE: "" } });
    const table = (await runCommandAlone(callsCommand, [], loaded)).split("\n");
    assertMatch(table[0]!, /TOKENS +COST/);
    assertMatch(table.find((row) => row.includes(" chat "))!, / 90000 +\$0\.11 /);
  }
  await using it = await testDaemon({ settings });
  await ask(it);
  assertStringIncludes((await ask(it)).content, "openai has used 180,000 of 100,000 tokens");
  assertEquals(server.chats.length, 2);
});

Deno.test("consensus adds up what its answers cost, and names those without a price", async () => {
  const cost = { usd: 0.1, basis: "models.json" };
  const models = new FakeModels(({ model }) => ({ text: model, ...(model === "three" ? {} : { cost }) }));
  using tools = new TestTools({ models });
  const { answer } = await tools.call("consensus", {
    step: "Shall we?",
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    models: [{ model: "one" }, { model: "two" }, { model: "three" }],
  });
  assertEquals(answer.metadata.cost, { usd: 0.2, without_price: ["three"] });
});

Deno.test("a call that was answered with a handle shows what it cost once it has ended", async () => {
  const gate = Promise.withResolvers<void>();
  await using server = new OpenAiServer(after(gate.promise, used(1_000_000, 0)));
  await using it = await testDaemon({
    settings: { findLocal: false, openaiApiKey: TEST_KEY, openaiUrl: server.url, detachAfterMs: 50 },
  });
  using client = await RawClient.hello(it.url);
  const handle = firstText(await client.call("chat", { prompt: "Hello?", model: "gpt-5" }));
  assertStringIncludes(handle, "is still running");
  const recorded = async () => {
    const { calls } = await (await fetch(`${it.http}calls?tool=chat`)).json();
    return [calls.length, calls[0].input_tokens, calls[0].cost_usd];
  };
  assertEquals(await recorded(), [1, undefined, undefined]);
  gate.resolve();
  const [, id] = /"handle": "([^"]+)"/.exec(handle)!;
  const { metadata } = JSON.parse(firstText(await client.call("await_call", { handle: id! })));
  assertEquals(metadata.cost.usd, 1.25);
  assertEquals(await recorded(), [1, 1_000_000, 1.25]);
});

Deno.test("a price in models.json is a number for input and output, and a faulty one is told by its place", async () => {
  const price = { input: 1, cachedInput: 0.1, output: 2, long: { above: 200_000, input: 2, output: 3 } };
  await using dir = await tempDir({
    "models.json": JSON.stringify({
      models: [{ name: "a", price }, { name: "b", price: { input: 1 } }, { name: "c", price: -1 }],
    }),
  });
  await Deno.chmod(`${dir.path}/models.json`, 0o600);
  const file = await readModels(`${dir.path}/models.json`, {});
  assertEquals(file.models, [{ name: "a", price }]);
  assertEquals(file.faults.map(({ key, message }) => [key, message.includes("US dollars per million")]), [
    ["models[1].price.output", true],
    ["models[2].price", true],
  ]);
});

Deno.test("a raw completion says what it cost, and counts towards the budget", async () => {
  await using it = new SpendingRig(used(1_000_000, 0), { kinds: ["kimi"] });
  using tools = new TestTools({ models: it.models });
  const { answer } = await tools.call("kimi_chat_with_tools", {
    messages: [{ role: "user", content: "Hello?" }],
    model: "kimi-k2.6",
  });
  assertEquals((answer.metadata.cost as JsonObject).usd, 0.95);
  assertEquals(it.models.status()[0]!.spentToday, { inputTokens: 1_000_000, outputTokens: 0, usd: 0.95 });
});

Deno.test("what the client's own model used is in the record of the call, without a cost", async () => {
  await using it = new SpendingRig(used(1, 1), { kinds: [] });
  const trace: CallTrace = {};
  const caller = { ...makeCall("", {}).caller, capabilities: { sampling: {} } };
  const ask = () =>
    Promise.resolve({
      result: { role: "assistant", model: "lent", content: { type: "text", text: "Yes." } },
    });
  using tools = new TestTools({ models: it.models });
  const { answer } = await tools.call("chat", { prompt: "Hello?" }, { caller, ask, trace });
  assertEquals([answer.metadata.provider, answer.metadata.cost], ["client", undefined]);
  assert(trace.spent!.inputTokens > 10 && trace.spent!.usd === undefined);
});
