import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { HOUR_MS } from "../lib/base/units.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { openThreads } from "./helpers/threads.ts";

const FLAGS = {
  document_complexity: true,
  document_flow: false,
  update_existing: true,
  comments_on_complex_logic: true,
};

function step(number: number, more: JsonObject = {}): JsonObject {
  return { step: `step ${number}`, step_number: number, total_steps: 3, next_step_required: true, ...more };
}

function trace(number: number, more: JsonObject = {}): JsonObject {
  const target = { trace_mode: "precision", target_description: "how main starts" };
  return step(number, { findings: `found ${number}`, ...target, ...more });
}

function document(done: number, total: number, more: JsonObject = {}): JsonObject {
  return step(1, {
    findings: "f",
    ...FLAGS,
    num_files_documented: done,
    total_files_to_document: total,
    ...more,
  });
}

async function begin(tools: TestTools, name: string, args: JsonObject): Promise<string> {
  const { answer } = await tools.call(name, args);
  return answer.continuation_offer!.continuation_id;
}

async function refusal(tools: TestTools, name: string, args: JsonObject): Promise<string> {
  const { answer, isError } = await tools.call(name, args);
  assertEquals(isError, true);
  return String(answer.content);
}

Deno.test("a step pauses with the state, what to do, and a next call that works as it is", async () => {
  using tools = new TestTools();
  const cases: [string, JsonObject, string][] = [
    ["planner", step(1), "pause_for_planning"],
    ["tracer", trace(1), "pause_for_tracing"],
    ["docgen", document(0, 2), "pause_for_documentation"],
  ];
  for (const [name, args, status] of cases) {
    const { answer } = await tools.call(name, args);
    assertEquals(answer.status, status);
    const { continuation_id, remaining_turns } = answer.continuation_offer!;
    assertEquals(remaining_turns, 49);
    const content = answer.content as JsonObject;
    assert((content.required_actions as string[]).length > 0);
    const next = content.next_call as JsonObject & { arguments: JsonObject };
    assertEquals([next.tool, next.arguments.continuation_id], [name, continuation_id]);
    assertEquals([next.arguments.step_number, next.arguments.next_step_required], [2, true]);
    const { answer: followed } = await tools.call(name, next.arguments);
    assertEquals([followed.status, followed.continuation_offer?.continuation_id], [status, continuation_id]);
    assertEquals((followed.content as JsonObject).steps_kept, [1, 2]);
  }
});

Deno.test("tracer keeps each file, name and issue once, and the latest confidence", async () => {
  using tools = new TestTools();
  const issue = { severity: "high", description: "leaks", file: "a.ts", line: 3 };
  const continuation_id = await begin(
    tools,
    "tracer",
    trace(1, {
      files_checked: ["a.ts", "b.ts"],
      relevant_files: ["a.ts"],
      issues_found: [issue],
      confidence: "low",
      hypothesis: "it is a",
    }),
  );
  const { state } = await tools.content(
    "tracer",
    trace(2, {
      continuation_id,
      files_checked: ["b.ts", "c.ts"],
      relevant_context: ["main()"],
      issues_found: [issue, { severity: "low", description: "named badly" }],
      confidence: "high",
    }),
  );
  assertEquals(JSON.parse(JSON.stringify(state)), {
    files_checked: ["a.ts", "b.ts", "c.ts"],
    relevant_files: ["a.ts"],
    relevant_context: ["main()"],
    issues_by_severity: {
      high: [{ description: "leaks", file: "a.ts", line: 3 }],
      low: [{ description: "named badly" }],
    },
    confidence: "high",
    hypothesis: "it is a",
  });
});

Deno.test("the last step of a trace gives every finding and how to present it", async () => {
  using tools = new TestTools();
  const mode = { trace_mode: "dependencies" };
  const continuation_id = await begin(tools, "tracer", trace(1, mode));
  const last = trace(2, { ...mode, continuation_id, next_step_required: false });
  const { answer } = await tools.call("tracer", last);
  assertEquals(answer.status, "tracing_complete");
  const content = answer.content as JsonObject;
  assertEquals([content.completion, content.next_step_required, content.next_call], [
    "local",
    false,
    undefined,
  ]);
  assertEquals((content.findings as JsonObject[]).map(({ findings }) => findings), ["found 1", "found 2"]);
  assertStringIncludes(String(content.presentation), "points at");
});

