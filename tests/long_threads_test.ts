import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import { fail, OpenAiServer, say } from "./fixtures/openai_server.ts";
import { investigationStep, TestTools } from "./helpers/exai_tools.ts";
import { type Asked, fakeModel, FakeModels, promptOf, textOf } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";
import { rig } from "./helpers/provider_rig.ts";

/** More than 1000 tokens. */
const LONG = Array.from({ length: 1000 }, (_, i) => `w${i % 10}`).join(" ").replaceAll(" ", "-");

/** Long answers, and summaries, of a model that is small, fast or neither. */
function smallModels(more: Parameters<typeof fakeModel>[1] = {}): FakeModels {
  let answers = 0;
  const models = new FakeModels((asked) =>
    isSummary(asked) ? "They settled on SQLite." : `answer ${++answers} ${LONG}`
  );
  models.models = [fakeModel("small", { contextTokens: 16_000, maxOutputTokens: 500, ...more })];
  return models;
}

function isSummary({ request }: Asked): boolean {
  return textOf(request.messages[0]!).startsWith("Summarise the beginning of a technical conversation");
}

/** Asks `count` questions in one thread; the answer to the last one. */
async function converse(tools: TestTools, count: number, more: JsonObject = {}) {
  let continuation_id: string | undefined;
  for (let number = 1;; number++) {
    const { answer, isError } = await tools.call("chat", {
      prompt: `question ${number}`,
      continuation_id,
      ...more,
    });
    assertEquals(isError, false, String(answer.content));
    continuation_id = answer.continuation_offer!.continuation_id;
    if (number === count) return { answer, continuation_id };
  }
}

Deno.test("a thread that outgrows a model's window goes on: the newest exchanges stay, the answer says how many are left out", async () => {
  const models = smallModels();
  using tools = new TestTools({ models });
  const { answer } = await converse(tools, 8);
  const { exchanges_left_out } = answer.metadata.thread as JsonObject;
  assert(Number(exchanges_left_out) >= 4, `${exchanges_left_out}`);
  const prompt = promptOf(models.asked.at(-1)!);
  assertStringIncludes(
    prompt,
    `[The ${exchanges_left_out} oldest exchanges of this conversation are left out`,
  );
  for (const part of ["question 7", "answer 7 ", "question 8"]) assertStringIncludes(prompt, part);
  assertEquals(prompt.includes("question 1\n"), false);
  assertEquals(models.asked.some(isSummary), false);
});

Deno.test("where a fast model of the same provider is there, it summarises what is left out, once for several questions", async () => {
  const models = smallModels({ class: "fast" });
  using tools = new TestTools({ models });
  const { answer, continuation_id } = await converse(tools, 8);
  assertEquals((answer.metadata.thread as JsonObject).summarised_by, "fake/small");
  const prompt = promptOf(models.asked.at(-1)!);
  assertStringIncludes(prompt, "are summarised by fake/small.]\nThey settled on SQLite.");
  const summaries = models.asked.filter(isSummary);
  assertEquals(summaries.length, 1);
  assertStringIncludes(promptOf(summaries[0]!), "question 1");
  assertStringIncludes(promptOf(summaries[0]!), "fake/small:\nanswer 1");
  const next = await tools.call("chat", { prompt: "question 5", continuation_id });
  assertEquals(next.isError, false);
  const later = models.asked.filter(isSummary).slice(1);
  for (const one of later) assertStringIncludes(promptOf(one), "They settled on SQLite.");
  assertEquals(later.some((one) => promptOf(one).includes("answer 1 ")), false);
});

Deno.test("a summary that fails does not fail the call", async () => {
  const models = new FakeModels((asked) => {
    if (isSummary(asked)) throw new Error("no");
    return LONG;
  });
  models.models = [fakeModel("small", { contextTokens: 16_000, maxOutputTokens: 500, class: "fast" })];
  using tools = new TestTools({ models });
  const { answer } = await converse(tools, 9);
  assertEquals((answer.metadata.thread as JsonObject).summarised_by, undefined);
});

Deno.test("files of an exchange that is left out are still in place", async () => {
  await using dir = await tempDir({ "a.ts": "alpha" });
  const models = smallModels();
  using tools = new TestTools({ models, cwd: dir.path });
  const first = await tools.call("chat", { prompt: "question 0", files: ["a.ts"] });
  let continuation_id = first.answer.continuation_offer!.continuation_id;
  for (let i = 1; i <= 6; i++) {
    const { answer } = await tools.call("chat", { prompt: `question ${i}`, continuation_id });
    continuation_id = answer.continuation_offer!.continuation_id;
  }
  const prompt = promptOf(models.asked.at(-1)!);
  assertEquals(prompt.includes("question 0"), false);
  assertStringIncludes(prompt, "alpha");
});

