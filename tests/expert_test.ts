import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { parseAnalysis } from "../lib/tool/dialogue/analysis.ts";
import { investigationStep, TestTools } from "./helpers/exai_tools.ts";
import { fakeModel, FakeModels, promptOf, textOf } from "./helpers/fake_models.ts";
import { git, tempDir } from "./helpers/files.ts";

const ANALYSIS = { summary: "it leaks", issues: [{ severity: "high", title: "leak" }], files_needed: [] };

const PAUSES: Record<string, string> = {
  debug: "pause_for_investigation",
  codereview: "pause_for_code_review",
  precommit: "pause_for_validation",
  secaudit: "pause_for_security_audit",
  testgen: "pause_for_test_analysis",
  refactor: "pause_for_refactoring_analysis",
  analyze: "pause_for_analysis",
  thinkdeep: "pause_for_thinkdeep",
};

function analyst(): FakeModels {
  return new FakeModels(() => JSON.stringify(ANALYSIS));
}

async function begin(tools: TestTools, name: string, args: JsonObject): Promise<string> {
  const { answer } = await tools.call(name, args);
  return answer.continuation_offer!.continuation_id;
}

Deno.test("an intermediate step asks no model, reads no file, and says how to go on", async () => {
  await using repository = await tempDir({ "a.ts": "A" });
  await git(repository.path, "init", "-q");
  const models = analyst();
  using tools = new TestTools({ models, cwd: repository.path });
  for (const [name, status] of Object.entries(PAUSES)) {
    const own: JsonObject = name === "precommit" ? { path: "." } : {};
    const first = investigationStep(1, { relevant_files: ["a.ts"], model: "two", ...own });
    const { answer } = await tools.call(name, first);
    assertEquals(answer.status, status, name);
    const { continuation_id } = answer.continuation_offer!;
    const { next_call, required_actions, state } = answer.content as JsonObject;
    assert((required_actions as string[]).length > 0);
    assertEquals((state as JsonObject).relevant_files, ["a.ts"]);
    const next = next_call as JsonObject & { arguments: JsonObject };
    assertEquals([next.tool, next.arguments.continuation_id], [name, continuation_id]);
    assertEquals([next.arguments.model, next.arguments.path], ["two", own.path]);
    assertEquals(models.asked, []);
    assert(!JSON.stringify(answer).includes('"A"'));
    const { answer: end } = await tools.call(name, { ...next.arguments, next_step_required: false });
    assertEquals([end.status, (end.content as JsonObject).completion], [
      status.replace("pause_for_", "") + "_complete",
      "expert",
    ]);
    assertEquals(models.asked.splice(0).length, 1);
  }
});

Deno.test("the last step gives a model the whole work and the files, and its answer back as an object", async () => {
  await using dir = await tempDir({ "a.ts": "line one\nline two\n", "b.ts": "B" });
  const models = analyst();
  using tools = new TestTools({ models, cwd: dir.path });
  const issue = { severity: "high", description: "leaks memory", line: 2 };
  const continuation_id = await begin(
    tools,
    "codereview",
    investigationStep(1, {
      relevant_files: ["a.ts"],
      issues_found: [issue],
      review_type: "security",
      severity_filter: "medium",
    }),
  );
  const last = investigationStep(2, {
    continuation_id,
    relevant_files: ["b.ts"],
    hypothesis: "no free()",
    confidence: "high",
  });
  const { answer, isError } = await tools.call("codereview", last);
  assertEquals([isError, answer.status], [false, "code_review_complete"]);
  const content = answer.content as JsonObject;
  assertEquals([content.completion, content.expert_analysis], ["expert", ANALYSIS]);
  assertStringIncludes(String(content.presentation), "disagree");
  assertEquals([answer.metadata.model, answer.metadata.prompt], ["one", "codereview@2"]);
  assertEquals((answer.metadata.shown as string[]).toSorted(), ["a.ts", "b.ts"]);
  const prompt = promptOf(models.asked[0]!);
  const parts = [
    "step 1",
    "found 1",
    "step 2",
    "found 2",
    "leaks memory",
    "no free()",
    "review_type: security",
    "medium",
  ];
  for (const part of parts) assertStringIncludes(prompt, part);
  assertStringIncludes(prompt, "--- BEGIN a.ts ---\n1| line one\n2| line two\n--- END a.ts ---");
  assertEquals(prompt.split("step 1\n").length, 2, "the task is said once");
  assertEquals(models.asked[0]!.request.temperature, 0.2);
});

