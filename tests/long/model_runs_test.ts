/** Whole runs as a user has them: the real daemon, the real shim, the SDK's own client, a provider. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import type { CreateMessageRequest } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";
import { after, fail, OpenAiServer, type Recorded, say } from "../fixtures/openai_server.ts";
import { assertDocumented } from "../helpers/documented_bodies.ts";
import { tempDir } from "../helpers/files.ts";
import { startDaemon } from "../helpers/program.ts";
import { SdkShim } from "../helpers/sdk_shim.ts";

/** No provider but what a test sets up, whatever keys the machine has. */
const NO_PROVIDER = {
  KIMI_API_KEY: "",
  MOONSHOT_API_KEY: "",
  GLM_API_KEY: "",
  ZHIPUAI_API_KEY: "",
  OPENAI_API_KEY: "",
  OPENROUTER_API_KEY: "",
  CUSTOM_API_URL: "",
  EXAI_FIND_LOCAL: "false",
};

/** A daemon that asks `provider` and nobody else: its model `m`, or those it lists. */
function daemonOf(provider: OpenAiServer, { home, model = "m" }: { home?: string; model?: string } = {}) {
  return startDaemon({ home, env: { ...NO_PROVIDER, CUSTOM_API_URL: provider.url, CUSTOM_MODEL: model } });
}

function prompt({ body }: Recorded): string {
  return (body.messages as JsonObject[]).map(({ role, content }) => `${role}: ${content}`).join("\n");
}

function step(number: number, more: JsonObject = {}): JsonObject {
  return {
    step: `Look at the parser, part ${number}.`,
    step_number: number,
    total_steps: 2,
    next_step_required: number === 1,
    findings: `found ${number}`,
    ...more,
  };
}