Deno.test("tracer asks which trace is wanted and keeps nothing until it knows", async () => {
  using tools = new TestTools();
  const { answer, isError } = await tools.call("tracer", trace(1, { trace_mode: "ask" }));
  assertEquals([answer.status, isError, answer.continuation_offer], ["mode_selection_required", false, null]);
  const { modes, next_call } = answer.content as { modes: JsonObject; next_call: { arguments: JsonObject } };
  assertEquals(Object.keys(modes), ["precision", "dependencies"]);
  assertEquals(await tools.threads.list(), []);
  assertEquals((await tools.call("tracer", next_call.arguments)).answer.status, "pause_for_tracing");
});

Deno.test("two investigations never see each other, in one window or two, one after the other or at once", async () => {
  using tools = new TestTools();
  const ids = await Promise.all(
    ["x.ts", "y.ts"].map((file) => begin(tools, "tracer", trace(1, { files_checked: [file] }))),
  );
  assert(ids[0] !== ids[1]);
  const states = await Promise.all(ids.map(async (continuation_id, i) => {
    const args = trace(2, { continuation_id, files_checked: [`${i}.ts`] });
    return (await tools.content("tracer", args)).state as JsonObject;
  }));
  assertEquals(states.map((state) => state.files_checked), [["x.ts", "0.ts"], ["y.ts", "1.ts"]]);
  const { state } = await tools.content("tracer", trace(1));
  assertEquals((state as JsonObject).files_checked, []);
  // Another tool on the same thread keeps its own account.
  const other = await tools.content("docgen", document(0, 1, { continuation_id: ids[0]! }));
  assertEquals((other.state as JsonObject).files_checked, []);
});

Deno.test("a step sent twice counts once", async () => {
  using tools = new TestTools();
  const continuation_id = await begin(tools, "tracer", trace(1));
  await tools.call("tracer", trace(2, { continuation_id, files_checked: ["a.ts"] }));
  const again = trace(2, { continuation_id, files_checked: ["b.ts"] });
  const replies = await Promise.all([tools.call("tracer", again), tools.call("tracer", again)]);
  for (const { answer } of replies) {
    const { state, steps_kept, step_replaced } = answer.content as JsonObject;
    assertEquals([steps_kept, step_replaced], [[1, 2], true]);
    assertEquals((state as JsonObject).files_checked, ["b.ts"]);
    assertEquals(answer.continuation_offer?.remaining_turns, 48);
  }
});

Deno.test("backtracking drops the step named and all later ones, of this thread only", async () => {
  using tools = new TestTools();
  const ids: string[] = [];
  for (let i = 0; i < 2; i++) {
    const continuation_id = await begin(tools, "tracer", trace(1, { files_checked: ["1.ts"] }));
    for (const number of [2, 3]) {
      await tools.call("tracer", trace(number, { continuation_id, files_checked: [`${number}.ts`] }));
    }
    ids.push(continuation_id);
  }
  const back = { continuation_id: ids[0]!, backtrack_from_step: 2, files_checked: ["better.ts"] };
  const after = await tools.content("tracer", trace(2, back));
  assertEquals([after.steps_dropped, after.steps_kept], [2, [1, 2]]);
  assertEquals((after.state as JsonObject).files_checked, ["1.ts", "better.ts"]);
  const other = await tools.content("tracer", trace(4, { continuation_id: ids[1]! }));
  assertEquals([other.steps_kept, other.steps_dropped], [[1, 2, 3, 4], undefined]);
});

Deno.test("a later step without its thread is refused with what to do", async () => {
  using tools = new TestTools();
  assertStringIncludes(await refusal(tools, "tracer", trace(2)), "continuation_id is missing");
  assertStringIncludes(await refusal(tools, "planner", step(1, { backtrack_from_step: 1 })), "backtrack");
  const lost = step(2, { continuation_id: "no such thread" });
  assertStringIncludes(await refusal(tools, "planner", lost), 'no thread "no such thread"');
});