Deno.test("however the last step ends, its status says that the work is complete or has failed", async () => {
  await using repository = await tempDir({ "a.ts": "A" });
  await git(repository.path, "init", "-q");
  const endings: Record<string, JsonObject> = {
    certain: { confidence: "certain" },
    local: { use_assistant_model: false },
    expert: {},
    error: { model: "broken" },
  };
  const models = new FakeModels(({ model }) => {
    if (model === "broken") throw new ExaiError("UPSTREAM_UNAVAILABLE", "the model is down");
    return JSON.stringify(ANALYSIS);
  });
  models.models.push(fakeModel("broken"));
  using tools = new TestTools({ models, cwd: repository.path });
  for (const [name, pause] of Object.entries(PAUSES)) {
    const own: JsonObject = name === "precommit" ? { path: "." } : { relevant_files: ["a.ts"] };
    for (const [completion, how] of Object.entries(endings)) {
      const last = investigationStep(1, { next_step_required: false, ...own, ...how });
      const { answer, isError } = await tools.call(name, last);
      assertEquals((answer.content as JsonObject).completion, completion, name);
      const failed = completion === "error";
      const status = failed ? "error" : pause.replace("pause_for_", "") + "_complete";
      assertEquals([answer.status, isError], [status, failed], name);
    }
  }
});

Deno.test("certain: no model is asked, and the answer says so", async () => {
  const models = analyst();
  using tools = new TestTools({ models });
  const continuation_id = await begin(tools, "debug", investigationStep(1));
  const { answer } = await tools.call(
    "debug",
    investigationStep(2, { continuation_id, confidence: "certain" }),
  );
  const { completion, note, findings, expert_analysis } = answer.content as JsonObject;
  assertEquals([answer.status, completion, expert_analysis], ["investigation_complete", "certain", null]);
  assertStringIncludes(String(note), "no expert model was asked");
  assertEquals((findings as JsonObject[]).map(({ findings }) => findings), ["found 1", "found 2"]);
  assertEquals([models.asked.length, answer.metadata.model], [0, undefined]);
});

Deno.test("without an assistant model, or with nothing to send, the work ends here", async () => {
  const models = analyst();
  using tools = new TestTools({ models });
  const alone = await tools.content(
    "debug",
    investigationStep(1, { next_step_required: false, use_assistant_model: false }),
  );
  assertEquals([alone.completion, models.asked.length], ["local", 0]);
  const empty = await tools.content(
    "debug",
    investigationStep(1, { next_step_required: false, findings: " " }),
  );
  assertEquals([empty.completion, models.asked.length], ["local", 0]);
});

Deno.test("a provider that fails loses nothing: the state is kept and the step can be repeated", async () => {
  let isDown = true;
  const models = new FakeModels(() => {
    if (!isDown) return JSON.stringify(ANALYSIS);
    throw new ExaiError("UPSTREAM_UNAVAILABLE", "fake is out of order", {
      retryAfterMs: 500,
      details: { fault: "outage" },
    });
  });
  using tools = new TestTools({ models });
  const continuation_id = await begin(tools, "debug", investigationStep(1, { files_checked: ["a.ts"] }));
  const { answer, isError } = await tools.call(
    "debug",
    investigationStep(2, { continuation_id, files_checked: ["b.ts"] }),
  );
  assertEquals([isError, answer.status, answer.metadata.error_code, answer.metadata.retry_after_ms], [
    true,
    "error",
    "UPSTREAM_UNAVAILABLE",
    500,
  ]);
  const { completion, error, state, next_call } = answer.content as JsonObject;
  assertEquals([completion, error], ["error", "fake is out of order"]);
  assertEquals((state as JsonObject).files_checked, ["a.ts", "b.ts"]);
  assertEquals(answer.continuation_offer!.continuation_id, continuation_id);
  isDown = false;
  const { arguments: again } = next_call as { arguments: JsonObject };
  const { answer: end } = await tools.call("debug", again);
  assertEquals((end.content as JsonObject).expert_analysis, ANALYSIS);
  assertEquals((end.content as JsonObject).steps_kept, [1, 2]);
});