Deno.test("a thread that is full (MAX_CONVERSATION_TURNS) makes room, and says so", async () => {
  const models = new FakeModels(() => "an answer");
  using tools = new TestTools({ models, maxTurns: 4 });
  const { answer, continuation_id } = await converse(tools, 5);
  const { exchanges_left_out, why } = answer.metadata.thread as JsonObject;
  assertEquals([exchanges_left_out, why], [2, "the thread was full (MAX_CONVERSATION_TURNS)"]);
  // This question was asked with all of them; the next one is with a note.
  assertStringIncludes(promptOf(models.asked.at(-1)!), "question 1");
  await tools.call("chat", { prompt: "question 6", continuation_id });
  const prompt = promptOf(models.asked.at(-1)!);
  assertStringIncludes(prompt, "[The 2 oldest exchanges of this conversation are left out");
  assertEquals([prompt.includes("question 2"), prompt.includes("question 3")], [false, true]);
  for (let i = 7; i < 30; i++) {
    const { isError } = await tools.call("chat", { prompt: `question ${i}`, continuation_id });
    assertEquals(isError, false);
  }
  const { turns, thread } = await tools.threads.show(continuation_id);
  assert(turns.length <= 4 && thread.turns <= 4);
  assertStringIncludes(promptOf(models.asked.at(-1)!), "[The 2");
});

Deno.test("an answer says both what did not fit into the window and what the full thread lost", async () => {
  using tools = new TestTools({ models: smallModels(), maxTurns: 8 });
  const { answer } = await converse(tools, 9);
  const { exchanges_left_out, made_room } = answer.metadata.thread as JsonObject;
  assert(Number(exchanges_left_out) >= 4, `${exchanges_left_out}`);
  const { why } = made_room as JsonObject;
  assertEquals(why, "the thread was full (MAX_CONVERSATION_TURNS)");
});

Deno.test("a thread of one exchange goes on for ever", async () => {
  using tools = new TestTools({ maxTurns: 1 });
  await converse(tools, 4);
});

Deno.test("a full thread is summarised by a fast model of the provider that knows it", async () => {
  const models = new FakeModels((asked) => isSummary(asked) ? "They settled on SQLite." : "an answer");
  models.models = [fakeModel("one", { class: "fast" })];
  using tools = new TestTools({ models, maxTurns: 4 });
  const { continuation_id } = await converse(tools, 5);
  await tools.call("chat", { prompt: "question 6", continuation_id });
  assertStringIncludes(promptOf(models.asked.at(-1)!), "summarised by fake/one.]\nThey settled on SQLite.");
});

Deno.test("steps of an investigation that goes on are kept while a full thread makes room", async () => {
  const models = new FakeModels(() => "{}");
  using tools = new TestTools({ models, maxTurns: 5 });
  const { continuation_id } = await converse(tools, 3);
  for (const number of [1, 2, 3, 4]) {
    const args = investigationStep(number, {
      continuation_id,
      total_steps: 4,
      next_step_required: number < 4,
    });
    const { answer, isError } = await tools.call("debug", args);
    assertEquals(isError, false, JSON.stringify(answer.content));
  }
  assertEquals(models.asked.length, 4);
  const prompt = promptOf(models.asked.at(-1)!);
  for (const part of ["found 1", "found 2", "found 3", "found 4"]) assertStringIncludes(prompt, part);
});

Deno.test("chats that fill a thread do not push out the steps of an investigation in it", async () => {
  const models = new FakeModels(() => "{}");
  using tools = new TestTools({ models, maxTurns: 5 });
  const step = async (number: number, continuation_id?: string) => {
    const args = { continuation_id, total_steps: 3, next_step_required: number < 3 };
    const { answer, isError } = await tools.call("debug", investigationStep(number, args));
    assertEquals(isError, false, JSON.stringify(answer.content));
    return answer.continuation_offer!.continuation_id;
  };
  const continuation_id = await step(1);
  await step(2, continuation_id);
  for (let i = 1; i <= 8; i++) await tools.call("chat", { prompt: `question ${i}`, continuation_id });
  await step(3, continuation_id);
  const prompt = promptOf(models.asked.at(-1)!);
  for (const part of ["found 1", "found 2", "found 3", "question 8"]) assertStringIncludes(prompt, part);
});

