import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { createModelRouter } from "../lib/provider/configured_router.ts";
import { sayClaude } from "./fixtures/anthropic_events.ts";
import { sayGemini } from "./fixtures/gemini_events.ts";
import { type NativeKind, NativeServer } from "./fixtures/native_server.ts";
import { OpenAiServer } from "./fixtures/openai_server.ts";
import type { ChatRequest } from "../lib/provider/provider.ts";
import { investigationStep, TestTools } from "./helpers/exai_tools.ts";
import { fakeModel, FakeModels } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";
import { assertNativeBody } from "./helpers/native_bodies.ts";
import { rig } from "./helpers/provider_rig.ts";

const PDF = new TextEncoder().encode(
  "%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nstream\x00\x01\x02endstream\nendobj\n%%EOF\n",
);
const MODELS: Readonly<Record<NativeKind, string>> = { gemini: "gemini-4-argon", anthropic: "claude-opus-5" };
const KINDS = Object.keys(MODELS) as NativeKind[];

/** Tools in a directory with `files`, before a native provider of `kind` and Kimi, which reads no PDF. */
async function setUp(kind: NativeKind, files: Record<string, string | Uint8Array>) {
  const dir = await tempDir(files);
  const stack = new AsyncDisposableStack();
  stack.use(dir);
  const server = stack.use(new NativeServer(kind, (kind === "gemini" ? sayGemini : sayClaude)("I read it.")));
  const kimi = stack.use(new OpenAiServer());
  const models = stack.use(createModelRouter({
    setups: [
      { kind: "kimi", apiKey: "key-of-kimi", baseUrl: kimi.url },
      { kind, apiKey: "key-of-native", baseUrl: server.url },
    ],
  }));
  const tools = stack.use(new TestTools({ cwd: dir.path, models }));
  return { server, kimi, tools, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** The document in a body, as base64. */
function documentIn(body: JsonObject): string | undefined {
  return /"(?:data)":"(JVBERi0[^"]*)"/.exec(JSON.stringify(body))?.[1];
}

Deno.test("a PDF among the files is read by a model that reads PDFs, also where auto chooses it", async () => {
  for (const kind of KINDS) {
    await using at = await setUp(kind, { "spec.pdf": PDF, "a.ts": "export const a = 1;" });
    for (const model of [MODELS[kind], "auto"]) {
      const { answer, isError } = await at.tools.call("chat", {
        prompt: "What does it say?",
        files: ["spec.pdf", "a.ts"],
        model,
      });
      assertEquals([isError, answer.content], [false, "I read it."], JSON.stringify(answer));
      assertEquals(answer.metadata.shown, ["spec.pdf", "a.ts"]);
      assertNativeBody(kind, at.server.lastBody);
      assertEquals(documentIn(at.server.lastBody), PDF.toBase64());
      const sent = JSON.stringify(at.server.lastBody);
      assert(sent.includes("spec.pdf") && sent.includes("export const a = 1;"), sent);
    }
    assertEquals(at.kimi.chats.length, 0);
  }
});

Deno.test("a model that reads no PDF is not asked with one, and the answer says what to do", async () => {
  await using at = await setUp("gemini", { "spec.pdf": PDF });
  const { answer, isError } = await at.tools.call("chat", {
    prompt: "What does it say?",
    files: ["spec.pdf"],
    model: "kimi-k2.6",
  });
  assertEquals([isError, at.kimi.chats.length], [true, 0]);
  assertStringIncludes(String(answer.content), "kimi-k2.6 reads no PDF");
  assertStringIncludes(String(answer.content), "gemini-4-carbon");
});

Deno.test("a PDF stays in its thread: the next question is about it too, and a model that reads none goes on", async () => {
  await using at = await setUp("anthropic", { "spec.pdf": PDF });
  const first = await at.tools.call("chat", {
    prompt: "What does it say?",
    files: ["spec.pdf"],
    model: MODELS.anthropic,
  });
  const { continuation_id } = first.answer.continuation_offer!;
  await at.tools.call("chat", { prompt: "And page 2?", model: MODELS.anthropic, continuation_id });
  assertEquals(documentIn(at.server.lastBody), PDF.toBase64());
  assertNativeBody("anthropic", at.server.lastBody);
  const other = await at.tools.call("chat", { prompt: "Thanks?", model: "kimi-k2.6", continuation_id });
  assertEquals(other.isError, false, String(other.answer.content));
  const [{ name }] = other.answer.metadata.not_shown as [JsonObject];
  assertEquals(name, "spec.pdf");
});

