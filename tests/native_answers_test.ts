import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ChatRequest } from "../lib/provider/provider.ts";
import { claudeEvents, sayClaude } from "./fixtures/anthropic_events.ts";
import { sayGemini } from "./fixtures/gemini_events.ts";
import type { NativeKind } from "./fixtures/native_server.ts";
import { answer, type Script } from "./fixtures/openai_server.ts";
import { nativeRig } from "./helpers/native_rig.ts";
import { QUESTION } from "./helpers/provider_rig.ts";

const MODELS: Readonly<Record<NativeKind, string>> = { gemini: "gemini-4-argon", anthropic: "claude-opus-5" };
const SAY = { gemini: sayGemini, anthropic: sayClaude };
const KINDS = Object.keys(MODELS) as NativeKind[];
const TOOLS = [{ name: "weather", description: "Weather", parameters: { type: "object", properties: {} } }];

async function answerOf(kind: NativeKind, script: Script, request: Partial<ChatRequest> = {}) {
  await using one = nativeRig(kind, { scripts: [script] });
  return await one.ask(MODELS[kind], request);
}

Deno.test("thoughts and text of a native model are told apart, and all its tokens are counted", async () => {
  const gemini = await answerOf(
    "gemini",
    sayGemini("Four.", {
      thoughts: "Two and two.",
      usage: {
        promptTokenCount: 100,
        toolUsePromptTokenCount: 20,
        candidatesTokenCount: 5,
        thoughtsTokenCount: 30,
        cachedContentTokenCount: 64,
      },
    }),
  );
  assertEquals([gemini.text, gemini.reasoning, gemini.finishReason], ["Four.", "Two and two.", "stop"]);
  assertEquals(gemini.usage, { inputTokens: 120, outputTokens: 35, cachedTokens: 64, reasoningTokens: 30 });
  const claude = await answerOf(
    "anthropic",
    sayClaude("Four.", {
      thoughts: "Two and two.",
      usage: { input_tokens: 10, cache_creation_input_tokens: 20, cache_read_input_tokens: 70 },
    }),
  );
  assertEquals([claude.text, claude.reasoning, claude.finishReason], ["Four.", "Two and two.", "stop"]);
  assertEquals(claude.usage, {
    inputTokens: 100,
    outputTokens: 3,
    cachedTokens: 70,
    reasoningTokens: undefined,
  });
});

Deno.test("a native model's thinking shows in the progress before its answer does", async () => {
  for (const kind of KINDS) {
    await using one = nativeRig(kind, { scripts: [SAY[kind]("Four.", { thoughts: "Two and two." })] });
    const phases = new Set<string>();
    await one.ask(MODELS[kind], {}, { onProgress: ({ phase }) => phases.add(phase) });
    assertEquals([...phases], ["queued", "sent", "thinking", "answering"], kind);
  }
});

Deno.test("the sources of a native model's web search come back as citations", async () => {
  const web = { uri: "https://deno.com/", title: "deno.com" };
  const groundingMetadata = {
    groundingChunks: [{ web }, { web }, { retrievedContext: {} }],
    webSearchQueries: ["deno"],
  };
  const gemini = await answerOf("gemini", sayGemini("Found.", { candidate: { groundingMetadata } }));
  assertEquals(gemini.citations, [{ url: "https://deno.com/", title: "deno.com" }]);
  const found = {
    type: "web_search_tool_result",
    tool_use_id: "srvtoolu_1",
    content: [
      { type: "web_search_result", url: "https://deno.com/", title: "Deno", encrypted_content: "x" },
      { type: "web_search_result", url: "https://other.example/", title: "Other", encrypted_content: "x" },
    ],
  };
  const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "deno" } };
  const citation = {
    type: "web_search_result_location",
    url: "https://deno.com/",
    title: "Deno",
    cited_text: "…",
  };
  const cited = { type: "text", text: " It is 2.9.", citations: [citation] };
  const before = [search, found];
  const claude = await answerOf("anthropic", sayClaude("Found.", { before, after: [cited] }));
  assertEquals(
    [claude.text, claude.toolCalls],
    ["Found. It is 2.9.", undefined],
    "its own search is no call",
  );
  assertEquals(claude.citations, [{ url: "https://deno.com/", title: "Deno" }]);
  const uncited = await answerOf("anthropic", sayClaude("Found.", { before }));
  assertEquals(uncited.citations?.map(({ url }) => url), ["https://deno.com/", "https://other.example/"]);
});

Deno.test("a turn that Claude pauses is carried on, and is one answer", async () => {
  const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "deno" } };
  await using one = nativeRig("anthropic", {
    scripts: [
      sayClaude("I look it up. ", { thoughts: "Search.", after: [search], stopReason: "pause_turn" }),
      sayClaude("Deno 2.9 is out."),
    ],
  });
  const phases: string[] = [];
  const result = await one.ask(MODELS.anthropic, { webSearch: true }, {
    onProgress: ({ phase }) => phases.push(phase),
  });
  assertEquals([result.text, result.reasoning], ["I look it up. Deno 2.9 is out.", "Search."]);
  assertEquals(result.usage.inputTokens, 24, "both requests are paid for");
  assert(phases.includes("searching"));
  const [, paused] = one.server.lastBody.messages as JsonObject[];
  assertEquals(paused, {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Search.", signature: "c2lnbmVk" },
      { type: "text", text: "I look it up. " },
      search,
    ],
  });
});

