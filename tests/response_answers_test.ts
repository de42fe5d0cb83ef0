// What an answer of the Responses API means, however it comes and ends.
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ChatProgress, ChatRequest } from "../lib/provider/provider.ts";
import { hang, type Script } from "./fixtures/openai_server.ts";
import {
  breakOff,
  finalResponse,
  respond,
  type Responded,
  respondWhole,
  stream,
} from "./fixtures/response_events.ts";
import { rig } from "./helpers/provider_rig.ts";

async function answerOf(text: string, responded: Responded = {}, request: Partial<ChatRequest> = {}) {
  await using one = rig({ responses: [respond(text, responded)] });
  return await one.ask("gpt-5.2", request);
}

async function faultOf(...scripts: Script[]) {
  await using one = rig({ responses: scripts });
  const error = await assertRejects(() => one.ask("gpt-5.2"), ExaiError);
  return { fault: error.details?.fault, message: error.message, asked: one.server.responses.length };
}

const TOOLS = [{ name: "weather", description: "Tells the weather", parameters: { type: "object" } }];

Deno.test("an answer comes with its reasoning, usage and model", async () => {
  const result = await answerOf("Forty-two.", { reasoning: "Let me see.\n\nYes.", encrypted: "gAAA" });
  assertEquals([result.text, result.reasoning], ["Forty-two.", "Let me see.\n\nYes."]);
  assertEquals([result.finishReason, result.model, result.provider], ["stop", "gpt-5.2", "openai"]);
  assertEquals(result.usage, {
    inputTokens: 12,
    outputTokens: 9,
    cachedTokens: 4,
    reasoningTokens: 6,
  });
});

Deno.test("commentary on the way is no part of the answer, unless it is all there is", async () => {
  const both = await answerOf("Done.", { commentary: "I will look first." });
  assertEquals([both.text, both.reasoning], ["Done.", "I will look first."]);
  assertEquals((await answerOf("", { commentary: "That is all." })).text, "That is all.");
});

Deno.test("an incomplete answer is given as far as it goes, with the reason", async () => {
  const short = await answerOf("Half an", { status: "incomplete", reason: "max_output_tokens" });
  assertEquals([short.text, short.finishReason], ["Half an", "length"]);
  const filtered = await answerOf("Half an", { status: "incomplete", reason: "content_filter" });
  assertEquals(filtered.finishReason, "content_filter");
});

Deno.test("a model that only thought says so, and what to do", async () => {
  const { fault, message } = await faultOf(
    respond("", { encrypted: "gAAA", status: "incomplete", reason: "max_output_tokens" }),
  );
  assertEquals(fault, "empty");
  assertStringIncludes(message, "lower thinking_mode");
});

Deno.test("a refusal is shown as the answer", async () => {
  const { text, finishReason } = await answerOf("", { refusal: "I cannot help with that." });
  assertEquals([text, finishReason], ["I cannot help with that.", "content_filter"]);
});

Deno.test("a failed response is told apart by its code, and asked again only where nothing ran", async () => {
  const failed = (code: string, responded: Responded = {}) =>
    respond("", { status: "failed", error: { code, message: `because of ${code}` }, ...responded });
  await using one = rig({ responses: [failed("rate_limit_exceeded"), respond("Second.")] });
  assertEquals((await one.ask("gpt-5.2")).text, "Second.");
  const invalid = await faultOf(failed("invalid_prompt"));
  assertEquals([invalid.fault, invalid.asked], ["refused", 1]);
  assertStringIncludes(invalid.message, "because of invalid_prompt");
  for (const code of ["server_error", "something_new"]) {
    const { fault, asked, message } = await faultOf(failed(code));
    assertEquals([fault, asked], ["cut", 1], code);
    assertStringIncludes(message, `because of ${code}`);
  }
  const late = await faultOf(failed("rate_limit_exceeded", { encrypted: "gAAA" }), respond("No."));
  assertEquals([late.fault, late.asked], ["cut", 1], "it had begun to think");
});

Deno.test("an error event is read like a failed response", async () => {
  const error = (code: string) =>
    stream({ type: "error", code, message: `because of ${code}`, param: null, sequence_number: 1 });
  await using one = rig({ responses: [error("rate_limit_exceeded"), respond("Second.")] });
  assertEquals((await one.ask("gpt-5.2")).text, "Second.");
  assertEquals((await faultOf(error("server_error"))).fault, "cut");
});

Deno.test("a cancelled response and a broken connection are no answers, and are not asked again", async () => {
  const cancelled = await faultOf(respond("Half an", { status: "cancelled" }));
  assertEquals([cancelled.fault, cancelled.asked], ["cut", 1]);
  for (const script of [breakOff("Half an"), stream({ type: "response.created" })]) {
    const { fault, asked } = await faultOf(script);
    assertEquals([fault, asked], ["cut", 1]);
  }
});

Deno.test("a server that does not stream is understood, also where only the last event has the answer", async () => {
  const responded = { reasoning: "Hm.", cited: [{ url: "https://a.example/", title: "A" }] };
  for (
    const script of [
      respondWhole("Whole.", responded),
      stream({ type: "response.completed", response: finalResponse("Whole.", responded) }),
    ]
  ) {
    await using one = rig({ responses: [script] });
    const { text, reasoning, citations, finishReason } = await one.ask("gpt-5.2");
    assertEquals([text, reasoning, finishReason], ["Whole.", "Hm.", "stop"]);
    assertEquals(citations, [{ url: "https://a.example/", title: "A" }]);
  }
});