Deno.test("what is called a PDF and is none, is too large, or is missing is told by name", async () => {
  await using at = await setUp("gemini", {
    "fake.pdf": Uint8Array.from([0, 1, 2, 3]),
    "text.pdf": "plain text",
    "large.pdf": new Uint8Array(15_000_001),
  });
  const say = (file: string) => at.tools.call("chat", { prompt: "?", files: [file], model: MODELS.gemini });
  const cases = {
    "fake.pdf": "fake.pdf is no text file",
    "large.pdf": "large.pdf has",
    "gone.pdf": "gone.pdf",
  };
  for (const [file, words] of Object.entries(cases)) {
    const { isError, answer } = await say(file);
    assertEquals(isError, true, file);
    assertStringIncludes(String(answer.content), words);
  }
  assertEquals(at.server.asked.length, 0);
  assertEquals((await say("text.pdf")).isError, false);
  assertStringIncludes(JSON.stringify(at.server.lastBody), "plain text");
});

Deno.test("OpenAI gets a PDF as it documents one, in either of its APIs", async () => {
  const url = `data:application/pdf;base64,${PDF.toBase64()}`;
  const messages: ChatRequest["messages"] = [{
    role: "user",
    content: [{ type: "document", name: "spec.pdf", url }, { type: "text", text: "What does it say?" }],
  }];
  await using one = rig({ kind: "openai", models: [{ name: "gpt-4.1", documents: true }] });
  await one.ask("gpt-4.1", { messages });
  const [chat] = one.server.lastBody.messages as JsonObject[];
  assertEquals((chat!.content as JsonObject[])[0], {
    type: "file",
    file: { filename: "spec.pdf", file_data: url },
  });
  await one.ask("gpt-5-codex", { messages });
  const [response] = one.server.responses.at(-1)!.body.input as JsonObject[];
  assertEquals((response!.content as JsonObject[])[0], {
    type: "input_file",
    filename: "spec.pdf",
    file_data: url,
  });
});

/** A PDF of so many bytes. */
function pdfOf(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(PDF);
  return bytes;
}

/** Tools in a directory with `files` and a model that reads PDFs, and which ones it was sent last. */
async function readerOf(files: Record<string, Uint8Array>, contextTokens = 1_000_000) {
  const dir = await tempDir(files);
  const models = new FakeModels(() => "{}");
  const { abilities } = fakeModel("reader");
  models.models = [fakeModel("reader", { contextTokens, abilities: { ...abilities, documents: true } })];
  const tools = new TestTools({ cwd: dir.path, models });
  return {
    tools,
    async ask(tool: string, args: JsonObject) {
      const { answer, isError } = await tools.call(tool, args);
      assertEquals(isError, false, JSON.stringify(answer.content));
      const { content } = models.asked.at(-1)?.request.messages.at(-1) ?? {};
      const parts = Array.isArray(content) ? content : [];
      return {
        id: answer.continuation_offer!.continuation_id,
        sent: parts.flatMap((part) => part.type === "document" ? [part.name] : []),
        notShown: (answer.metadata.not_shown ?? []) as { name: string; reason: string }[],
      };
    },
    async [Symbol.asyncDispose]() {
      tools[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("PDFs of earlier questions are sent again as far as a request and the model's window take them", async () => {
  const files = { "a.pdf": pdfOf(8_000_000), "b.pdf": pdfOf(8_000_000), "c.pdf": pdfOf(1000) };
  await using wide = await readerOf(files);
  const first = await wide.ask("chat", { prompt: "a?", files: ["a.pdf", "c.pdf"] });
  const second = await wide.ask("chat", { prompt: "b?", files: ["b.pdf"], continuation_id: first.id });
  assertEquals([first.sent, second.sent], [["a.pdf", "c.pdf"], ["b.pdf", "c.pdf"]]);
  assertEquals(second.notShown.map(({ name }) => name), ["a.pdf"]);
  assertStringIncludes(second.notShown[0]!.reason, "the PDFs of a call may have 14.3 MiB in all");
  await using narrow = await readerOf({ "a.pdf": pdfOf(1_000_000), "b.pdf": pdfOf(2_900_000) }, 100_000);
  const { id } = await narrow.ask("chat", { prompt: "a?", files: ["a.pdf"] });
  const next = await narrow.ask("chat", { prompt: "b?", files: ["b.pdf"], continuation_id: id });
  assertEquals([next.sent, next.notShown.map(({ name }) => name)], [["b.pdf"], ["a.pdf"]]);
  assertStringIncludes(next.notShown[0]!.reason, "and the model's window has");
});

Deno.test("a PDF of an earlier step is sent in the last one, and none is said to be no text", async () => {
  await using one = await readerOf({ "a.pdf": pdfOf(1000), "b.pdf": pdfOf(1000) });
  const { id } = await one.ask("debug", investigationStep(1, { relevant_files: ["a.pdf"] }));
  const last = investigationStep(2, { continuation_id: id, relevant_files: ["b.pdf"] });
  const { sent, notShown } = await one.ask("debug", last);
  assertEquals([sent, notShown], [["b.pdf", "a.pdf"], []]);
});
