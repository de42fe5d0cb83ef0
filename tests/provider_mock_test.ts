// A second opinion: a mock server that others wrote to be taken for the real providers.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, type Fixture } from "@copilotkit/aimock";
import { ExaiError } from "../lib/base/errors.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import type { ModelRouter } from "../lib/provider/model_router.ts";

const { signal } = new AbortController();

/** A mock that answers as `fixtures` say, and what asks it. */
async function start(fixtures: Fixture[]) {
  const mock = await createServer(fixtures, { port: 0, logLevel: "silent" });
  const routers = new DisposableStack();
  return {
    requests: () =>
      mock.journal.getAll().filter(({ path }) => /\/(chat\/completions|responses)$/.test(path)).length,
    url: mock.url,
    models: (kind: Kind) => {
      const models = kind === "custom" ? [MODELS.custom] : undefined;
      const setups = [{ kind, apiKey: "mock-key-1234", baseUrl: `${mock.url}/v1`, models }];
      return routers.use(createModelRouter({ setups, retry: { initialDelayMs: 0 } }));
    },
    [Symbol.asyncDispose]: async () => {
      routers[Symbol.dispose]();
      const closed = new Promise((resolve) => mock.server.close(resolve));
      // Its own way to stop waits for connections that a client keeps for later.
      mock.server.closeAllConnections();
      await closed;
    },
  };
}

const MODELS = {
  kimi: "kimi-k2.6",
  glm: "glm-4.7",
  openrouter: "anthropic/claude-sonnet-4.5",
  openai: "gpt-5.2",
  custom: "qwen3-coder",
};

type Kind = keyof typeof MODELS;

async function ask(models: ModelRouter, content: string, tools?: { name: string }[]) {
  const requested = MODELS[models.status()[0]!.kind as Kind];
  const route = await models.resolve({ requested, tool: "chat" });
  return await models.chat(route, { messages: [{ role: "user", content }], tools }, { signal });
}

const GREETING: Fixture = {
  match: { userMessage: "greet" },
  // The mock counts tokens only in chat completions.
  response: { content: "Hello from elsewhere.", usage: { prompt_tokens: 9, completion_tokens: 3 } },
};

Deno.test("a mock of others' making is understood by every kind of provider: text, usage, tool calls", async () => {
  const toolCalls = [{ name: "weather", arguments: '{"city":"Oslo"}' }];
  await using mock = await start([GREETING, { match: { userMessage: "weather" }, response: { toolCalls } }]);
  for (const kind of Object.keys(MODELS) as Kind[]) {
    const router = mock.models(kind);
    const said = await ask(router, "please greet me");
    assertEquals([said.text, said.finishReason], ["Hello from elsewhere.", "stop"]);
    assert(said.usage.inputTokens > 0, kind);
    // GLM tells its usage without being asked, which the mock does not know of.
    assertEquals(said.usage.estimated ?? false, kind === "glm", `${kind}: stream_options was understood`);
    // What nobody described calls no functions, as far as is known.
    if (kind === "custom") continue;
    const called = await ask(router, "the weather", [{ name: "weather" }]);
    assertEquals(called.toolCalls?.map(({ name, arguments: args }) => [name, JSON.parse(args)]), [
      ["weather", { city: "Oslo" }],
    ]);
  }
});

Deno.test("errors of a mock of others' making are told apart", async () => {
  const error = (status: number, message: string) => ({ error: { message, type: "server_error" }, status });
  await using mock = await start([
    { match: { userMessage: "greet", sequenceIndex: 0 }, response: error(503, "overloaded") },
    GREETING,
    { match: { userMessage: "refuse" }, response: error(400, "bad") },
  ]);
  const router = mock.models("openai");
  assertEquals((await ask(router, "greet")).text, "Hello from elsewhere.");
  assertEquals(mock.requests(), 2);
  const refused = await assertRejects(() => ask(router, "refuse"), ExaiError);
  assertEquals([refused.details?.fault, refused.code], ["refused", "INVALID_PARAMS"]);
});

Deno.test("a stream that a mock of others' making cuts is not asked again", async () => {
  await using mock = await start([{ ...GREETING, chunkSize: 4, truncateAfterChunks: 3 }]);
  const cut = await assertRejects(() => ask(mock.models("openai"), "greet"), ExaiError);
  assertEquals([cut.details?.fault, mock.requests()], ["cut", 1]);
});

Deno.test("a mock of others' making answers through the Responses API: reasoning, search, calls in rounds", async () => {
  const toolCalls = [{ name: "weather", arguments: '{"city":"Oslo"}' }];
  await using mock = await start([
    { ...GREETING, response: { content: "Hello.", reasoning: "A greeting.", webSearches: ["greetings"] } },
    { match: { hasToolResult: true }, response: { content: "It rains." } },
    { match: { userMessage: "weather" }, response: { toolCalls } },
  ]);
  const router = mock.models("openai");
  const route = await router.resolve({ requested: "gpt-5-codex", tool: "chat" });
  const user = (content: string) => ({ role: "user" as const, content });
  const said = await router.chat(route, { messages: [user("greet")], webSearch: true }, { signal });
  assertEquals([said.text, said.reasoning, said.finishReason], ["Hello.", "A greeting.", "stop"]);

  const tools = [{ name: "weather" }];
  const first = await router.chat(route, { messages: [user("the weather")], tools }, { signal });
  const [call] = first.toolCalls!;
  assertEquals(first.providerItems?.items.map(({ type }) => type), ["reasoning", "function_call"]);
  const messages = [
    user("the weather"),
    { role: "assistant" as const, content: "", toolCalls: [call!], providerItems: first.providerItems },
    { role: "tool" as const, toolCallId: call!.id, content: "rain" },
  ];
  assertEquals((await router.chat(route, { messages, tools }, { signal })).text, "It rains.");
});
