import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import * as z from "zod";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { defineTool, type OptionalToolOutput, type ToolContext } from "../lib/tool/tool.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";

const input = z.object({
  text: z.string().max(10).optional(),
  mode: z.enum(["fast", "slow"]).optional(),
  count: z.int().min(1).max(5).default(2),
  tags: z.array(z.object({ name: z.string() })).optional(),
});

type Run = (
  args: z.output<typeof input>,
  context: ToolContext,
) => OptionalToolOutput | Promise<OptionalToolOutput>;

function toolsWith(run: Run): TestTools {
  const odd = defineTool({ name: "odd", title: "Odd", description: "d", input, annotations: {}, run });
  return new TestTools({ tools: [odd] });
}

Deno.test("an answer is one text block of JSON and the same object as structured content", async () => {
  const usage = { input_tokens: 3 };
  using tools = toolsWith(() => ({
    status: "good",
    content: "# yes",
    contentType: "markdown",
    model: "m",
    provider: "p",
    usage,
    continuation: { continuation_id: "c", remaining_turns: 3 },
  }));
  const { result, answer } = await tools.call("odd", {});
  assertEquals(result.content.map((block) => block.type), ["text"]);
  assertEquals(JSON.parse(JSON.stringify(result.structuredContent)), answer);
  const { duration_ms, ...metadata } = answer.metadata;
  assert(Number.isInteger(duration_ms) && duration_ms >= 0);
  assertEquals({ ...answer, metadata }, {
    status: "good",
    content: "# yes",
    content_type: "markdown",
    metadata: { tool: "odd", model: "m", provider: "p", usage },
    continuation_offer: { continuation_id: "c", remaining_turns: 3 },
  });
});

Deno.test("a tool that asks no model says nothing of models", async () => {
  using tools = toolsWith(() => ({ content: { n: 1 } }));
  const { answer } = await tools.call("odd");
  assertEquals(Object.keys(answer.metadata), ["tool", "duration_ms"]);
  assertEquals([answer.content_type, answer.continuation_offer], ["json", null]);
});

Deno.test("a tool that returns nothing still gives a well-formed answer", async () => {
  for (const nothing of [() => undefined, () => {}, () => Promise.resolve(), () => null as never]) {
    using tools = toolsWith(nothing);
    const { answer, isError } = await tools.call("odd", {});
    assertEquals([answer.status, answer.content_type, isError], ["success", "text", false]);
    assert(answer.content !== "");
  }
});

Deno.test("a tool that throws gives an error the model can act on, and the next call works", async () => {
  const thrown: unknown[] = [new Error("it broke"), "it broke", new TypeError("it broke")];
  let later = false;
  using tools = toolsWith(() => {
    if (thrown.length === 0) return { content: "fine" };
    const one = thrown.pop();
    later = !later;
    if (later) return Promise.reject(one);
    throw one;
  });
  for (let i = 0; i < 3; i++) {
    const { answer, isError, result } = await tools.call("odd", {});
    assertEquals([isError, answer.status, answer.metadata.error_code], [true, "error", "INTERNAL"]);
    assertStringIncludes(String(answer.content), "odd failed: it broke");
    assertStringIncludes(String(answer.content), "try once more");
    assertEquals(JSON.parse(JSON.stringify(result.structuredContent)), answer);
  }
  assertEquals((await tools.call("odd", {})).isError, false);
});

Deno.test("a tool's own refusal reaches the model as it is, with when to try again", async () => {
  using tools = toolsWith(() => {
    throw new ExaiError("OVER_CAPACITY", "wait a little", { retryAfterMs: 50 });
  });
  const { answer } = await tools.call("odd", {});
  assertEquals(answer.content, "wait a little");
  assertEquals([answer.metadata.error_code, answer.metadata.retry_after_ms], ["OVER_CAPACITY", 50]);
});

Deno.test("an answer that is no JSON is an error of the tool", async () => {
  const loop: JsonObject = {};
  loop.self = loop;
  using tools = toolsWith(() => ({ content: loop }));
  const { answer, isError } = await tools.call("odd", {});
  assertEquals([isError, answer.status], [true, "error"]);
});

Deno.test("aborting a call frees its caller although the tool hangs", async () => {
  using tools = toolsWith(() => new Promise<never>(() => {}));
  const controller = new AbortController();
  const call = tools.call("odd", {}, { signal: controller.signal });
  controller.abort(new ExaiError("TIMEOUT", "took too long"));
  const error = await assertRejects(() => call, ExaiError, "took too long");
  assertEquals(error.code, "TIMEOUT");
});