Deno.test("a single step that fails can be repeated from what its answer offers", async () => {
  let calls = 0;
  const models = new FakeModels(() => {
    if (++calls === 1) throw new ExaiError("TIMEOUT", "slow");
    return JSON.stringify(ANALYSIS);
  });
  using tools = new TestTools({ models });
  const { answer } = await tools.call("analyze", investigationStep(1, { next_step_required: false }));
  const { next_call } = answer.content as { next_call: { arguments: JsonObject } };
  const { answer: end } = await tools.call("analyze", next_call.arguments);
  assertEquals([end.status, (end.content as JsonObject).steps_kept], ["analysis_complete", [1]]);
  assertEquals((await tools.threads.list()).length, 1);
});

Deno.test("cancelling the last step stops the model and keeps the steps", async () => {
  const begun = Promise.withResolvers<AbortSignal>();
  const models = new FakeModels(({ options }) => {
    begun.resolve(options.signal);
    return new Promise<string>(() => {});
  });
  using tools = new TestTools({ models });
  const continuation_id = await begin(tools, "debug", investigationStep(1));
  const controller = new AbortController();
  const call = tools.call("debug", investigationStep(2, { continuation_id }), { signal: controller.signal });
  const signal = await begun.promise;
  controller.abort();
  assertEquals((await assertRejects(() => call, ExaiError)).code, "CANCELLED");
  assertEquals(signal.aborted, true);
  assertEquals((await tools.threads.show(continuation_id)).turns.length, 2);
});

Deno.test("the expert's answer is in the thread once, and later questions build on it", async () => {
  const models = analyst();
  using tools = new TestTools({ models });
  const continuation_id = await begin(tools, "debug", investigationStep(1));
  await tools.call("debug", investigationStep(2, { continuation_id }));
  await tools.call("chat", { prompt: "and now?", continuation_id });
  const { messages } = models.asked.at(-1)!.request;
  assertEquals(messages.map(({ role }) => role), ["system", "user", "assistant", "user"]);
  assertStringIncludes(textOf(messages[1]!), "found 1");
  assertStringIncludes(textOf(messages[1]!), "found 2");
  assertStringIncludes(textOf(messages[2]!), "it leaks");
  // The other way round: what was said in a chat is known to the investigation that follows it.
  await tools.call("codereview", investigationStep(1, { continuation_id, next_step_required: false }));
  const prompt = promptOf(models.asked.at(-1)!);
  assertEquals(prompt.split("and now?").length, 2);
});

Deno.test("the second investigation starts clean, also on the thread of the first", async () => {
  const models = analyst();
  using tools = new TestTools({ models });
  const continuation_id = await begin(
    tools,
    "debug",
    investigationStep(1, { files_checked: ["old.ts"], hypothesis: "old idea" }),
  );
  await tools.call("debug", investigationStep(2, { continuation_id }));
  for (const thread of [{ continuation_id }, {}]) {
    const { state } = await tools.content(
      "debug",
      investigationStep(1, { step: "another fault", ...thread }),
    );
    assertEquals([(state as JsonObject).files_checked, (state as JsonObject).hypothesis], [[], undefined]);
  }
});

Deno.test("a file out of bounds is refused in the step that names it; one that is gone by the end is left out", async () => {
  await using dir = await tempDir({ "a.ts": "A", "b.ts": "B" });
  const models = analyst();
  using tools = new TestTools({ models, cwd: dir.path });
  const { answer, isError } = await tools.call(
    "debug",
    investigationStep(1, { relevant_files: ["/etc/passwd"] }),
  );
  assertEquals([isError, answer.metadata.error_code], [true, "FORBIDDEN"]);
  assertEquals(await tools.threads.list(), []);
  const continuation_id = await begin(
    tools,
    "debug",
    investigationStep(1, { relevant_files: ["a.ts", "b.ts", "later.ts"] }),
  );
  await Deno.remove(`${dir.path}/b.ts`);
  const { answer: end } = await tools.call("debug", investigationStep(2, { continuation_id }));
  assertEquals(end.metadata.shown, ["a.ts"]);
  const missing = (end.metadata.not_shown as JsonObject[]).map(({ name }) => String(name));
  assertEquals(missing.map((name) => name.split("/").at(-1)), ["b.ts", "later.ts"]);
  const named = await tools.call(
    "debug",
    investigationStep(1, { next_step_required: false, relevant_files: ["gone.ts"] }),
  );
  assertEquals(named.isError, false);
  assertStringIncludes(JSON.stringify(named.answer.metadata.not_shown), "there is no file");
});

