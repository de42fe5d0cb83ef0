import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { HOUR_MS, MINUTE_MS } from "../lib/base/units.ts";
import { PROVIDER_NAMES } from "../lib/provider/provider_kinds.ts";
import type { ProviderStatus } from "../lib/provider/provider_status.ts";
import { filterLines } from "../lib/tool/line_filter.ts";
import { makeCall, TEST_HOST, TestTools } from "./helpers/exai_tools.ts";

const KIMI: ProviderStatus = {
  name: "kimi",
  available: true,
  abilities: { files: true, search: true, thinking: false, images: true },
  models: [{
    name: "kimi-large",
    aliases: ["kimi"],
    contextTokens: 131_072,
    abilities: { files: true, search: true, thinking: false, images: false },
  }],
};

async function text(tools: TestTools, name: string, args: JsonObject = {}): Promise<string> {
  const { answer, isError } = await tools.call(name, args);
  assertEquals([isError, answer.content_type], [false, "text"]);
  return String(answer.content);
}

Deno.test("version says in its first line what the program is, then what it speaks and how long it runs", async () => {
  const startedAtMs = Date.now() - 2 * HOUR_MS - 5 * MINUTE_MS;
  using tools = new TestTools({ host: { ...TEST_HOST, startedAtMs } });
  assertEquals((await text(tools, "version")).split("\n"), [
    "exai 1.2.3",
    "MCP revisions: 2025-11-25, 2025-06-18",
    "runtime: deno 2, pid 42",
    "uptime: 2 h 5 min",
    "providers: none set up; listmodels says how",
  ]);
  using young = new TestTools({ host: { ...TEST_HOST, startedAtMs: Date.now(), providers: () => [KIMI] } });
  assertMatch(await text(young, "version"), /uptime: \d+ s\nproviders: kimi$/);
});

Deno.test("health gives the daemon's report and as many errors as asked for", async () => {
  using tools = new TestTools();
  assertEquals(await tools.content("health", {}), {
    health: { status: "ok" },
    recent_errors: ["first fault", "second fault"],
  });
  assertEquals((await tools.content("health", { tail_lines: 1 })).recent_errors, ["second fault"]);
});

Deno.test("activity shows the latest calls, at most as many as asked for", async () => {
  using tools = new TestTools();
  const lines = (await text(tools, "activity", { lines: 10 })).split("\n");
  assertEquals([lines.length, lines.at(-1)], [10, "call 4999 of planner"]);
  assertEquals((await text(tools, "activity")).split("\n").length, 200);
  for (const lines of [9, 5001]) {
    assertEquals((await tools.call("activity", { lines })).isError, true);
  }
  using quiet = new TestTools({ host: { ...TEST_HOST, activity: () => [] } });
  assertStringIncludes(await text(quiet, "activity"), "no call");
});

Deno.test("activity's filter looks through everything kept, not only the lines shown", async () => {
  using tools = new TestTools();
  assertEquals(
    await text(tools, "activity", { filter: "call (7|42) " }),
    "call 7 of planner\ncall 42 of planner",
  );
  assertEquals((await text(tools, "activity", { filter: "planner", lines: 10 })).split("\n").length, 10);
  assertStringIncludes(await text(tools, "activity", { filter: "nothing" }), "none of the latest 5000");
});

Deno.test("a filter that is no pattern says what is wrong with it", async () => {
  using tools = new TestTools();
  for (const filter of ["(", "(?<=a)b", "(a)\\1", "x".repeat(201)]) {
    const { answer, isError } = await tools.call("activity", { filter });
    assertEquals(isError, true);
    assertStringIncludes(String(answer.content), "filter");
  }
});

Deno.test("no filter can hold up the daemon", async () => {
  const lines = Array.from({ length: 5000 }, () => "a".repeat(1900) + "!");
  const { signal } = new AbortController();
  // A backtracking engine needs 2^1900 steps for the first; the second takes its time in any engine.
  assertEquals(await filterLines(lines.slice(0, 3), "^(a+)+$", signal), []);
  await assertRejects(() => filterLines(lines, "(a?b?c?d?){900}$", signal), ExaiError, "repeats too much");
  const costly = "(a?b?c?d?e?f?g?h?){50}$";
  const controller = new AbortController();
  const filtering = filterLines(lines, costly, controller.signal);
  // Others have their turn while it runs: otherwise this timer could not fire before its end.
  setTimeout(() => controller.abort(), 0);
  await assertRejects(() => filtering);
  const error = await assertRejects(() => filterLines(lines, costly, signal), ExaiError, "too costly");
  assertEquals(error.code, "INVALID_PARAMS");
});

Deno.test("what others do while a filter runs is not its cost", async () => {
  const lines = Array.from({ length: 200 }, (_, n) => `call ${n} of planner`);
  const { now } = performance;
  let nowMs = 0;
  // A line takes a millisecond, and others half a second whenever they have their turn.
  performance.now = () => nowMs++;
  const others = setInterval(() => nowMs += 500, 0);
  try {
    const { signal } = new AbortController();
    assertEquals(await filterLines(lines, "call (7|42) ", signal), [
      "call 7 of planner",
      "call 42 of planner",
    ]);
  } finally {
    clearInterval(others);
    performance.now = now;
  }
  assertEquals(nowMs > 1000, true);
});

Deno.test("challenge gives the claim back word for word with what to do with it", async () => {
  using tools = new TestTools();
  const claim = 'the cache is "safe"\n— always';
  const { answer } = await tools.call("challenge", { prompt: claim });
  assertEquals(answer.status, "challenge_accepted");
  const { claim: given, instructions } = answer.content as JsonObject;
  assertEquals(given, claim);
  assertStringIncludes(String(instructions), "speaks against it");
  assertEquals((await tools.call("challenge", { prompt: "" })).isError, true);
  const { answer: refused } = await tools.call("challenge", { prompt: "x".repeat(60_001) });
  assertStringIncludes(String(refused.content), "at most 60000 characters");
});