Deno.test("an investigation goes on after a restart", async () => {
  const dir = await Deno.makeTempDir({ prefix: "exai-workflow-" });
  const open = () =>
    new TestTools({
      threads: openThreads({ path: join(dir, "exai.db"), timeoutMs: HOUR_MS, maxTurns: 50 }),
    });
  try {
    let continuation_id: string;
    {
      using tools = open();
      continuation_id = await begin(tools, "tracer", trace(1, { files_checked: ["a.ts"] }));
    }
    using tools = open();
    const { state } = await tools.content("tracer", trace(2, { continuation_id, files_checked: ["b.ts"] }));
    assertEquals((state as JsonObject).files_checked, ["a.ts", "b.ts"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a full thread says so before it refuses, and can still be ended", async () => {
  using tools = new TestTools({ maxTurns: 2 });
  const continuation_id = await begin(tools, "tracer", trace(1));
  const second = await tools.content("tracer", trace(2, { continuation_id }));
  assertStringIncludes(JSON.stringify(second.required_actions), "thread is full");
  assertStringIncludes(
    await refusal(tools, "tracer", trace(3, { continuation_id })),
    "MAX_CONVERSATION_TURNS",
  );
  const end = trace(2, { continuation_id, next_step_required: false });
  assertEquals((await tools.call("tracer", end)).answer.status, "tracing_complete");
});

Deno.test("new work on a finished thread starts clean", async () => {
  using tools = new TestTools();
  const continuation_id = await begin(tools, "tracer", trace(1, { next_step_required: false }));
  const anew = await tools.content(
    "tracer",
    trace(1, { continuation_id, step: "another", files_checked: ["n.ts"] }),
  );
  assertEquals([anew.steps_kept, (anew.state as JsonObject).files_checked], [[1], ["n.ts"]]);
});

Deno.test("planner ends with the whole plan: revisions in place, branches apart", async () => {
  using tools = new TestTools();
  const continuation_id = await begin(tools, "planner", step(1));
  const more = (number: number, fields: JsonObject) =>
    tools.content("planner", step(number, { continuation_id, ...fields }));
  await more(2, {});
  await more(3, { is_step_revision: true, revises_step_number: 2, step: "two, better" });
  await more(4, { is_step_revision: true, revises_step_number: 3, step: "two, best" });
  const branched = await more(3, { is_branch_point: true, branch_from_step: 2, branch_id: "b", step: "b 3" });
  const { next_call } = branched as { next_call: { arguments: JsonObject } };
  assertEquals(next_call.arguments.branch_id, "b");
  await more(4, { branch_id: "b", step: "b 4" });
  const { plan, completion } = await more(5, { next_step_required: false });
  assertEquals(completion, "local");
  assertEquals(JSON.parse(JSON.stringify(plan)), {
    steps: [
      { step_number: 1, step: "step 1" },
      { step_number: 2, step: "two, best", revised_in_step: 4 },
      { step_number: 5, step: "step 5" },
    ],
    branches: [{
      branch_id: "b",
      from_step: 2,
      steps: [{ step_number: 3, step: "b 3" }, { step_number: 4, step: "b 4" }],
    }],
  });
});

Deno.test("planner refuses revisions and branches of what is not there", async () => {
  using tools = new TestTools();
  const continuation_id = await begin(tools, "planner", step(1));
  const refuses = async (fields: JsonObject, word: string) => {
    assertStringIncludes(await refusal(tools, "planner", step(2, { continuation_id, ...fields })), word);
  };
  await refuses({ is_step_revision: true }, "revises_step_number is required");
  await refuses({ revises_step_number: 7 }, "no step of this plan (known: 1)");
  await refuses({ revises_step_number: 2 }, "just send it again");
  await refuses({ is_branch_point: true, branch_id: "b" }, "branch_from_step is required");
  await refuses({ is_branch_point: true, branch_from_step: 1 }, "branch_id is required");
  await refuses({ branch_from_step: 9, branch_id: "b" }, "branch_from_step is 9");
  await refuses({ branch_id: "b" }, "known: none yet");
  const gone = { backtrack_from_step: 1, revises_step_number: 1 };
  await refuses(gone, "known: none");
  assertEquals((await tools.threads.show(continuation_id)).turns.length, 1);
});

Deno.test("two steps that revise each other both stay in the plan", async () => {
  using tools = new TestTools();
  const continuation_id = await begin(tools, "planner", step(1));
  await tools.call("planner", step(2, { continuation_id, revises_step_number: 1 }));
  await tools.call("planner", step(1, { continuation_id, revises_step_number: 2 }));
  const { plan } = await tools.content("planner", step(3, { continuation_id, next_step_required: false }));
  assertEquals((plan as { steps: JsonObject[] }).steps.map(({ step_number }) => step_number), [1, 2, 3]);
});

Deno.test("a plan that needs more steps is not complete, and its estimate grows", async () => {
  using tools = new TestTools();
  const args = step(1, { total_steps: 1, next_step_required: false, more_steps_needed: true });
  const { answer } = await tools.call("planner", args);
  const { not_finished, total_steps, next_step_required } = answer.content as JsonObject;
  assertEquals([answer.status, total_steps, next_step_required], ["pause_for_planning", 2, true]);
  assertStringIncludes(String(not_finished), "more_steps_needed");
  const done = step(2, {
    total_steps: 1,
    next_step_required: false,
    continuation_id: answer.continuation_offer!.continuation_id,
  });
  const { answer: end } = await tools.call("planner", done);
  assertEquals([end.status, (end.content as JsonObject).total_steps], ["planning_complete", 2]);
});

Deno.test("a large plan is made to think before it goes into detail", async () => {
  using tools = new TestTools();
  const actions = async (total_steps: number) =>
    JSON.stringify((await tools.content("planner", step(1, { total_steps }))).required_actions);
  assertStringIncludes(await actions(6), "at least two ways");
  assert(!(await actions(3)).includes("at least two ways"));
});

Deno.test("docgen refuses to finish while files are undocumented, and keeps what was found", async () => {
  using tools = new TestTools();
  const done = { next_step_required: false };
  const { answer, isError } = await tools.call("docgen", document(1, 3, done));
  assertEquals([isError, answer.status], [false, "pause_for_documentation"]);
  const content = answer.content as JsonObject;
  assertStringIncludes(String(content.not_finished), "2 of 3 files are not documented yet");
  assertEquals(content.next_step_required, true);
  const { continuation_id } = answer.continuation_offer!;
  const rest = document(3, 3, { ...done, step_number: 2, continuation_id });
  const { answer: end } = await tools.call("docgen", rest);
  assertEquals(end.status, "documentation_complete");
  const { state, findings } = end.content as { state: JsonObject; findings: unknown[] };
  assertEquals([state.num_files_documented, state.total_files_to_document, findings.length], [3, 3, 2]);
  assertStringIncludes(await refusal(tools, "docgen", document(4, 3)), "num_files_documented is 4");
});

Deno.test("the tools that ask no model take the fields of those that do", async () => {
  using tools = new TestTools();
  const asked = {
    model: "any",
    temperature: 0.1,
    thinking_mode: "high",
    use_websearch: true,
    images: ["a.png"],
    use_assistant_model: true,
  };
  for (
    const [name, args] of [["planner", step(1)], ["tracer", trace(1)], ["docgen", document(0, 2)]] as const
  ) {
    const { isError, answer } = await tools.call(name, { ...args, ...asked });
    assertEquals([isError, answer.metadata.model], [false, undefined], JSON.stringify(answer.content));
  }
});

Deno.test("docgen asks for what its switches say and no more", async () => {
  using tools = new TestTools();
  const continuation_id = await begin(tools, "docgen", document(0, 2));
  const next = document(0, 2, { step_number: 2, continuation_id });
  const { required_actions, next_call } = await tools.content("docgen", next);
  const actions = JSON.stringify(required_actions);
  assertStringIncludes(actions, "0 of 2 are done");
  assertStringIncludes(actions, "time and space");
  assert(!actions.includes("what calls each function"));
  const { arguments: args } = next_call as { arguments: JsonObject };
  for (const [flag, value] of Object.entries(FLAGS)) assertEquals(args[flag], value);
});
