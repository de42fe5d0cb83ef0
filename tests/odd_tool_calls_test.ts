import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { raw, type Script } from "./fixtures/openai_server.ts";
import { rig } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

function chunks(choices: JsonObject[]): Script {
  return raw(...choices.map((choice) => JSON.stringify({ choices: [choice] })), "[DONE]");
}

/** A part of a tool call as a delta has it. */
const toolCall = (id: string | undefined, name: string | undefined, args: Json | undefined, index?: number) =>
  ({ id, index, type: "function", function: { name, arguments: args } }) as JsonObject;
/** Two calls, as they should come out. */
const two = ['look {"a":1}', 'find {"b":2}'];
/** Deltas of tool calls, and what they come to. */
const TOOL_CALLS: Record<string, [JsonObject[][], string[]]> = {
  "as OpenAI sends them, interleaved": [[
    [toolCall("x", "look", "", 0)],
    [toolCall("y", "find", "", 1)],
    [toolCall(undefined, undefined, '{"a"', 0)],
    [toolCall(undefined, undefined, '{"b":', 1)],
    [toolCall(undefined, undefined, ":1}", 0), toolCall(undefined, undefined, "2}", 1)],
  ], two],
  "one number for all": [[[toolCall("x", "look", '{"a":1}', 0)], [toolCall("y", "find", '{"b":2}', 0)]], two],
  "one number for all, the same call twice": [
    [[toolCall("x", "look", '{"a":1}', 0)], [toolCall("y", "look", '{"a":1}', 0)]],
    ['look {"a":1}', 'look {"a":1}'],
  ],
  "one number for all, in one event": [
    [[toolCall("x", "look", '{"a":1}', 0), toolCall("y", "find", '{"b":2}', 0)]],
    two,
  ],
  "one number for all, in parts": [[
    [toolCall("x", "look", '{"a"', 0)],
    [toolCall(undefined, undefined, ":1}", 0)],
    [toolCall("y", "find", '{"b"', 0)],
    [toolCall(undefined, undefined, ":2}", 0)],
  ], two],
  "no number": [[[toolCall("x", "look", '{"a":1}')], [toolCall("y", "find", '{"b":2}')]], two],
  "no number, in parts": [[
    [toolCall("x", "look", "")],
    [toolCall(undefined, undefined, '{"a":1}')],
    [toolCall("y", "find", "")],
    [toolCall(undefined, undefined, '{"b"')],
    [toolCall(undefined, undefined, ":2}")],
  ], two],
  "neither number nor id": [
    [[toolCall(undefined, "look", '{"a":1}')], [toolCall(undefined, "find", '{"b":2}')]],
    two,
  ],
  "neither number nor id, in one event": [
    [[toolCall("", "look", '{"a":1}'), toolCall("", "find", '{"b":2}')]],
    two,
  ],
  "the same function twice without an id": [
    [[toolCall(undefined, "look", '{"a":1}', 0)], [toolCall(undefined, "look", '{"a":2}', 0)]],
    ['look {"a":1}', 'look {"a":2}'],
  ],
  "names without arguments": [
    [[toolCall(undefined, "look", "", 0)], [toolCall(undefined, "find", "", 0)]],
    ["look {}", "find {}"],
  ],
  "id and name again in each part": [
    [[toolCall("x", "look", '{"a"', 0)], [toolCall("x", "look", ":1}", 0)]],
    ['look {"a":1}'],
  ],
  "another id in each part": [
    [[toolCall("x", "look", '{"a"', 0)], [toolCall("y", undefined, ":1}", 0)]],
    ['look {"a":1}'],
  ],
  "a name after the arguments": [
    [[toolCall("x", undefined, '{"a":1}', 0)], [toolCall(undefined, "look", undefined, 0)]],
    ['look {"a":1}'],
  ],
  "one id for all": [[[toolCall("x", "look", '{"a":1}', 0)], [toolCall("x", "find", '{"b":2}', 1)]], two],
  "arguments as an object": [[[toolCall("x", "look", { a: 1 }, 0)]], ['look {"a":1}']],
  "arguments once more at the end": [
    [[toolCall("x", "look", '{"a":', 0)], [toolCall("x", undefined, "1}", 0)], [
      toolCall("x", "look", '{"a":1}', 0),
    ]],
    ['look {"a":1}'],
  ],
  "all arguments so far each time": [
    [[toolCall("x", "look", '{"a"', 0)], [toolCall("x", undefined, '{"a":1', 0)], [
      toolCall("x", undefined, '{"a":1}', 0),
    ]],
    ['look {"a":1}'],
  ],
};

Deno.test("tool calls are kept apart by id, name and order, and put together from any parts", async (test) => {
  for (const [name, [events, expected]] of Object.entries(TOOL_CALLS)) {
    await test.step(name, async () => {
      // Ollama says stop where it calls tools.
      const choices = [...events.map((tool_calls) => ({ delta: { tool_calls } })), {
        delta: {},
        finish_reason: "stop",
      }];
      await using one = rig({ scripts: [chunks(choices as JsonObject[])] });
      const { toolCalls = [], finishReason } = await one.ask(MODEL);
      assertEquals(toolCalls.map((made) => `${made.name} ${made.arguments}`), expected);
      assertEquals(finishReason, "tool_calls");
      const ids = new Set(toolCalls.map(({ id }) => id));
      assert(ids.size === toolCalls.length && !ids.has(""), "each can be answered by its id");
    });
  }
});

Deno.test("calls without end are stopped", async () => {
  const calls = Array.from({ length: 1001 }, (_, index) => toolCall(`c${index}`, "look", "{}", index));
  await using one = rig({
    scripts: [chunks([{ delta: { tool_calls: calls }, finish_reason: "stop" } as JsonObject])],
  });
  await assertRejects(() => one.ask(MODEL), ExaiError, "more than 1000 tool calls");
});