Deno.test("without a provider, listmodels says so and which variable sets up each", async () => {
  using tools = new TestTools();
  const { summary, providers } = await tools.content("listmodels", {});
  assertStringIncludes(String(summary), "No provider is set up");
  assertStringIncludes(String((await tools.content("listmodels", { provider: "glm" })).summary), "No glm");
  const reasons = new Map((providers as JsonObject[]).map(({ name, reason }) => [name, String(reason)]));
  assertEquals([...reasons.keys()], [...PROVIDER_NAMES]);
  const variables = {
    kimi: ["KIMI_API_KEY", "MOONSHOT_API_KEY"],
    glm: ["GLM_API_KEY", "ZHIPUAI_API_KEY"],
    openrouter: ["OPENROUTER_API_KEY"],
    openai: ["OPENAI_API_KEY"],
    azure: ["AZURE_OPENAI_ENDPOINT"],
    xai: ["XAI_API_KEY"],
    custom: ["CUSTOM_API_URL"],
    client: ["sampling"],
  };
  for (const [name, words] of Object.entries(variables)) {
    for (const word of words) assertStringIncludes(reasons.get(name)!, word);
  }
  const one = await tools.content("listmodels", { provider: "glm" });
  assertEquals((one.providers as JsonObject[]).map(({ name }) => name), ["glm"]);
  const { answer } = await tools.call("listmodels", { provider: "acme" });
  assertStringIncludes(String(answer.content), "provider must be one of kimi, glm");
});

Deno.test("a provider that is set up is shown with its models and abilities", async () => {
  using tools = new TestTools({ host: { ...TEST_HOST, providers: () => [KIMI] } });
  const { providers } = await tools.content("listmodels", { provider: "kimi" });
  const [kimi] = providers as JsonObject[];
  assertEquals([kimi!.configured, kimi!.available, kimi!.reason], [true, true, undefined]);
  assertEquals((kimi!.models as JsonObject[])[0], {
    name: "kimi-large",
    aliases: ["kimi"],
    context_tokens: 131_072,
    abilities: { ...KIMI.models[0]!.abilities },
  });
  const capabilities = await tools.content("provider_capabilities", {});
  assertEquals(capabilities.configured, ["kimi"]);
  assertEquals((capabilities.providers as JsonObject[])[0]!.abilities, { ...KIMI.abilities });
});

Deno.test("an Ollama and servers of the user's own are shown under their names, among the custom ones", async () => {
  const own = ["ollama", "lab"].map((name): ProviderStatus => ({ ...KIMI, name, kind: "custom" }));
  using tools = new TestTools({ host: { ...TEST_HOST, providers: () => [...own, KIMI] } });
  const { summary, providers } = await tools.content("listmodels", { provider: "custom" });
  assertEquals(summary, "2 models of 2 providers.");
  assertEquals((providers as JsonObject[]).map(({ name, kind, available }) => [name, kind, available]), [
    ["ollama", "custom", true],
    ["lab", "custom", true],
  ]);
  const all = (await tools.content("provider_capabilities", {})) as { providers: JsonObject[] };
  assertEquals(all.providers.map(({ name, configured }) => `${name} ${configured}`), [
    "kimi true",
    "glm false",
    "openrouter false",
    "openai false",
    "azure false",
    "xai false",
    "gemini false",
    "anthropic false",
    "ollama true",
    "lab true",
    "client false",
  ]);
});

Deno.test("the client's own model is shown to a client that lends it, and to no other", async () => {
  using tools = new TestTools();
  const lending = { ...makeCall("", {}).caller, capabilities: { sampling: {} } };
  for (const [parts, configured] of [[{ caller: lending }, ["client"]], [{}, []]] as const) {
    const { answer } = await tools.call("provider_capabilities", {}, parts);
    assertEquals((answer.content as JsonObject).configured, [...configured]);
    const { answer: listed } = await tools.call("listmodels", { provider: "client" }, parts);
    const [client] = (listed.content as { providers: JsonObject[] }).providers;
    assertEquals([client!.available, (client!.models as unknown[]).length], [
      configured.length > 0,
      configured.length,
    ]);
  }
});

Deno.test("listmodels shows what the providers list themselves, not older than a minute", async () => {
  let known: ProviderStatus[] = [];
  const providersListed = (maxAgeMs: number) => {
    if (maxAgeMs <= MINUTE_MS) known = [KIMI];
    return Promise.resolve();
  };
  using tools = new TestTools({
    host: { ...TEST_HOST, providers: () => known, ensureProvidersFresh: providersListed },
  });
  const { summary } = await tools.content("listmodels", {});
  assertEquals(summary, "1 model of 1 provider.");
});

Deno.test("provider_capabilities lists tools and options as asked, and asks anew when told to", async () => {
  let refreshed = 0;
  const refreshProviders = () => {
    refreshed++;
    return Promise.resolve();
  };
  using tools = new TestTools({ host: { ...TEST_HOST, refreshProviders } });
  const plain = await tools.content("provider_capabilities", {});
  assertEquals((plain.tools as JsonObject[]).map(({ name }) => name), [...tools.server.toolNames]);
  assertEquals([plain.configured, refreshed], [[], 0]);
  const full = await tools.content("provider_capabilities", {
    include_tools: false,
    show_advanced: true,
    invalidate_cache: true,
  });
  assertEquals([full.tools, refreshed], [undefined, 1]);
  assert(JSON.stringify(full.providers).includes("KIMI_API_URL"));
  assert(!JSON.stringify(plain.providers).includes("KIMI_API_URL"));
});
