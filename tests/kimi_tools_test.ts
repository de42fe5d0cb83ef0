import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { FileUpload } from "../lib/provider/provider.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { fakeModel, FakeModels } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";

function kimi(answer: ConstructorParameters<typeof FakeModels>[0]): FakeModels {
  const models = new FakeModels(answer);
  models.models = [fakeModel("kimi-large", { provider: "kimi" }), fakeModel("other")];
  return models;
}

const WEATHER = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { at: { type: "string" } } } },
};

Deno.test("messages and tools reach Kimi as they are, and its calls come back for the caller to run", async () => {
  const toolCalls = [{ id: "call_1", name: "weather", arguments: '{"at":"Rome"}' }];
  const models = kimi(() => ({ text: "", toolCalls, finishReason: "tool_calls" as const }));
  using tools = new TestTools({ models });
  const messages = [
    { role: "user", content: [{ type: "text", text: "Rome?" }], name: "ann" },
    { role: "assistant", content: null, tool_calls: [{ id: "call_0" }] },
    { role: "tool", tool_call_id: "call_0", content: "rain" },
  ];
  const { answer } = await tools.call("kimi_chat_with_tools", {
    messages,
    tools: [WEATHER],
    tool_choice: "weather",
    temperature: 0.3,
    use_websearch: true,
    stream: true,
  });
  assertEquals(models.raw, [{
    messages,
    tools: [WEATHER],
    tool_choice: { type: "function", function: { name: "weather" } },
    temperature: 0.3,
    webSearch: true,
  }]);
  assertEquals((answer.content as JsonObject).tool_calls, [
    { id: "call_1", type: "function", function: { name: "weather", arguments: '{"at":"Rome"}' } },
  ]);
  assertEquals([(answer.content as JsonObject).finish_reason, answer.metadata.model], [
    "tool_calls",
    "kimi-large",
  ]);
});

Deno.test("a tool choice may be a word, an object or a tool's name, and nothing else", async () => {
  const models = kimi(() => "yes");
  using tools = new TestTools({ models });
  const choose = (tool_choice: unknown) =>
    tools.call(
      "kimi_chat_with_tools",
      { messages: [{ role: "user", content: "q" }], tools: [WEATHER], tool_choice } as JsonObject,
    );
  const object = { type: "function", function: { name: "weather" } };
  for (const choice of ["auto", "none", "required", object]) {
    await choose(choice);
    assertEquals(models.raw.at(-1)!.tool_choice, choice as string);
  }
  const { answer, isError } = await choose("whether");
  assertEquals(isError, true);
  assertStringIncludes(String(answer.content), "auto, none, required, weather");
});

Deno.test("kimi tools ask Kimi and nobody else", async () => {
  const models = new FakeModels();
  using tools = new TestTools({ models });
  const { answer, isError } = await tools.call("kimi_chat_with_tools", {
    messages: [{ role: "user", content: "q" }],
  });
  assertEquals([isError, models.raw.length], [true, 0]);
  assertStringIncludes(String(answer.content), "available: none");
});

Deno.test("files are uploaded once each is known to be allowed, and come back as text", async () => {
  await using dir = await tempDir({ "docs/a.pdf": "PDF", "empty.txt": "" });
  const uploads: FileUpload[] = [];
  const models = kimi(() => "");
  models.fileService = {
    upload: (file) => {
      uploads.push(file);
      return Promise.resolve({
        name: file.name,
        sizeBytes: file.bytes.length,
        text: "what it says",
        cached: false,
      });
    },
  };
  using tools = new TestTools({ models, cwd: dir.path });
  const { files } = await tools.content("kimi_upload_and_extract", { files: ["docs/a.pdf"] });
  assertEquals(JSON.parse(JSON.stringify(files)), [
    { file: "docs/a.pdf", size_bytes: 3, cached: false, text: "what it says" },
  ]);
  assertEquals(uploads.map(({ name, purpose }) => [name, purpose]), [["a.pdf", "file-extract"]]);
  for (const bad of ["/etc/passwd", "empty.txt", "docs", "none.pdf"]) {
    const { isError } = await tools.call("kimi_upload_and_extract", { files: ["docs/a.pdf", bad] });
    assertEquals([isError, uploads.length], [true, 1], bad);
  }
});
