// xAI at a server that answers as it documents; the answers are those of the Responses API.
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ChatMessage, ChatRequest, ThinkingMode } from "../lib/provider/provider.ts";
import { fail } from "./fixtures/openai_server.ts";
import { respond } from "./fixtures/response_events.ts";
import { assertDocumentedResponse } from "./helpers/documented_responses.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { rig, TEST_KEY } from "./helpers/provider_rig.ts";

/** The body xAI gets, after checking that it documents all of it. */
async function bodyOf(model: string, request: Partial<ChatRequest> = {}): Promise<JsonObject> {
  await using one = rig({ kind: "xai", responses: [respond("Hi.")] });
  await one.ask(model, request);
  const { body, headers } = one.server.responses[0]!;
  assertDocumentedResponse("xai", body);
  assertEquals(headers.get("authorization"), `Bearer ${TEST_KEY}`);
  return body;
}

Deno.test("Grok is asked through the Responses API, and nothing is stored at xAI", async () => {
  const body = await bodyOf("grok", { temperature: 0.4 });
  assertEquals([body.model, body.store, body.temperature], ["grok-4.7", false, 0.4]);
  assertEquals(body.include, ["reasoning.encrypted_content"]);
  assertEquals(body.reasoning, undefined, "xAI summarises without being asked");
});

Deno.test("each thinking mode reaches Grok as an effort it has", async () => {
  const modes: ThinkingMode[] = ["minimal", "low", "medium", "high", "max"];
  const sent = async (model: string) => {
    const bodies = await Promise.all(modes.map((thinkingMode) => bodyOf(model, { thinkingMode })));
    return bodies.map(({ reasoning }) => (reasoning as JsonObject).effort);
  };
  assertEquals(await sent("grok-4.7"), ["low", "low", "medium", "high", "xhigh"]);
  assertEquals(await sent("grok-4.3"), ["none", "low", "medium", "high", "high"]);
});

Deno.test("Grok searches the web, and every source it looked at is a citation", async () => {
  await using one = rig({
    kind: "xai",
    responses: [respond("It rains [[1]](https://a.example/).", {
      cited: [{ url: "https://a.example/", title: "1" }],
      extra: { citations: ["https://a.example/", "https://b.example/"] },
    })],
  });
  using tools = new TestTools({ models: one.models });
  const { isError, answer } = await tools.call("chat", {
    prompt: "the weather?",
    model: "grok-4.3",
    use_websearch: true,
  });
  assertEquals(isError, false, JSON.stringify(answer));
  const { body } = one.server.responses[0]!;
  assertDocumentedResponse("xai", body);
  assertEquals(body.tools, [{ type: "web_search" }]);
  assertStringIncludes(JSON.stringify(answer), "https://b.example/");
});

Deno.test("Grok sees images, keeps to schemas, and gets its reasoning back after tool calls", async () => {
  const image = { type: "image", url: "data:image/png;base64,AAAA" } as const;
  const seen = await bodyOf("grok-4.7", { messages: [{ role: "user", content: [image] }] });
  assertStringIncludes(JSON.stringify(seen.input), "input_image");
  const jsonSchema = { name: "a", schema: { type: "object" } };
  assertEquals((await bodyOf("grok-4.7", { jsonSchema })).text, {
    format: { type: "json_schema", ...jsonSchema, strict: false },
  });
  const calls = [{ id: "call_1", name: "weather", arguments: "{}" }];
  await using one = rig({
    kind: "xai",
    responses: [respond("", { encrypted: "Hfq+", calls }), respond("Rain.")],
  });
  const tools = [{ name: "weather" }];
  const { toolCalls, providerItems } = await one.ask("grok-4.7", { tools });
  const messages: ChatMessage[] = [
    { role: "user", content: "The weather?" },
    { role: "assistant", content: "", toolCalls, providerItems },
    { role: "tool", toolCallId: "call_1", content: "rain" },
  ];
  assertEquals((await one.ask("grok-4.7", { messages, tools })).text, "Rain.");
  const { body } = one.server.responses[1]!;
  assertDocumentedResponse("xai", body);
  assertEquals((body.input as JsonObject[])[1]!.encrypted_content, "Hfq+");
});

Deno.test("the models xAI lists are offered under their aliases too, and those that make pictures are not", async () => {
  const modalities = (...input: string[]) => ({ input_modalities: input, output_modalities: ["text"] });
  await using one = rig({ kind: "xai", responses: [respond("Nine.")] });
  one.server.other = ({ path }) =>
    path === "/language-models"
      ? Response.json({
        models: [
          {
            id: "grok-9",
            aliases: ["grok-latest"],
            max_prompt_length: 2_000_000,
            ...modalities("text", "image"),
          },
          { id: "grok-4.3", aliases: [], ...modalities("text", "image") },
          { id: "grok-imagine", output_modalities: ["image"] },
        ],
      })
      : fail(404, {})({} as never);
  await one.models.refresh();
  const { models, available } = one.models.status()[0]!;
  assertEquals(models.map(({ name }) => name), ["grok-4.3", "grok-9"]);
  assertEquals([available, models[1]!.contextTokens, models[1]!.abilities.images], [true, 2_000_000, true]);
  assertEquals((await one.ask("grok-latest", { webSearch: true })).text, "Nine.");
});

Deno.test("a gateway of xAI with nothing but models and chat completions works as far as that goes", async () => {
  await using one = rig({ kind: "xai" });
  one.server.models = [{ id: "grok-4.3", object: "model" }];
  await one.models.refresh();
  assertEquals(one.models.status()[0]!.models.map(({ name }) => name), ["grok-4.3"]);
  assertEquals((await one.ask("grok-4.3", { thinkingMode: "low" })).text, "Hello.");
  assertEquals(one.server.lastBody.reasoning_effort, "low");
  await assertRejects(() => one.ask("grok-4.3", { webSearch: true }), ExaiError);
  assertEquals(one.server.chats.length, 1);
});
