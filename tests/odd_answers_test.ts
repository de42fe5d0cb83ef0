import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { SECOND_MS } from "../lib/base/units.ts";
import { parseAnalysis } from "../lib/tool/dialogue/analysis.ts";
import type { FaultKind } from "../lib/provider/provider.ts";
import { answer, raw, say, type Script } from "./fixtures/openai_server.ts";
import { investigationStep, TestTools } from "./helpers/exai_tools.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { rig } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

/** Events of the choice parts, and whether they end as they should. */
function chunks(choices: JsonObject[], end: string[] = ["[DONE]"]): Script {
  return raw(...choices.map((choice) => JSON.stringify({ choices: [choice] })), ...end);
}

const delta = (content: Json, finish_reason?: string): JsonObject => ({ delta: { content }, finish_reason });

/** What a caller of `chat` gets from a model whose server does as `script` says. */
async function chat(script: Script): Promise<{ content: string; facts: JsonObject; isError: boolean }> {
  await using one = rig({ scripts: [script] });
  using tools = new TestTools({ models: one.models });
  const { answer, isError } = await tools.call("chat", { prompt: "Hello?", model: MODEL });
  assertEquals(one.server.chats.length, 1, "what may have been billed is not asked again");
  return { content: String(answer.content), facts: answer.metadata, isError };
}

const warningsOf = ({ facts }: { facts: JsonObject }) =>
  (facts.warnings as string[] | undefined)?.join() ?? "";

Deno.test("an answer without the end of its stream is broken off, whatever it says of its end so far", async () => {
  for (const reason of ["", " ", undefined]) {
    const { content, isError, facts } = await chat(chunks([delta("Half an", reason)], []));
    assert(isError, content);
    assertStringIncludes(content, "broke off");
    assertEquals(facts.error_code, "OUTCOME_UNKNOWN");
    assertEquals(facts.partial_answer, "Half an", "what there is of it may have been paid for");
  }
});

Deno.test("what there is of a broken answer is in the metadata of every tool", async () => {
  await using one = rig({ scripts: [chunks([delta("Half an")], [])] });
  using tools = new TestTools({ models: one.models });
  const step = { ...investigationStep(1), next_step_required: false, model: MODEL };
  const { answer } = await tools.call("codereview", step);
  assertEquals(answer.metadata.partial_answer, "Half an");
  const models = [{ model: MODEL }];
  const { answer: opinions } = await tools.call("consensus", { ...step, model: undefined, models });
  const { responses } = opinions.content as { responses: JsonObject[] };
  assertEquals(responses[0]!.partial_answer, "Half an");
});

Deno.test("a stream that marks its end without a reason gives its text, with a warning", async () => {
  const ends: Script[] = [
    chunks([delta("Whole."), delta("", "")]),
    chunks([delta("Whole.")], [
      '{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
    ]),
    () =>
      new Response('data: {"choices":[{"delta":{"content":"Whole."}}]}\n\ndata:[DONE]\n\n', {
        headers: { "content-type": "text/event-stream" },
      }),
    answer(
      JSON.stringify({ choices: [{ message: { content: "Whole." }, finish_reason: null }] }),
      "text/plain",
    ),
    answer(
      '{"choices":[{"delta":{"content":"Who"}}]}\n{"choices":[{"delta":{"content":"le."}}]}\n',
      "x/ndjson",
    ),
  ];
  for (const script of ends) {
    const outcome = await chat(script);
    assertEquals([outcome.content, outcome.isError], ["Whole.", false]);
    assertStringIncludes(warningsOf(outcome), "no reason for the end");
  }
});

Deno.test("an answer that has ended is whole, however its connection ends", async () => {
  const whole = `data: ${JSON.stringify({ choices: [delta("Whole.", "stop")] })}\n\n`;
  const broken: Script = () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(whole)),
      pull: (controller) => controller.error(new Error("reset")),
    }, { highWaterMark: 0 });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const open: Script = () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(whole)),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  for (const script of [broken, open]) {
    // The time that a server has to end its connection after an answer; that for the answer is as ever.
    using _time = new HurriedTime((ms) => ms === 5 * SECOND_MS || ms === 30 * SECOND_MS);
    await using one = rig({ scripts: [script] });
    const { text, warnings } = await one.ask(MODEL);
    assertEquals([text, warnings], ["Whole.", undefined]);
  }
  const reasonWithEachPart = chunks([delta("Half", "stop"), delta(" an", "stop")], ["{"]);
  await using one = rig({ scripts: [reasonWithEachPart] });
  assertEquals((await assertRejects(() => one.ask(MODEL), ExaiError)).details?.fault, "cut");
});

