import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { HOUR_MS } from "../lib/base/units.ts";
import { ProgressHeartbeat } from "../lib/tool/dialogue/call_progress.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";
import { fakeModel, FakeModels, promptOf, textOf } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";
import { openThreads } from "./helpers/threads.ts";

const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}

/** Tools in a directory with `files`, and what their models were asked. */
async function setUp(files: Record<string, string | Uint8Array>, models = new FakeModels()) {
  const dir = await tempDir(files);
  const tools = new TestTools({ cwd: dir.path, models });
  return {
    dir,
    tools,
    models,
    async say(args: JsonObject) {
      const { answer, isError } = await tools.call("chat", args);
      assertEquals(isError, false, String(answer.content));
      return { answer, id: answer.continuation_offer!.continuation_id, asked: models.asked.at(-1)! };
    },
    async refused(args: JsonObject, code: string, ...words: string[]) {
      const before = models.asked.length;
      const { answer, isError } = await tools.call("chat", args);
      assertEquals([isError, answer.metadata.error_code], [true, code], String(answer.content));
      for (const word of words) assertStringIncludes(String(answer.content), word);
      assertEquals(models.asked.length, before, "no model is asked");
    },
    async [Symbol.asyncDispose]() {
      tools[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an answer says who gave it, what it used, under which prompt, and how to go on", async () => {
  await using at = await setUp({});
  const { answer, asked } = await at.say({ prompt: "why?" });
  assertEquals([answer.content, answer.content_type, answer.status], ["an answer", "markdown", "success"]);
  const { duration_ms, ...metadata } = answer.metadata;
  assert(Number(duration_ms) >= 0);
  assertEquals(metadata, {
    tool: "chat",
    model: "one",
    provider: "fake",
    usage: { input_tokens: 10, output_tokens: 5 },
    prompt: "chat@2",
    routing: { requested: "auto", chosen: "fake/one", why: "the test says so" },
  });
  assertEquals(answer.continuation_offer!.remaining_turns, 49);
  const [system, question] = asked.request.messages;
  assertEquals([system!.role, question!.role, asked.request.messages.length], ["system", "user", 2]);
  assertEquals(textOf(question!), "why?");
  assertEquals([asked.request.temperature, asked.request.webSearch], [0.5, undefined]);
});

Deno.test("the first reply is in the thread, and every exchange is sent once", async () => {
  let replies = 0;
  await using at = await setUp({}, new FakeModels(() => `reply ${++replies}`));
  const { id } = await at.say({ prompt: "question 1" });
  await at.say({ prompt: "question 2", continuation_id: id });
  const { asked } = await at.say({ prompt: "question 3", continuation_id: id });
  assertEquals(asked.request.messages.map(({ role }) => role), [
    "system",
    "user",
    "assistant",
    "user",
    "assistant",
    "user",
  ]);
  const prompt = promptOf(asked);
  for (const part of ["question 1", "reply 1", "question 2", "reply 2", "question 3"]) {
    assertEquals(occurrences(prompt, part), 1, part);
  }
  const { turns } = await at.tools.threads.show(id);
  assertEquals(turns.map(({ request, reply }) => [request.prompt, reply?.content]), [
    ["question 1", "reply 1"],
    ["question 2", "reply 2"],
    ["question 3", "reply 3"],
  ]);
});

Deno.test("a conversation goes on after a restart, in another window", async () => {
  await using dir = await tempDir({});
  const models = new FakeModels(() => "I said so");
  const open = () => openThreads({ path: join(dir.path, "exai.db"), timeoutMs: HOUR_MS, maxTurns: 50 });
  let continuation_id: string;
  {
    using tools = new TestTools({ models, threads: open() });
    continuation_id =
      (await tools.call("chat", { prompt: "first" })).answer.continuation_offer!.continuation_id;
  }
  using tools = new TestTools({ models, threads: open() });
  await tools.call("chat", { prompt: "second", continuation_id });
  assertStringIncludes(promptOf(models.asked.at(-1)!), "I said so");
});

Deno.test("a file is shown once in a conversation; edited, its new content takes the old one's place", async () => {
  await using at = await setUp({ "a.ts": "alpha one", "b.ts": "beta" });
  const { id, answer } = await at.say({ prompt: "q1", files: ["a.ts"] });
  assertEquals(answer.metadata.shown, ["a.ts"]);
  const second = await at.say({ prompt: "q2", files: ["a.ts", "b.ts"], continuation_id: id });
  assertEquals(occurrences(promptOf(second.asked), "alpha one"), 1);
  // The unchanged file stands where it stood, so that the beginning of the request stays as it was.
  const [, first, , now] = second.asked.request.messages;
  assertStringIncludes(textOf(first!), "alpha one");
  assertEquals(textOf(now!).includes("alpha one"), false);
  assertStringIncludes(textOf(now!), "beta");
  await at.dir.write("a.ts", "alpha two");
  const third = await at.say({ prompt: "q3", files: ["a.ts"], continuation_id: id });
  const prompt = promptOf(third.asked);
  assertEquals([occurrences(prompt, "alpha one"), occurrences(prompt, "alpha two")], [0, 1]);
  assertStringIncludes(textOf(third.asked.request.messages.at(-1)!), "alpha two");
  // Nobody named it this time: it is still known, in its present content.
  await at.dir.write("b.ts", "gamma");
  const fourth = await at.say({ prompt: "q4", continuation_id: id });
  assertEquals([occurrences(promptOf(fourth.asked), "gamma"), occurrences(promptOf(fourth.asked), "beta")], [
    1,
    0,
  ]);
  await Deno.remove(join(at.dir.path, "b.ts"));
  const fifth = await at.say({ prompt: "q5", continuation_id: id });
  assertStringIncludes(JSON.stringify(fifth.answer.metadata.not_shown), "there is no file");
});

Deno.test("two files of one content are sent once, and the answer says so", async () => {
  await using at = await setUp({ "a.ts": "same", "b.ts": "same" });
  const { answer, asked } = await at.say({ prompt: "q", files: ["a.ts", "b.ts"] });
  assertEquals(occurrences(promptOf(asked), "same\n---"), 1);
  assertStringIncludes(JSON.stringify(answer.metadata.not_shown), "same content as");
});

Deno.test("files beyond the model's window are left out, oldest first, and named", async () => {
  const words = (word: string) => `${word} `.repeat(400);
  const small = new FakeModels();
  small.models = [fakeModel("small", { contextTokens: 2500, maxOutputTokens: 500 })];
  await using at = await setUp(
    { "old.md": words("old"), "new.md": words("new"), "newer.md": words("newer") },
    small,
  );
  for (const [index, name] of ["old.md", "new.md", "newer.md"].entries()) {
    const time = new Date(1_000_000 * (index + 1));
    await Deno.utime(join(at.dir.path, name), time, time);
  }
  const { answer, asked } = await at.say({ prompt: "q", files: ["old.md", "new.md", "newer.md"] });
  assertEquals(answer.metadata.shown, ["newer.md", "new.md"]);
  const [left] = answer.metadata.not_shown as JsonObject[];
  assertEquals(left!.name, "old.md");
  assertStringIncludes(String(left!.reason), "tokens");
  assertStringIncludes(promptOf(asked), "Not shown:\n- old.md");
});

Deno.test("a question too long for a model is refused with what to do, not cut", async () => {
  const models = new FakeModels();
  models.models = [fakeModel("small", { contextTokens: 2000, maxOutputTokens: 500 })];
  await using at = await setUp({}, models);
  await at.refused({ prompt: "word ".repeat(2000) }, "TOO_LARGE", "larger window", "small");
});

Deno.test("a directory is expanded to its text files", async () => {
  await using at = await setUp({
    "src/a.ts": "A1",
    "src/b/c.ts": "C1",
    "src/logo.png": PNG,
    "src/.env": "SECRET=1",
  });
  const { answer, asked } = await at.say({ prompt: "q", files: ["src"] });
  assertEquals((answer.metadata.shown as string[]).toSorted(), ["src/a.ts", "src/b/c.ts"]);
  assertEquals(promptOf(asked).includes("SECRET"), false);
});

Deno.test("files outside the session's directories, too large, missing or binary are refused before anybody is asked", async () => {
  await using at = await setUp({
    "big.txt": "x".repeat(1_000_001),
    "bin.dat": new Uint8Array([1, 0, 2]),
    "ok.txt": "é",
  });
  await Deno.symlink("/etc/passwd", join(at.dir.path, "link"));
  await at.refused({ prompt: "q", files: ["/etc/passwd"] }, "FORBIDDEN", "EXAI_ALLOWED_DIRS");
  await at.refused({ prompt: "q", files: ["link"] }, "FORBIDDEN");
  await at.refused(
    { prompt: "q", files: ["ok.txt", "big.txt"] },
    "TOO_LARGE",
    "big.txt",
    "1000001",
    "1000000",
  );
  await at.refused({ prompt: "q", files: ["none.txt"] }, "RESOURCE_NOT_FOUND", "none.txt");
  await at.refused({ prompt: "q", files: ["bin.dat"] }, "INVALID_PARAMS", "no text file");
  await at.refused({ prompt: "x".repeat(60_001) }, "INVALID_PARAMS", "60000", "name files");
  await at.refused({ prompt: "q", continuation_id: "nobody's" }, "RESOURCE_NOT_FOUND", "nobody's");
});

Deno.test("images are sent as they are, five at most, each checked", async () => {
  await using at = await setUp({ "a.png": PNG, "b.txt": "text" });
  const dataUrl = `data:image/png;base64,${PNG.toBase64()}`;
  const { asked } = await at.say({
    prompt: "what is it?",
    images: ["a.png", dataUrl, "https://example.com/x.png"],
  });
  const parts = asked.request.messages.at(-1)!.content as readonly { type: string; url?: string }[];
  assertEquals(parts.map(({ type }) => type), ["image", "image", "image", "text"]);
  assertEquals(parts.slice(0, 3).map(({ url }) => url), [dataUrl, dataUrl, "https://example.com/x.png"]);
  assertEquals(asked.query.needs?.images, true);
  await at.refused(
    { prompt: "q", images: Array(6).fill("a.png") },
    "INVALID_PARAMS",
    "at most 5 entries",
    "several calls",
  );
  await at.refused({ prompt: "q", images: ["b.txt"] }, "INVALID_PARAMS", "no PNG, JPEG, GIF or WebP");
  await at.refused({ prompt: "q", images: ["/etc/passwd"] }, "FORBIDDEN");
  await at.refused({ prompt: "q", images: ["data:text/html;base64,AAAA"] }, "INVALID_PARAMS", "text/html");
  await at.refused({ prompt: "q", images: ["data:image/png,raw"] }, "INVALID_PARAMS", "base64");
  const huge = `data:image/png;base64,${"A".repeat(28_000_000)}`;
  await at.refused({ prompt: "q", images: [huge] }, "TOO_LARGE", "scale it down");
});

Deno.test("an answer is in its thread even if its window, which is gone meanwhile, can no longer say who it is", async () => {
  await using at = await setUp({});
  const { id } = await at.say({ prompt: "one" });
  const { caller } = makeCall("", {});
  let isAsked = false;
  const identity = () => {
    if (isAsked) return Promise.reject(new Error("the session is over"));
    isAsked = true;
    return caller.identity();
  };
  const parts = { caller: { ...caller, identity } };
  const { answer } = await at.tools.call("chat", { prompt: "two", continuation_id: id }, parts);
  assertEquals(answer.continuation_offer?.continuation_id, id, JSON.stringify(answer.metadata));
});

Deno.test("an answer whose thread vanished meanwhile is given all the same", async () => {
  const models = new FakeModels(async () => {
    for (const { id } of await tools.threads.list()) await tools.threads.delete(id);
    return "paid for";
  });
  using tools = new TestTools({ models });
  const { thread } = await tools.threads.record({ tool: "chat", title: "t", request: { prompt: "p" } });
  const { answer, isError } = await tools.call("chat", { prompt: "q", continuation_id: thread.id });
  assertEquals([isError, answer.content, answer.continuation_offer], [false, "paid for", null]);
  assertStringIncludes(String(answer.metadata.note), "could not be added to its thread");
});

Deno.test("what the caller says of the model reaches it", async () => {
  await using at = await setUp({});
  const { asked, answer } = await at.say({
    prompt: "q",
    model: "two-alias",
    temperature: 0,
    thinking_mode: "max",
    use_websearch: true,
  });
  assertEquals([asked.model, answer.metadata.model], ["two", "two"]);
  const { temperature, thinkingMode, webSearch } = asked.request;
  assertEquals([temperature, thinkingMode, webSearch], [0, "max", true]);
  assertEquals(asked.query.needs?.thinking, "max");
  await at.refused({ prompt: "q", model: "nobody" }, "INVALID_PARAMS", "one, two, three");
  await at.refused({ prompt: "q", temperature: 1.5 }, "INVALID_PARAMS", "temperature must be at most 1");
});

Deno.test("half a character or a NUL in what was said does not reach a provider, in this question or a later one", async () => {
  await using at = await setUp({}, new FakeModels(() => "half \ud83d an answer"));
  const { id, asked } = await at.say({ prompt: "cut \ud83d here\0" });
  const later = await at.say({ prompt: "and now?", continuation_id: id });
  for (const { request } of [asked, later.asked]) {
    const prompt = request.messages.map(textOf).join("\n");
    assertEquals([prompt.isWellFormed(), prompt.includes("\0")], [true, false]);
    assertStringIncludes(prompt, "cut \ufffd here\ufffd");
  }
});

Deno.test("a cancelled chat stops its model and leaves no exchange behind", async () => {
  const begun = Promise.withResolvers<AbortSignal>();
  const models = new FakeModels(({ options }) => {
    begun.resolve(options.signal);
    return new Promise<string>(() => {});
  });
  using tools = new TestTools({ models });
  const controller = new AbortController();
  const call = tools.call("chat", { prompt: "q" }, { signal: controller.signal });
  const signal = await begun.promise;
  controller.abort(new ExaiError("TIMEOUT", "too long"));
  assertEquals((await assertRejects(() => call, ExaiError)).code, "TIMEOUT");
  assertEquals([signal.aborted, await tools.threads.list()], [true, []]);
});

Deno.test("whoever waits for a silent model hears again and again that the wait goes on, and nothing after its end", async () => {
  const told: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  {
    using pulse = new ProgressHeartbeat((message) => told.push(message) === 4 && resolve(), 1);
    pulse.send("asked m");
    await promise;
  }
  assertEquals(told[0], "asked m");
  for (const beat of told.slice(1)) assertMatch(beat, /^still waiting for the answer \(\d+ s\)$/);
});

Deno.test("a chat says how far it has come, each time with a higher number", async () => {
  const sent: JsonObject[] = [];
  const models = new FakeModels(({ options }) => {
    options.onProgress?.({ phase: "answering", chars: 100, message: "100 characters" });
    return "done";
  });
  using tools = new TestTools({ models });
  const notify = (_method: string, params: JsonObject) => void sent.push(params);
  await tools.call("chat", { prompt: "q" }, { notify, progressToken: 7 });
  assertEquals(sent.map(({ progress, progressToken }) => [progress, progressToken]), [[1, 7], [2, 7]]);
  assertStringIncludes(String(sent[1]!.message), "100 characters");
});