Deno.test("calls of functions come back whole, and the signed thoughts of a native model return with their results", async () => {
  const scripts: Record<NativeKind, Script> = {
    gemini: sayGemini("Let me see.", {
      thoughts: "Rain?",
      parts: [
        { functionCall: { name: "weather", args: { city: "Oslo" } }, thoughtSignature: "c2lnbmVk" },
        { functionCall: { name: "weather", args: { city: "Rome" } } },
      ],
    }),
    anthropic: sayClaude("Let me see.", {
      thoughts: "Rain?",
      before: [{ type: "redacted_thinking", data: "c2VjcmV0" }],
      after: [
        { type: "tool_use", id: "call_1", name: "weather", input: { city: "Oslo" } },
        { type: "tool_use", id: "call_2", name: "weather", input: { city: "Rome" } },
      ],
      stopReason: "tool_use",
    }),
  };
  for (const kind of KINDS) {
    await using one = nativeRig(kind, { scripts: [scripts[kind], SAY[kind]("Rain in Oslo.")] });
    const { toolCalls, providerItems, finishReason } = await one.ask(MODELS[kind], {
      tools: TOOLS,
      thinkingMode: "high",
    });
    assertEquals(toolCalls, [
      { id: "call_1", name: "weather", arguments: '{"city":"Oslo"}' },
      { id: "call_2", name: "weather", arguments: '{"city":"Rome"}' },
    ]);
    assertEquals(finishReason, "tool_calls");
    const messages: ChatRequest["messages"] = [
      ...QUESTION.messages,
      { role: "assistant", content: "Let me see.", toolCalls, providerItems },
      { role: "tool", toolCallId: "call_1", content: "Rain" },
      { role: "tool", toolCallId: "call_2", content: "Sun" },
    ];
    assertEquals(
      (await one.ask(MODELS[kind], { messages, tools: TOOLS, thinkingMode: "high" })).text,
      "Rain in Oslo.",
    );
    const body = one.server.lastBody;
    const turns = body.contents ?? body.messages;
    assertEquals((turns as JsonObject[]).map(({ role }) => role === "user"), [true, false, true]);
    const sent = JSON.stringify(turns);
    assert(sent.includes("c2lnbmVk"), sent);
    assertEquals(sent.includes("c2VjcmV0"), kind === "anthropic");
  }
});

Deno.test("calls of another model are sent back without its signatures, and are taken", async () => {
  const [call] = [{ id: "call_1", name: "weather", arguments: "not JSON" }];
  const items = [{ type: "thinking", signature: "foreign" }];
  const providerItems = { provider: "kimi", model: "kimi-k3", items };
  const messages: ChatRequest["messages"] = [
    ...QUESTION.messages,
    { role: "assistant", content: "", toolCalls: [call!], providerItems },
    { role: "tool", toolCallId: "call_1", content: "Rain" },
  ];
  for (const model of ["gemini-4-argon", "gemini-2.5-pro", "claude-opus-5", "claude-haiku-4-5"]) {
    await using one = nativeRig(model.startsWith("gemini") ? "gemini" : "anthropic");
    await one.ask(model, { messages, tools: TOOLS, thinkingMode: "high" });
    const sent = JSON.stringify(one.server.lastBody);
    assert(!sent.includes("foreign"), sent);
    assertEquals(sent.includes("skip_thought_signature_validator"), model === "gemini-4-argon", model);
    assertEquals(sent.includes("budget_tokens"), false, "a budget would want the thoughts of the call");
  }
});

Deno.test("why a native model stopped is told in the same words as of any other", async () => {
  const cases: [NativeKind, Script, string][] = [
    ["gemini", sayGemini("Half", { finishReason: "MAX_TOKENS" }), "length"],
    ["gemini", sayGemini("Half", { finishReason: "CONTINUATION" }), "length"],
    ["gemini", sayGemini("Half", { finishReason: "SAFETY" }), "content_filter"],
    ["gemini", sayGemini("Half", { finishReason: "RECITATION" }), "content_filter"],
    ["gemini", sayGemini("Whole", { finishReason: "A_REASON_TO_COME" }), "stop"],
    ["anthropic", sayClaude("Half", { stopReason: "max_tokens" }), "length"],
    ["anthropic", sayClaude("Half", { stopReason: "model_context_window_exceeded" }), "length"],
    ["anthropic", sayClaude("Half", { stopReason: "refusal" }), "content_filter"],
    ["anthropic", sayClaude("Whole", { stopReason: "a_reason_to_come" }), "stop"],
  ];
  for (const [kind, script, expected] of cases) {
    assertEquals((await answerOf(kind, script)).finishReason, expected);
  }
});

Deno.test("a server that knows no streams, and events without a name, are understood", async () => {
  const whole = {
    type: "message",
    model: "claude-opus-5",
    content: [{ type: "thinking", thinking: "Hm.", signature: "x" }, { type: "text", text: "All of it." }],
    stop_reason: "end_turn",
    usage: { input_tokens: 5, output_tokens: 7 },
  };
  const claude = await answerOf("anthropic", () => Response.json(whole));
  assertEquals([claude.text, claude.reasoning, claude.usage.outputTokens], ["All of it.", "Hm.", 7]);
  const nameless = claudeEvents("Hello there.", {}, "m").map((event) => `data: ${JSON.stringify(event)}\n\n`);
  const unnamed = await answerOf("anthropic", answer(nameless.join(""), "text/event-stream"));
  assertEquals(unnamed.text, "Hello there.");
  const candidates = [{ content: { parts: [{ text: "All of it." }] }, finishReason: "STOP" }];
  const gemini = await answerOf(
    "gemini",
    () => Response.json({ candidates, usageMetadata: { promptTokenCount: 5 } }),
  );
  assertEquals([gemini.text, gemini.usage.inputTokens], ["All of it.", 5]);
});