Deno.test("of two models in a thread neither is given the other's words as its own, in chat and in codereview", async () => {
  await using dir = await tempDir({ "a.ts": "alpha" });
  await using one = rig({
    kind: "custom",
    scripts: [say("I am m, and say tabs.")],
    setup: { models: ["m", "n"] },
  });
  using tools = new TestTools({ models: one.models, cwd: dir.path });
  const { answer } = await tools.call("chat", { prompt: "tabs?", model: "m", files: ["a.ts"] });
  const { continuation_id } = answer.continuation_offer!;
  one.server.script(say("n says spaces."));
  await tools.call("chat", { prompt: "really?", model: "n", continuation_id });
  const asked = one.server.lastBody.messages as JsonObject[];
  assertEquals(asked.map(({ role }) => role), ["system", "user"]);
  assertStringIncludes(String(asked[0]!.content), "you are custom/n");
  const said = String(asked[1]!.content);
  assertStringIncludes(said, "[custom/m answered:]\nI am m, and say tabs.");
  assert(said.indexOf("alpha") < said.indexOf("tabs?") && said.indexOf("tabs?") < said.indexOf("really?"));
  // m is asked again: its own words are its own, n's are n's.
  one.server.script(say("{}"));
  const step = investigationStep(1, {
    total_steps: 1,
    next_step_required: false,
    model: "m",
    continuation_id,
  });
  const review = await tools.call("codereview", step);
  assertEquals(review.isError, false, JSON.stringify(review.answer.content));
  const turns = one.server.lastBody.messages as JsonObject[];
  assertEquals(turns.map(({ role }) => role), ["system", "user", "assistant", "user"]);
  assertEquals(turns[2]!.content, "I am m, and say tabs.");
  assertStringIncludes(String(turns[3]!.content), "[custom/n answered:]\nn says spaces.");
  assertStringIncludes(String(turns[1]!.content), "alpha");
});

Deno.test("a conversation of one model is sent as it was", async () => {
  await using one = rig({ kind: "custom", setup: { models: ["m"] } });
  using tools = new TestTools({ models: one.models });
  const { answer } = await tools.call("chat", { prompt: "one", model: "m" });
  await tools.call("chat", {
    prompt: "two",
    model: "m",
    continuation_id: answer.continuation_offer!.continuation_id,
  });
  const asked = one.server.lastBody.messages as JsonObject[];
  assertEquals(asked.map(({ role }) => role), ["system", "user", "assistant", "user"]);
  assertEquals(JSON.stringify(asked).includes("answered:"), false);
});

Deno.test("a thread too long for the named model is not refused, and auto takes a model with room for all of it", async () => {
  const models = new FakeModels(() => "word ".repeat(1500));
  using tools = new TestTools({ models });
  const { continuation_id } = await converse(tools, 2);
  models.models = [fakeModel("small", { contextTokens: 2000, maxOutputTokens: 500 })];
  const { isError, answer } = await tools.call("chat", { prompt: "q", continuation_id });
  assertEquals(isError, false);
  assertEquals((answer.metadata.thread as JsonObject).exchanges_left_out, 2);
});

Deno.test("a model that takes over from another mid-way has its own words as its own, and the other's under its name", async () => {
  await using a = new OpenAiServer(say("of a"));
  await using b = new OpenAiServer(say("of b"));
  using models = createModelRouter({
    setups: [
      { kind: "custom", name: "one", baseUrl: a.url, models: ["a"] },
      { kind: "custom", name: "two", baseUrl: b.url, models: ["b"] },
    ],
    retry: { maxAttempts: 1 },
  });
  using tools = new TestTools({ models });
  const { answer } = await tools.call("chat", { prompt: "to a", model: "a" });
  const { continuation_id } = answer.continuation_offer!;
  await tools.call("chat", { prompt: "to b", model: "b", continuation_id });
  a.script(fail(429, { error: { message: "busy" } }));
  const { isError } = await tools.call("chat", { prompt: "to any", model: "auto", continuation_id });
  assertEquals([isError, a.chats.length, b.chats.length], [false, 2, 2]);
  const turns = b.lastBody.messages as JsonObject[];
  assertEquals(turns.map(({ role }) => role), ["system", "user", "assistant", "user"]);
  assertEquals(String(turns[0]!.content).match(/you are (one|two)\/[ab]/g), ["you are two/b"]);
  assertStringIncludes(String(turns[1]!.content), "[one/a answered:]\nof a\n[end of the answer of one/a]");
  assertEquals(turns[2]!.content, "of b");
});
