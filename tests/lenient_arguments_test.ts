import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as z from "zod";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { defineUserTool } from "../lib/tool/user_tool.ts";
import { defineTool, type Tool, type ToolContext } from "../lib/tool/tool.ts";

const CONTEXT = {} as ToolContext;

const echo = defineTool({
  name: "echo",
  title: "Echo",
  description: "Gives its arguments back.",
  input: z.object({
    text: z.string().min(1),
    count: z.int().min(1).optional(),
    ratio: z.number().optional(),
    loud: z.boolean().optional(),
    names: z.array(z.string()).max(3).optional(),
    level: z.enum(["low", "very_high"]).optional(),
    issues: z.array(z.object({ line: z.int(), text: z.string() })).optional(),
    id: z.string().min(1).optional(),
  }),
  annotations: { readOnlyHint: true },
  run: (args) => ({ content: args as JsonObject }),
});

/** The arguments that the tool gets. */
async function taken(args: JsonObject, tool: Tool = echo): Promise<JsonObject> {
  const output = await tool.call({ text: "x", ...args }, CONTEXT);
  const { text: _, ...rest } = (output as { content: JsonObject }).content;
  return rest;
}

async function refused(args: JsonObject, because: string): Promise<void> {
  const { message } = await assertRejects(async () => await taken(args), ExaiError);
  assertStringIncludes(message, because);
}

Deno.test("null and an empty text leave an optional argument out", async () => {
  for (const nothing of [null, "", " "]) {
    for (const field of ["count", "ratio", "loud", "names", "issues"]) {
      assertEquals(await taken({ [field]: nothing }), {}, `${field}: ${JSON.stringify(nothing)}`);
    }
  }
  assertEquals(await taken({ level: null, id: null }), {});
  assertEquals(await taken({ level: "", id: "" }), {});
});

Deno.test("null and an empty text are no value of a required argument", async () => {
  await refused({ text: null }, "text is required: a string");
  await refused({ text: "" }, "text is required: a string");
});

Deno.test("a number, a boolean, a list or an object in a text is taken as such", async () => {
  assertEquals(
    await taken({ count: "1", ratio: " 0.5 ", loud: "True", names: '["a", "b"]' }),
    { count: 1, ratio: 0.5, loud: true, names: ["a", "b"] },
  );
  assertEquals(await taken({ count: "2.0" }), { count: 2 });
  assertEquals(await taken({ issues: '[{"line": "7", "text": "t"}]' }), { issues: [{ line: 7, text: "t" }] });
  assertEquals(await taken({ issues: ['{"line": 7, "text": "t"}'] }), { issues: [{ line: 7, text: "t" }] });
  assertEquals(await taken({ issues: { line: 7, text: "t" } }), { issues: [{ line: 7, text: "t" }] });
  assertEquals(await taken({ names: "src/a b.ts" }), { names: ["src/a b.ts"] });
  assertEquals(await taken({ names: [1, "b"] }), { names: ["1", "b"] });
  assertEquals(await taken({ id: 7 }), { id: "7" });
});

Deno.test("a choice is found whatever its case and separators", async () => {
  assertEquals(await taken({ level: "LOW" }), { level: "low" });
  assertEquals(await taken({ level: "Very high" }), { level: "very_high" });
  await refused({ level: "highest" }, "level must be one of low, very_high");
});

Deno.test("what may mean several things is refused", async () => {
  await refused({ count: "1 or 2" }, "count must be");
  await refused({ count: "1.5" }, "count must be a whole number");
  await refused({ count: true }, "count must be a number");
  await refused({ count: "0" }, "count must be at least 1");
  await refused({ loud: "yes" }, "loud must be a boolean");
  await refused({ loud: 1 }, "loud must be a boolean");
  await refused({ names: "a.ts, b.ts" }, "names must be an array");
  await refused({ names: "[a.ts" }, "names must be an array");
  await refused({ names: ["a", null] }, "names[1] must be a string");
  await refused({ names: '["a","b","c","d"]' }, "names must have at most 3 entries");
  await refused({ text: ["a"] }, "text must be a string");
  await refused({ txet: "x" }, "did you mean text?");
});

Deno.test("a faulty argument is named although others were taken for what they mean", async () => {
  await refused({ count: "3", ratio: "half" }, "- ratio must be a number");
  const { message } = await assertRejects(async () => await taken({ count: "3", ratio: "half" }), ExaiError);
  assertEquals(message.includes("count"), false);
});

Deno.test("the arguments of the caller are not changed", async () => {
  const args = { text: "x", count: "1", names: null, issues: [{ line: "7", text: "t" }] };
  const before = structuredClone(args);
  await echo.call(args, CONTEXT);
  assertEquals(args, before);
});

Deno.test("a tool of the user's own takes arguments for what they mean too", async () => {
  const tool = defineUserTool({
    description: "Gives its arguments back.",
    inputSchema: {
      type: "object",
      properties: {
        text: { type: "string" },
        count: { type: "integer" },
        names: { type: "array", items: { type: "string" } },
      },
    },
  }, { fallbackName: "own", run: (args) => Promise.resolve(args) });
  assertEquals(await taken({ count: "3", names: '["a"]' }, tool), { count: 3, names: ["a"] });
  assertEquals(await taken({ count: null }, tool), {});
});