Deno.test("the tool is told of the abort, and what it does after is of no consequence", async () => {
  const aborted = Promise.withResolvers<unknown>();
  using tools = toolsWith((_args, { signal }) => {
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted.resolve(signal.reason);
        reject(new Error("late"));
      });
    });
  });
  const controller = new AbortController();
  const call = tools.call("odd", {}, { signal: controller.signal });
  controller.abort("gone");
  assertEquals((await assertRejects(() => call, ExaiError)).code, "CANCELLED");
  assertEquals(await aborted.promise, "gone");
});

Deno.test("a call that is aborted before it begins runs nothing", async () => {
  let runs = 0;
  using tools = toolsWith(() => void runs++);
  await assertRejects(() => tools.call("odd", {}, { signal: AbortSignal.abort() }), ExaiError);
  assertEquals(runs, 0);
});

Deno.test("progress goes out while the call runs, only if wanted, and never after its answer", async () => {
  let progress: ToolContext["progress"] = () => {};
  using tools = toolsWith((_args, context) => {
    progress = context.progress;
    progress({ progress: 1, total: 2, message: "half" });
  });
  const sent: unknown[] = [];
  const notify = (...args: unknown[]) => void sent.push(args);
  await tools.call("odd", {}, { notify, progressToken: "t" });
  progress({ progress: 2 });
  await tools.call("odd", {}, { notify });
  const params = { progressToken: "t", progress: 1, total: 2, message: "half" };
  assertEquals(sent, [["notifications/progress", params]]);
});

Deno.test("bad arguments are refused with every field that is wrong and what is allowed", async () => {
  let runs = 0;
  using tools = toolsWith(() => void runs++);
  const refused = async (args: JsonObject, ...words: string[]) => {
    const { answer, isError } = await tools.call("odd", args);
    assertEquals([isError, answer.status, answer.metadata.error_code], [true, "error", "INVALID_PARAMS"]);
    for (const word of words) assertStringIncludes(String(answer.content), word);
  };
  await refused({ txt: "x" }, '"txt" is no field', "did you mean text?", "allowed: text, mode, count, tags");
  await refused({ mode: "brisk", text: true }, "mode must be one of fast, slow", "text must be a string");
  await refused({ count: 0 }, "count must be at least 1");
  await refused({ count: 9 }, "count must be at most 5");
  await refused({ count: 1.5 }, "count must be a whole number");
  await refused({ text: "x".repeat(11) }, "at most 10 characters", "shorten it");
  await refused({ tags: [{ name: "a" }, {}] }, "tags[1].name is required: a string");
  await refused(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, 1])), "and 12 more");
  await refused({ tags: Array.from({ length: 10_000 }, () => 1) }, "tags[7]", "and 9992 more");
  await refused({ tags: Array.from({ length: 100_000 }, () => 1) }, "hold more than 50000 values");
  assertEquals(runs, 0);
});

Deno.test("defaults are filled in, and no arguments at all is an empty object", async () => {
  const seen: number[] = [];
  using tools = toolsWith(({ count }) => void seen.push(count));
  await tools.call("odd");
  await tools.call("odd", { count: 5 });
  await tools.server.target(makeCall("tools/call", { name: "odd", arguments: null }));
  assertEquals(seen, [2, 5, 2]);
});

Deno.test("a malformed request is a protocol error, not an answer", async () => {
  using tools = toolsWith(() => {});
  const fails = async (method: string, params: JsonObject, code: string, word: string) => {
    const error = await assertRejects(async () => {
      await tools.server.target(makeCall(method, params));
    }, ExaiError);
    assertEquals(error.code, code);
    assertStringIncludes(error.message, word);
    assert(error.message.length < 500);
  };
  await fails("tools/call", {}, "INVALID_PARAMS", "name");
  await fails("tools/call", { name: "odd", arguments: [1] }, "INVALID_PARAMS", "object");
  await fails("tools/call", { name: "od" }, "TOOL_NOT_FOUND", "did you mean odd?");
  await fails("tools/call", { name: "nothing like it" }, "TOOL_NOT_FOUND", "tools/list");
  await fails("tools/call", { name: "x".repeat(1_000_000) }, "TOOL_NOT_FOUND", "tools/list");
  await fails("tools/list", { cursor: "2" }, "INVALID_PARAMS", "one page");
  await fails("prompts/list", { cursor: "2" }, "INVALID_PARAMS", "one page");
  await fails("resources/subscribe", { uri: "exai://calls" }, "METHOD_NOT_FOUND", "resources/subscribe");
});

Deno.test("a tool's name must be one clients accept", () => {
  const named = (name: string) => () =>
    defineTool({ name, title: "", description: "", input, annotations: {}, run: () => {} });
  for (const name of ["", "a b", "ä", "x".repeat(65)]) assertThrows(named(name), ExaiError, "name of a tool");
  assertEquals(named("A-b_9")().name, "A-b_9");
});