Deno.test("files the expert lacks are asked for", async () => {
  const models = new FakeModels(() => JSON.stringify({ summary: "s", files_needed: ["lib/x.ts"] }));
  using tools = new TestTools({ models });
  const { files_needed } = await tools.content("debug", investigationStep(1, { next_step_required: false }));
  assertEquals((files_needed as JsonObject).files, ["lib/x.ts"]);
});

Deno.test("testgen needs the code it is to test", async () => {
  using tools = new TestTools();
  const { answer, isError } = await tools.call("testgen", investigationStep(1));
  assertEquals(isError, true);
  assertStringIncludes(String(answer.content), "relevant_files is required in step 1");
});

Deno.test("thinkdeep thinks hard where the model can; where it cannot, the answer says that it did not", async () => {
  const models = analyst();
  using tools = new TestTools({ models });
  const last = investigationStep(1, { next_step_required: false });
  await tools.call("thinkdeep", last);
  assertEquals([models.asked[0]!.request.thinkingMode, models.asked[0]!.request.temperature], ["high", 0.7]);
  models.models = models.models.map((model) => ({
    ...model,
    abilities: { ...model.abilities, thinking: false },
  }));
  const { answer } = await tools.call("thinkdeep", last);
  assertEquals(models.asked[1]!.request.thinkingMode, undefined);
  assertStringIncludes(String(answer.metadata.default_left_out), "one has no thinking to steer");
});

Deno.test("images named in a step go to the expert, and their data is not kept", async () => {
  await using dir = await tempDir({ "a.png": Uint8Array.from([0x89, 0x50, 0x4e, 0x47]) });
  const models = analyst();
  using tools = new TestTools({ models, cwd: dir.path });
  const data = `data:image/png;base64,${"A".repeat(1000)}`;
  const continuation_id = await begin(tools, "debug", investigationStep(1, { images: ["a.png"] }));
  await tools.call("debug", investigationStep(2, { continuation_id }));
  const images = () =>
    (models.asked.at(-1)!.request.messages.at(-1)!.content as readonly { type: string }[])
      .filter(({ type }) => type === "image").length;
  assertEquals(images(), 1);
  await tools.call("debug", investigationStep(2, { continuation_id, images: ["a.png", data] }));
  assertEquals(images(), 2);
  assert(!JSON.stringify((await tools.threads.show(continuation_id)).turns).includes("AAAA"));
});

Deno.test("an analysis is found in its answer, whatever stands around it", () => {
  const analysis = { a: { b: "}" } };
  const json = JSON.stringify(analysis);
  for (const answer of [json, `\`\`\`json\n${json}\n\`\`\``, `Here it is:\n${json}\nDone.`, ` ${json}\n`]) {
    assertEquals(parseAnalysis(answer), analysis);
  }
  const prose = [
    `Of {x} and { y: 1 } I say ${json}`,
    `Use {"name} as a key. ${json}`,
    `{"a": {"b": "draft"}}\nNo:\n${json}`,
  ];
  for (
    const answer of [
      ...prose,
      `[${json}]`,
      JSON.stringify(json),
      '{"a": {"b": "}",},}',
      '{ // a {\n"a": /* } */ {"b": "}", // c\n}}',
    ]
  ) {
    assertEquals(parseAnalysis(answer), analysis, answer);
  }
  assertEquals(parseAnalysis('So: {\'a\': 1} {"a": True, "b": [None, False]}'), {
    a: true,
    b: [null, false],
  });
  const format = '{\n  "summary": "…",\n  "issues": [{"title": "…"}]\n}';
  const fits = { summary: "fine", issues: [{ title: "none" }] };
  const example = `${JSON.stringify(fits)}\nSend it as {"title": "none"}.`;
  assertEquals(parseAnalysis(example, format), fits, "an example after it does not fit");
  const cut = '{"summary": "fine", "issues": [{"title": "a"}, {"tit';
  assertEquals(parseAnalysis(cut, format), { text: cut }, "a part of an object that was cut is none");
  for (const answer of ["no JSON at all", "[1]", "{ not: json }", ""]) {
    assertEquals(parseAnalysis(answer), { text: answer });
  }
});