Deno.test("a code review goes from its first step to the expert's opinion, and on after a restart of the daemon", async () => {
  await using dir = await tempDir({ "parser.ts": "export const parse = eval;\n" });
  await using home = await tempDir({});
  const issue = { severity: "critical", title: "eval", file: "parser.ts", line: 1 };
  const review = { summary: "it runs what it reads", issues: [issue], files_needed: [] };
  const told = Promise.withResolvers<void>();
  const opinion = say("```json\n" + JSON.stringify(review) + "\n```");
  await using provider = new OpenAiServer(after(told.promise, opinion));
  let daemon = await daemonOf(provider, { home: home.path });
  await using shim = await SdkShim.open({ home: home.path, cwd: dir.path });
  try {
    const reported = { severity: "high", description: "parses with eval" };
    const first = await shim.call(
      "codereview",
      step(1, { relevant_files: ["parser.ts"], issues_found: [reported], review_type: "security" }),
    );
    assertEquals([first.isError, first.answer.status, provider.chats.length], [
      false,
      "pause_for_code_review",
      0,
    ]);
    const { next_call, state } = first.answer.content as { next_call: JsonObject; state: JsonObject };
    assertEquals(state.issues_by_severity, { high: [{ description: "parses with eval" }] });

    const args = { ...next_call.arguments as JsonObject, findings: "found 2", next_step_required: false };
    // The expert does not answer before its asking is told: the client hears how far a call is while it runs.
    const last = await shim.call("codereview", args, (message) => message === "asked m" && told.resolve());
    assertEquals([last.isError, last.answer.status], [false, "code_review_complete"]);
    const { completion, expert_analysis } = last.answer.content as JsonObject;
    assertEquals([completion, expert_analysis], ["expert", review]);
    const { model, provider: by, usage, shown } = last.answer.metadata;
    assertEquals([model, by, (usage as JsonObject).input_tokens, shown], ["m", "custom", 12, ["parser.ts"]]);
    const [asked] = provider.chats;
    assertDocumented("custom", asked!.body);
    for (const part of ["found 1", "found 2", "parses with eval", "parse = eval", "security"]) {
      assertStringIncludes(prompt(asked!), part);
    }

    const { continuation_id } = last.answer.continuation_offer!;
    await daemon[Symbol.asyncDispose]();
    daemon = await daemonOf(provider, { home: home.path });
    provider.script(say("Use a parser."));
    const { answer } = await shim.call("chat", { prompt: "What instead?", continuation_id });
    assertEquals([answer.content, answer.continuation_offer?.continuation_id], [
      "Use a parser.",
      continuation_id,
    ]);
    assertStringIncludes(prompt(provider.chats.at(-1)!), "it runs what it reads");
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
});

Deno.test("debugging goes through its steps, back and on again, survives a provider's failure, and ends", async () => {
  await using provider = new OpenAiServer(
    fail(400, { error: { message: "the model is being moved" } }),
    say('{"root_cause": "a race"}'),
  );
  await using daemon = await daemonOf(provider);
  await using shim = await SdkShim.open({ home: daemon.home });
  const { answer } = await shim.call("debug", step(1, { total_steps: 3, hypothesis: "a leak" }));
  assertEquals(answer.status, "pause_for_investigation");
  const { continuation_id } = answer.continuation_offer!;
  const wrong = step(2, {
    total_steps: 3,
    next_step_required: true,
    continuation_id,
    findings: "a dead end",
  });
  await shim.content("debug", wrong);
  const { steps_dropped } = await shim.content("debug", {
    ...wrong,
    findings: "two writers",
    hypothesis: "a race",
    backtrack_from_step: 2,
  });
  assertEquals(steps_dropped, 1);
  const end = step(3, { total_steps: 3, next_step_required: false, continuation_id, confidence: "high" });
  const failed = await shim.call("debug", end);
  const { completion, error, state, next_call } = failed.answer.content as JsonObject & {
    next_call: { tool: string; arguments: JsonObject };
  };
  assertEquals([failed.isError, failed.answer.status, completion], [true, "error", "error"]);
  assertStringIncludes(String(error), "the model is being moved");
  assertEquals((state as JsonObject).hypothesis, "a race");
  const again = await shim.call(next_call.tool, next_call.arguments);
  assertEquals([again.isError, again.answer.status], [false, "investigation_complete"]);
  assertEquals((again.answer.content as JsonObject).expert_analysis, { root_cause: "a race" });
  const text = prompt(provider.chats.at(-1)!);
  assertStringIncludes(text, "two writers");
  assert(!text.includes("a dead end"), "what was taken back is not told");
});

Deno.test("a consensus asks three models at once, blinded, and names the one that fails", async () => {
  const allTold = Promise.withResolvers<void>();
  const told = new Set<string>();
  await using provider = new OpenAiServer(async (request) => {
    // None answers before the client heard that all are asked: one after the other would never end.
    await allTold.promise;
    const { model } = request.body;
    if (model === "gamma") return await fail(401, { error: { message: "no such key" } })(request);
    return await say(`${model} says yes`)(request);
  });
  provider.models = ["alpha", "beta", "gamma"].map((id) => ({ id }));
  await using daemon = await daemonOf(provider, { model: "" });
  await using shim = await SdkShim.open({ home: daemon.home });
  const models = [
    { model: "alpha", stance: "for" },
    { model: "beta", stance: "against" },
    { model: "gamma", stance_prompt: "Think of the operators." },
  ];
  const proposal = { ...step(1, { findings: "I doubt it", models }), step: "Move to SQLite." };
  const { next_call } = await shim.content("consensus", proposal) as { next_call: JsonObject };
  assertEquals(provider.chats.length, 0);
  const { answer, isError } = await shim.call("consensus", next_call.arguments as JsonObject, (message) => {
    const [, model] = /^(\w+) \(\w+\): asked /.exec(message) ?? [];
    if (model !== undefined && told.add(model).size === models.length) allTold.resolve();
  });
  assertEquals([isError, answer.status], [false, "consensus_complete"]);
  const { responses, answered, failed } = answer.content as JsonObject & { responses: JsonObject[] };
  assertEquals([answered, failed], [2, 1]);
  assertEquals(responses.map(({ status, verdict }) => [status, verdict]), [
    ["success", "alpha says yes"],
    ["success", "beta says yes"],
    ["error", undefined],
  ]);
  assertStringIncludes(String(responses[2]!.error), "no such key");
  for (const chat of provider.chats) {
    assertDocumented("custom", chat.body);
    const text = prompt(chat);
    assertStringIncludes(text, "Move to SQLite.");
    for (const hidden of ["I doubt it", "says yes"]) assert(!text.includes(hidden), hidden);
    assertEquals(text.includes("Think of the operators."), chat.body.model === "gamma");
  }
});

Deno.test("with no key at all a chat is answered by the client's own model, within what the client allows", async () => {
  await using dir = await tempDir({ "a.ts": "const answer = 42;\n" });
  await using daemon = await startDaemon({ env: NO_PROVIDER });
  const asked: CreateMessageRequest["params"][] = [];
  await using shim = await SdkShim.open({
    home: daemon.home,
    cwd: dir.path,
    model: (params) => {
      asked.push(params);
      const content = { type: "text", text: `reply ${asked.length}` } as const;
      return { model: "the-window", role: "assistant", content, stopReason: "maxTokens" };
    },
  });
  const { answer, isError } = await shim.call("chat", { prompt: "How many?", files: ["a.ts"] });
  assertEquals([isError, answer.content], [false, "reply 1"]);
  const { model, provider, finish_reason, usage } = answer.metadata;
  assertEquals([model, provider, finish_reason], ["the-window", "client", "length"]);
  assertEquals((usage as JsonObject).estimated, true, "a client tells nothing of what was used");
  const [first] = asked;
  assert(first!.maxTokens > 0 && first!.maxTokens <= 8192, String(first!.maxTokens));
  assert(typeof first!.systemPrompt === "string" && first!.systemPrompt.length > 0);
  const forChat = { intelligencePriority: 0.6, speedPriority: 0.5 };
  assertEquals([first!.modelPreferences, first!.includeContext, first!.tools], [
    forChat,
    undefined,
    undefined,
  ]);
  assertStringIncludes(JSON.stringify(first!.messages), "const answer = 42;");

  const { continuation_id } = answer.continuation_offer!;
  await shim.call("chat", { prompt: "And then?", continuation_id });
  assertEquals(asked[1]!.messages.map(({ role }) => role), ["user", "assistant", "user"]);
  assertStringIncludes(JSON.stringify(asked[1]!.messages[1]), "reply 1");
  await shim.call("chat", { prompt: "And you?", continuation_id, model: "client/small" });
  assertEquals(asked[2]!.modelPreferences, { ...forChat, hints: [{ name: "small" }] });
  assertEquals(asked[2]!.messages.map(({ role }) => role), ["user"], "another model's words are not its own");
  assertStringIncludes(JSON.stringify(asked[2]!.messages), "client/client answered:");

  for (
    const [args, why] of [[{ use_websearch: true }, "use_websearch"], [{ thinking_mode: "max" }, "thinking"]]
  ) {
    const refused = await shim.call("chat", { prompt: "x", model: "client", ...args as JsonObject });
    assertEquals(refused.isError, true);
    assertStringIncludes(String(refused.answer.content), String(why));
  }
  assertEquals(asked.length, 3, "what the protocol has not is not asked for");
});

Deno.test("a client that refuses to lend its model is told what to do, and nothing is lost", async () => {
  await using daemon = await startDaemon({ env: NO_PROVIDER });
  const model = () => Promise.reject(new Error("the user said no"));
  await using shim = await SdkShim.open({ home: daemon.home, model });
  const { answer, isError } = await shim.call("chat", { prompt: "hello" });
  assertEquals(isError, true);
  assertStringIncludes(String(answer.content), "the user said no");
  assertStringIncludes(String(answer.content), "listmodels");
  const review = await shim.call("codereview", step(1, { next_step_required: false }));
  assertEquals([review.isError, (review.answer.content as JsonObject).completion], [true, "error"]);
});

Deno.test("with neither a key nor a client's model every tool that asks one says what would set one up", async () => {
  await using daemon = await startDaemon({ env: NO_PROVIDER });
  await using shim = await SdkShim.open({ home: daemon.home });
  for (
    const [name, args] of [["chat", { prompt: "hi" }], [
      "debug",
      step(1, { next_step_required: false }),
    ]] as const
  ) {
    const { answer, isError } = await shim.call(name, args);
    assertEquals(isError, true);
    const said = JSON.stringify(answer.content);
    for (const way of ["KIMI_API_KEY", "Ollama", "MCP sampling"]) assertStringIncludes(said, way);
  }
  // What needs no model works as ever.
  const certain = await shim.call("debug", step(1, { next_step_required: false, confidence: "certain" }));
  assertEquals([certain.isError, (certain.answer.content as JsonObject).completion], [false, "certain"]);
});