Deno.test("finish reasons of every vendor mean what they mean there", async (test) => {
  const complete = ["stop", "end_turn", "eos_token", "STOP", "COMPLETE", "stop_sequence"];
  for (const reason of complete) {
    await test.step(reason, async () => {
      const { facts, content } = await chat(say("Whole.", { finishReason: reason }));
      assertEquals([content, facts.finish_reason, facts.warnings], ["Whole.", undefined, undefined]);
    });
  }
  const cutShort = {
    length: "length",
    MAX_TOKENS: "length",
    model_length: "length",
    sensitive: "content_filter",
  };
  for (
    const [reason, meaning] of Object.entries({
      ...cutShort,
      SAFETY: "content_filter",
      refusal: "content_filter",
    })
  ) {
    await test.step(reason, async () => {
      const outcome = await chat(say("Half.", { finishReason: reason }));
      assertEquals([outcome.content, outcome.facts.finish_reason], ["Half.", meaning]);
      assert(warningsOf(outcome) !== "", "it is said that the answer is not whole");
    });
  }
  for (
    const reason of [
      "error",
      "network_error",
      "insufficient_system_resource",
      "abort",
      "MALFORMED_FUNCTION_CALL",
    ]
  ) {
    await test.step(reason, async () => {
      const { isError, content } = await chat(say("Half", { finishReason: reason }));
      assert(isError && content.includes("broke off") && content.includes(reason), content);
    });
  }
  await test.step("a reason nobody knows", async () => {
    const outcome = await chat(say("Whole.", { finishReason: "sunset" }));
    assertEquals(outcome.content, "Whole.");
    assertStringIncludes(warningsOf(outcome), '"sunset"');
  });
});

Deno.test("an answer in parts is whole, and its thoughts are none of it", async (test) => {
  const cases: Record<string, JsonObject[]> = {
    "text parts": [delta([{ type: "text", text: "Forty" }, { type: "text", text: "-two." }], "stop")],
    "bare texts": [delta(["Forty", "-two."], "stop")],
    "thoughts of Mistral beside a reference": [
      delta([{ type: "thinking", thinking: [{ type: "text", text: "Hm." }] }]),
      delta([{ type: "reference", reference_ids: [1] }, { type: "text", text: "Forty-two." }], "stop"),
    ],
    "thoughts of gpt-oss": [
      delta([{ type: "reasoning", summary: [{ type: "summary_text", text: "Hm." }] }]),
      delta([{ type: "text", text: "Forty-two." }], "stop"),
    ],
    "one part": [delta({ type: "output_text", text: "Forty-two." }, "stop")],
    "a whole message": [{
      message: { content: [{ type: "text", text: "Forty-two." }] },
      finish_reason: "stop",
    }],
    "a message that repeats the stream": [
      delta("Forty"),
      delta("-two."),
      { message: { content: "Forty-two." }, finish_reason: "stop" },
    ],
    "the whole text so far each time": ["F", "Fort", "Forty-", "Forty-two", "Forty-two."].map((text) =>
      delta(text)
    )
      .concat(delta("", "stop")),
    "the form of plain completions": [{ text: "Forty-two.", finish_reason: "stop" }],
  };
  for (const [name, choices] of Object.entries(cases)) {
    await test.step(name, async () => assertEquals((await chat(chunks(choices))).content, "Forty-two."));
  }
  await test.step("an object, where JSON was asked for", async () => {
    assertEquals((await chat(chunks([delta({ verdict: "fine" }, "stop")]))).content, '{"verdict":"fine"}');
  });
});

Deno.test("thoughts that a server leaves in the text are cut from it", async (test) => {
  const cases: [string, string][] = [
    ["<think>Hm.</think>\n42.", "42."],
    ["Six by nine.\n</think>\n\n42.", "42."],
    ["Six by nine</think>42.", "42."],
    ["One.</think>Two.</think>42.", "42."],
    ["<thinking>a <thinking>b</thinking> c</thinking>42.", "42."],
    ["[THINK]Hm.[/THINK]42.", "42."],
    ["◁think▷Hm.◁/think▷42.", "42."],
    ["<seed:think>Hm.</seed:think>42.", "42."],
    ["Well.\n<think>\nHm.\n</think>\n42.", "Well.\n\n42."],
    [
      "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>42.<|return|>",
      "42.",
    ],
    ["42.<|im_end|>", "42."],
    // What speaks of the tags keeps them.
    ["Look for `</think>` in the text.", "Look for `</think>` in the text."],
    ['The tag is "</think>".', 'The tag is "</think>".'],
    ["So:\n```\n<think>\nx\n</think>\n```\nDone.", "So:\n```\n<think>\nx\n</think>\n```\nDone."],
    ["Use <think>draft</think> here.", "Use <think>draft</think> here."],
    ["An <think> alone in a line is text.", "An <think> alone in a line is text."],
  ];
  for (const [said, shown] of cases) {
    await test.step(said, async () => assertEquals((await chat(say(said))).content, shown));
  }
});

