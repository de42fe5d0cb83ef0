import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { FakeModels, promptOf } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";

function proposal(models: JsonObject[] | undefined, more: JsonObject = {}): JsonObject {
  return {
    step: "Shall we use SQLite?",
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    findings: "I think yes, secretly",
    models,
    ...more,
  };
}

const THREE = [{ model: "one", stance: "for" }, { model: "two", stance: "against" }, { model: "three" }];

Deno.test("all models are asked at once, none seeing the caller's view or another's answer", async () => {
  await using dir = await tempDir({ "schema.sql": "CREATE TABLE t (x)" });
  const together = Promise.withResolvers<void>();
  const models = new FakeModels(async ({ model }) => {
    if (models.asked.length === 3) together.resolve();
    // Nobody answers before everybody was asked: one after the other, this would never end.
    await together.promise;
    return `verdict of ${model}`;
  });
  using tools = new TestTools({ models, cwd: dir.path });
  const { answer, isError } = await tools.call(
    "consensus",
    proposal(THREE, { relevant_files: ["schema.sql"] }),
  );
  assertEquals([isError, answer.status], [false, "consensus_complete"]);
  const { responses, answered, failed, your_findings } = answer.content as
    & { responses: JsonObject[] }
    & JsonObject;
  assertEquals([answered, failed, your_findings], [3, 0, "I think yes, secretly"]);
  assertEquals(responses.map(({ model, stance, status, verdict }) => [model, stance, status, verdict]), [
    ["one", "for", "success", "verdict of one"],
    ["two", "against", "success", "verdict of two"],
    ["three", "neutral", "success", "verdict of three"],
  ]);
  for (const asked of models.asked) {
    const prompt = promptOf(asked);
    assertStringIncludes(prompt, "Shall we use SQLite?");
    assertStringIncludes(prompt, "CREATE TABLE");
    assert(!prompt.includes("secretly") && !prompt.includes("verdict of"));
  }
  const promptTo = (name: string) => promptOf(models.asked.find(({ model }) => model === name)!);
  assertStringIncludes(promptTo("one"), "best honest case for");
  assertStringIncludes(promptTo("two"), "best honest case against");
  assertEquals(answer.metadata.usage, { input_tokens: 30, output_tokens: 15 });
});

Deno.test("models may be named alone, also among entries with a stance or written as JSON", async () => {
  using tools = new TestTools({ models: new FakeModels() });
  for (
    const models of [["one", { model: "two", stance: "for" }, '{"model": "three"}'], "one", '["one", "two"]']
  ) {
    const { responses, answered } = await tools.content("consensus", { ...proposal([]), models }) as {
      responses: JsonObject[];
    } & JsonObject;
    const names = ["one", "two", "three"].slice(0, Number(answered));
    assertEquals(responses.map(({ model }) => model), names);
  }
});

Deno.test("one failure is one entry; if all fail the step can be repeated", async () => {
  let down = ["two"];
  const models = new FakeModels(({ model }) => {
    if (down.includes(model)) {
      throw new ExaiError("UPSTREAM_UNAVAILABLE", `${model} is out`, { retryAfterMs: 9 });
    }
    return "fine";
  });
  using tools = new TestTools({ models });
  const asked = proposal([...THREE, { model: "nobody" }]);
  const { responses, answered, failed } = await tools.content("consensus", asked) as {
    responses: JsonObject[];
  } & JsonObject;
  assertEquals([answered, failed], [2, 2]);
  assertEquals(responses.map(({ status }) => status), ["success", "error", "success", "error"]);
  assertEquals([responses[1]!.error, responses[1]!.error_code], ["two is out", "UPSTREAM_UNAVAILABLE"]);
  assertStringIncludes(String(responses[3]!.error), "there is no model nobody");
  down = ["one", "two", "three"];
  const { answer, isError } = await tools.call("consensus", proposal(THREE));
  assertEquals([isError, answer.status, answer.metadata.retry_after_ms], [true, "error", 9]);
  down = [];
  const { next_call } = answer.content as { next_call: { arguments: JsonObject } };
  assertEquals((await tools.call("consensus", next_call.arguments)).answer.status, "consensus_complete");
});

Deno.test("the same model from the same side is refused, also under another name, before anybody is asked", async () => {
  const models = new FakeModels();
  using tools = new TestTools({ models });
  for (const [first, second] of [["one", "one"], ["one", "ONE"], ["one", "one-alias"]]) {
    const { answer, isError } = await tools.call(
      "consensus",
      proposal([{ model: first! }, { model: second! }]),
    );
    assertEquals(isError, true);
    assertStringIncludes(String(answer.content), "stance neutral");
  }
  assertEquals(models.asked, []);
  const both = proposal([{ model: "one", stance: "for" }, { model: "one-alias", stance: "against" }]);
  assertEquals((await tools.content("consensus", both)).answered, 2);
});

Deno.test("a first step that others follow asks nobody, and its next call asks everybody", async () => {
  const models = new FakeModels();
  using tools = new TestTools({ models });
  const first = proposal(THREE, { next_step_required: true, total_steps: 4 });
  const { answer } = await tools.call("consensus", first);
  assertEquals([answer.status, models.asked.length], ["pause_for_consensus", 0]);
  const { next_call } = answer.content as { next_call: { arguments: JsonObject } };
  const { continuation_id } = answer.continuation_offer!;
  assertEquals([next_call.arguments.continuation_id, next_call.arguments.next_step_required], [
    continuation_id,
    false,
  ]);
  const end = await tools.content("consensus", next_call.arguments);
  assertEquals([end.answered, models.asked.length], [3, 3]);
  for (const asked of models.asked) assertStringIncludes(promptOf(asked), "Shall we use SQLite?");
});

Deno.test("the opinions are in the thread, for a chat to go on with", async () => {
  const models = new FakeModels(({ model }) => `opinion of ${model}`);
  using tools = new TestTools({ models });
  const { answer } = await tools.call("consensus", proposal(THREE));
  await tools.call("chat", { prompt: "so?", continuation_id: answer.continuation_offer!.continuation_id });
  const prompt = promptOf(models.asked.at(-1)!);
  for (const name of ["one", "two", "three"]) assertEquals(prompt.split(`opinion of ${name}`).length, 2);
});

Deno.test("each model's progress is told by its name", async () => {
  const messages: string[] = [];
  using tools = new TestTools({ models: new FakeModels() });
  const notify = (_method: string, { message }: JsonObject) => void messages.push(String(message));
  await tools.call("consensus", proposal(THREE), { notify, progressToken: 1 });
  for (const who of ["one (for)", "two (against)", "three (neutral)"]) {
    assert(messages.some((message) => message.startsWith(`${who} has answered (`)), who);
  }
  assert(messages.at(-1)!.endsWith("(3 of 3)"));
});

Deno.test("consensus without models, with too many, or with a stance there is not, says what is allowed", async () => {
  using tools = new TestTools();
  const refused = async (models: JsonObject[] | undefined, word: string) => {
    const { answer, isError } = await tools.call("consensus", proposal(models));
    assertEquals(isError, true);
    assertStringIncludes(String(answer.content), word);
  };
  await refused(undefined, "models is required in step 1");
  await refused([], "models must have at least 1 entry");
  await refused(Array.from({ length: 11 }, (_, i) => ({ model: `m${i}` })), "at most 10 entries");
  await refused([{ model: "one", stance: "maybe" }], "for, against, neutral");
  await refused([{ stance: "for" }], "models[0].model is required");
});