Deno.test("function calls stay apart when all events have the same index, and when their ids change", async () => {
  const call = (n: number, fields: JsonObject = {}) => ({
    type: "function_call",
    id: `fc_${n}`,
    call_id: `call_${n}`,
    name: "weather",
    arguments: `{"n":${n}}`,
    ...fields,
  });
  const completed = (output: JsonObject[]) => ({
    type: "response.completed",
    response: { object: "response", status: "completed", output },
  });
  const sameIndex = [1, 2].flatMap((n) => [
    { type: "response.output_item.added", output_index: 0, item: call(n, { arguments: "" }) },
    {
      type: "response.function_call_arguments.delta",
      output_index: 0,
      item_id: `fc_${n}`,
      delta: `{"n":${n}}`,
    },
    { type: "response.output_item.done", output_index: 0, item: call(n) },
  ]);
  const otherIds = [1, 2].flatMap((n) => [
    { type: "response.output_item.added", output_index: n, item: call(n, { id: `a${n}`, arguments: "" }) },
    {
      type: "response.function_call_arguments.delta",
      output_index: n,
      item_id: `b${n}`,
      delta: `{"n":${n}}`,
    },
    { type: "response.output_item.done", output_index: n, item: call(n, { id: `c${n}` }) },
  ]);
  for (const events of [sameIndex, otherIds]) {
    for (const output of [[], [call(1), call(2)]]) {
      await using one = rig({ responses: [stream(...events, completed(output))] });
      const { toolCalls } = await one.ask("gpt-5.2", { tools: TOOLS });
      assertEquals(toolCalls?.map(({ id, arguments: args }) => [id, args]), [
        ["call_1", '{"n":1}'],
        ["call_2", '{"n":2}'],
      ]);
    }
  }
});

Deno.test("events of kinds nobody knows, and heartbeats, are passed over", async () => {
  const unknown = [{ type: "keepalive" }, { type: "response.new_thing.delta", delta: "x" }, {}];
  await using one = rig({
    responses: [
      stream(...unknown, { type: "response.completed", response: finalResponse("Fine.") }),
    ],
  });
  assertEquals((await one.ask("gpt-5.2")).text, "Fine.");
});

Deno.test("progress tells thinking from answering", async () => {
  await using one = rig({ responses: [respond("Forty-two.", { reasoning: "Let me see." })] });
  const seen: ChatProgress["phase"][] = [];
  await one.ask("gpt-5.2", {}, { onProgress: ({ phase }) => seen.push(phase) });
  assertEquals([...new Set(seen)], ["queued", "sent", "thinking", "answering"]);
});

Deno.test("cancelling a call closes the connection to the Responses API", async () => {
  await using one = rig({ responses: [hang()] });
  const abort = new AbortController();
  const asked = one.ask("gpt-5.2", {}, {
    signal: abort.signal,
    onProgress: ({ phase }) => phase === "sent" && queueMicrotask(() => abort.abort()),
  });
  await assertRejects(() => asked);
  await Promise.all(one.server.responses.map(({ closed }) => closed));
});

Deno.test("an answer of the Responses API that never ends is stopped", async () => {
  const delta = "x".repeat(1_000_000);
  const flood = Array.from(
    { length: 9 },
    () => ({ type: "response.output_text.delta", output_index: 0, delta }),
  );
  assertEquals((await faultOf(stream(...flood))).fault, "too_large");
});

Deno.test("without its encrypted reasoning an answer is repeated without the ids that would ask for it", async () => {
  const calls = [{ id: "call_1", name: "weather", arguments: "{}" }];
  const items = async (encrypted: string | null) => {
    await using one = rig({ responses: [respond("", { reasoning: "Hm.", encrypted, calls })] });
    const { providerItems } = await one.ask("gpt-5.2", { tools: TOOLS });
    return providerItems?.items.map(({ type, id }) => [type, id]);
  };
  assertEquals(await items("gAAA"), [["reasoning", "rs_1"], ["function_call", "fc_0"]]);
  assertEquals(await items(null), [["function_call", undefined]]);
});

Deno.test("messages stay apart when all events have the same index, and end otherwise than they were streamed", async () => {
  const said = (id: string, text: string) => ({
    type: "message",
    id,
    role: "assistant",
    content: text === "" ? [] : [{ type: "output_text", text, annotations: [] }],
  });
  const events = ["One.", "Two."].flatMap((text, i) => [
    { type: "response.output_item.added", output_index: 0, item: said(`m${i}`, "") },
    { type: "response.output_text.delta", output_index: 0, item_id: `m${i}`, delta: text },
  ]);
  const call = { type: "function_call", id: "fc", call_id: "call_1", name: "weather", arguments: "{}" };
  const done = [...["One. ", "Two. "].map((text, i) => said(`m${i}`, text)), call];
  await using one = rig({
    responses: [stream(
      ...events,
      ...done.map((item) => ({ type: "response.output_item.done", output_index: 0, item })),
      { type: "response.completed", response: { object: "response", status: "completed", output: done } },
    )],
  });
  const { text, providerItems } = await one.ask("gpt-5.2", { tools: TOOLS });
  assertEquals(text, "One.\n\nTwo.");
  assertEquals(providerItems?.items.map(({ id }) => id), ["m0", "m1", "fc"]);
});