Deno.test("an answer full of tags or braces takes no longer than any other", async () => {
  const startedMs = performance.now();
  for (
    const part of [
      "<think>",
      "</think>",
      "`</think>",
      "<think></think>",
      " <|end|>",
      '{"a":"</think>',
      "\n```</think>",
    ]
  ) {
    const text = `${part.repeat(300_000 / part.length)} Done.`;
    await using one = rig({ scripts: [chunks([delta(text, "stop")])] });
    const { reasoning = "", text: shown } = await one.ask(MODEL);
    assert(shown.length + reasoning.length > 0);
    parseAnalysis(text);
  }
  assert(performance.now() - startedMs < 5000);
});

Deno.test("an analysis is found behind thoughts and prose with braces", async () => {
  const analysis = { verdict: "approve", summary: "fine" };
  await using one = rig({ scripts: [say(`Is it {x}?</think>Of {x} I say:\n${JSON.stringify(analysis)}`)] });
  using tools = new TestTools({ models: one.models });
  const step = { ...investigationStep(1), next_step_required: false, model: MODEL };
  const { expert_analysis } = await tools.content("codereview", step);
  assertEquals(expert_analysis, analysis);
});

Deno.test("an answer that a server takes for thoughts is given, with a warning; thoughts cut short are not", async () => {
  const given: Script[] = [
    say("", { reasoning: "All is well." }),
    chunks([{ delta: { reasoning: "All is well." }, finish_reason: "stop" }]),
    chunks([{ delta: { reasoning_details: [{ type: "reasoning.text", text: "All is well." }] } }]),
    say("<think>All is well."),
    say("All is well.</think>"),
  ];
  for (const script of given) {
    const outcome = await chat(script);
    assertEquals(outcome.content, "All is well.");
    assertStringIncludes(warningsOf(outcome), "thoughts");
  }
  const split = await chat(say("", { reasoning: "Hm.</think>All is well." }));
  assertEquals([split.content, split.facts.warnings], ["All is well.", undefined]);
  const short = await chat(say("", { reasoning: "Hm, let me", finishReason: "length" }));
  assert(short.isError && short.content.includes("thinking_mode"), short.content);
});

Deno.test("a refusal is shown as what it is", async () => {
  const refusals: Script[] = [
    chunks([{ delta: { refusal: "I will" } }, { delta: { refusal: " not." }, finish_reason: "stop" }]),
    chunks([{ message: { content: null, refusal: "I will not." }, finish_reason: "stop" }]),
    chunks([delta([{ type: "refusal", refusal: "I will not." }], "stop")]),
  ];
  for (const script of refusals) {
    const outcome = await chat(script);
    assertEquals([outcome.content, outcome.facts.finish_reason], ["I will not.", "content_filter"]);
    assertStringIncludes(warningsOf(outcome), "refused");
  }
});

Deno.test("errors in place of an answer are errors, in whatever shape they come", async (test) => {
  const cases: [string, Script, FaultKind, string][] = [
    ["a text", raw('{"error":"out of memory"}'), "cut", "out of memory"],
    [
      "within a choice",
      chunks([{ error: { code: 502, message: "upstream died" } }]),
      "outage",
      "upstream died",
    ],
    [
      "without a name",
      raw('{"object":"error","message":"no such adapter","code":404}'),
      "refused",
      "no such adapter",
    ],
    [
      "a type alone",
      raw('{"error":{"type":"invalid_request_error","message":"too long"}}'),
      "refused",
      "too long",
    ],
    [
      "a document",
      answer('{"error":{"message":"bad day","code":503}}', "application/json"),
      "outage",
      "bad day",
    ],
    [
      "a document of another kind",
      answer('{"detail":"Not Found"}', "application/json"),
      "refused",
      "Not Found",
    ],
  ];
  for (const [name, script, fault, words] of cases) {
    await test.step(name, async () => {
      await using one = rig({ scripts: [script], retry: { maxAttempts: 1 } });
      const error = await assertRejects(() => one.ask(MODEL), ExaiError);
      assertEquals(error.details?.fault, fault, error.message);
      assertStringIncludes(error.message, words);
    });
  }
});
