// A second opinion: a mock server that others wrote to be taken for the real providers.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, type Fixture } from "@copilotkit/aimock";
import { ExaiError } from "../lib/base/errors.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import type { ChatRequest } from "../lib/provider/provider.ts";

const MODELS = { gemini: "gemini-4-argon", anthropic: "claude-haiku-4-5" } as const;
type Kind = keyof typeof MODELS;
const KINDS = Object.keys(MODELS) as Kind[];

/** A mock that answers as `fixtures` say, and refuses what its strict mode knows to be wrong. */
async function start(fixtures: Fixture[]) {
  const mock = await createServer(fixtures, { port: 0, logLevel: "silent", strict: true });
  const routers = new DisposableStack();
  return {
    requests: () => mock.journal.getAll().length,
    asker(kind: Kind) {
      const setups = [{ kind, apiKey: "mock-key-1234", baseUrl: mock.url }];
      const models = routers.use(createModelRouter({ setups, retry: { initialDelayMs: 0 } }));
      return async (messages: ChatRequest["messages"] | string, request: Partial<ChatRequest> = {}) => {
        const route = await models.resolve({ requested: MODELS[kind], tool: "chat" });
        const all = typeof messages === "string" ? [{ role: "user" as const, content: messages }] : messages;
        const { signal } = new AbortController();
        return await models.chat(route, { messages: all, thinkingMode: "high", ...request }, { signal });
      };
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

Deno.test("a mock of others' making is understood by the native providers: text, thoughts, usage", async () => {
  const usage = { input_tokens: 7, output_tokens: 5, promptTokenCount: 7, candidatesTokenCount: 5 };
  const response = { content: "Hello from elsewhere.", reasoning: "A guest.", usage };
  await using mock = await start([{ match: { userMessage: "greet" }, response }]);
  for (const kind of KINDS) {
    const said = await mock.asker(kind)("please greet me");
    assertEquals([said.text, said.reasoning, said.finishReason], [
      "Hello from elsewhere.",
      "A guest.",
      "stop",
    ]);
    assertEquals([said.usage.inputTokens, said.usage.outputTokens], [7, 5], kind);
  }
});

Deno.test("a mock of others' making takes the results of the functions it calls, with the thoughts it signed", async () => {
  const toolCalls = [{ name: "weather", arguments: '{"city":"Oslo"}' }, {
    name: "weather",
    arguments: '{"city":"Rome"}',
  }];
  await using mock = await start([
    { match: { hasToolResult: true }, response: { content: "It rains." } },
    { match: { userMessage: "weather" }, response: { toolCalls, reasoning: "Where?" } },
  ]);
  for (const kind of KINDS) {
    const ask = mock.asker(kind);
    const tools = [{ name: "weather" }];
    const called = await ask("the weather", { tools });
    assertEquals(called.finishReason, "tool_calls");
    assertEquals(called.toolCalls?.map(({ arguments: args }) => JSON.parse(args).city), ["Oslo", "Rome"]);
    const said = await ask([
      { role: "user", content: "the weather" },
      { role: "assistant", content: "", toolCalls: called.toolCalls, providerItems: called.providerItems },
      ...called.toolCalls!.map(({ id }) => ({ role: "tool" as const, toolCallId: id, content: "Rain" })),
    ], { tools });
    assertEquals(said.text, "It rains.", kind);
  }
});

Deno.test("errors and cuts of a mock of others' making are told apart at the native providers", async () => {
  const error = (status: number, message: string) => ({ error: { message, type: "api_error" }, status });
  await using mock = await start([
    { match: { userMessage: "refuse" }, response: error(400, "bad words") },
    { match: { userMessage: "busy" }, response: error(503, "overloaded") },
    {
      match: { userMessage: "cut" },
      response: { content: "A long answer." },
      chunkSize: 4,
      truncateAfterChunks: 3,
    },
  ]);
  for (const kind of KINDS) {
    const ask = mock.asker(kind);
    const faultOf = async (content: string) => {
      const before = mock.requests();
      const failed = await assertRejects(() => ask(content), ExaiError);
      return { fault: failed.details?.fault, requests: mock.requests() - before, message: failed.message };
    };
    const refused = await faultOf("refuse");
    assert(refused.message.includes("bad words"), refused.message);
    assertEquals([refused.fault, refused.requests], ["refused", 1]);
    const busy = await faultOf("busy");
    assertEquals([busy.fault, busy.requests], ["outage", 3]);
    const cut = await faultOf("cut");
    assertEquals([cut.fault, cut.requests], ["cut", 1]);
  }
});
