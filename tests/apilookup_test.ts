import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { say } from "./fixtures/openai_server.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { fakeModel, FakeModels, promptOf } from "./helpers/fake_models.ts";
import { rig } from "./helpers/provider_rig.ts";

/** A model that cannot search the web. */
function plain(name: string) {
  return fakeModel(name, { abilities: { ...fakeModel(name).abilities, search: false } });
}

Deno.test("apilookup has the model search the web, and says which pages it read", async () => {
  const cited = (url: string, title?: string) => ({ type: "url_citation", url_citation: { url, title } });
  const annotations = [cited("https://deno.com/blog/v3", "Deno 3"), cited("https://docs.deno.com/api")];
  await using server = rig({
    kind: "openrouter",
    scripts: [say("Use Deno.serve, see https://docs.deno.com/api .", { delta: { annotations } })],
  });
  server.server.models = [{
    id: "vendor/searcher",
    context_length: 100_000,
    architecture: { input_modalities: ["text"], output_modalities: ["text"] },
    supported_parameters: ["tools", "temperature"],
  }];
  await server.models.refresh();
  using tools = new TestTools({ models: server.models });
  const { answer, isError } = await tools.call("apilookup", {
    prompt: "How do I serve HTTP in Deno?",
    model: "vendor/searcher",
  });
  assertEquals(isError, false, JSON.stringify(answer));
  assertEquals(server.server.lastBody.tools, [{ type: "openrouter:web_search" }]);
  // A page that the text does not name is named behind it.
  assertStringIncludes(String(answer.content), "- Deno 3: https://deno.com/blog/v3");
  assertEquals(String(answer.content).match(/docs\.deno\.com/g)?.length, 1);
  assertEquals(answer.metadata.sources, ["https://deno.com/blog/v3", "https://docs.deno.com/api"]);
  assertEquals(answer.metadata.prompt, "apilookup@1");
});

Deno.test("an answer that names no page says that it may be from memory", async () => {
  using tools = new TestTools({ models: new FakeModels(() => "It is version 3.") });
  const { metadata } = (await tools.call("apilookup", { prompt: "which version?" })).answer;
  assertEquals(metadata.sources, []);
  assertStringIncludes(String(metadata.note), "from memory");
  const linked = new FakeModels(() =>
    "Version 3 ([news](https://example.com/news), `https://example.com/api`)."
  );
  using other = new TestTools({ models: linked });
  const { sources } = (await other.call("apilookup", { prompt: "which version?" })).answer.metadata;
  assertEquals(sources, ["https://example.com/news", "https://example.com/api"]);
});

Deno.test("apilookup refuses a model that cannot search, and asks it nothing", async (test) => {
  await using server = rig({ kind: "custom", setup: { models: ["local"] } });
  await server.models.refresh();
  using tools = new TestTools({ models: server.models });
  const refusals: Record<string, JsonObject> = {
    "named": { model: "local" },
    "chosen": {},
  };
  for (const [name, args] of Object.entries(refusals)) {
    await test.step(name, async () => {
      const { answer, isError } = await tools.call("apilookup", { prompt: "p", ...args });
      assertEquals([isError, answer.metadata.error_code], [true, "INVALID_PARAMS"]);
      assertStringIncludes(String(answer.content), "cannot search the web");
      // There is nothing to leave out.
      assertEquals(String(answer.content).includes("use_websearch"), false);
      assertEquals(server.server.chats.length, 0);
    });
  }
});

Deno.test("a lookup goes on in its thread, with today's date and what was found before", async () => {
  const models = new FakeModels(() => "See https://example.com/a");
  using tools = new TestTools({ models });
  const first = await tools.call("apilookup", { prompt: "which database driver?" });
  const { continuation_id } = first.answer.continuation_offer!;
  await tools.call("apilookup", { prompt: "and its pool?", continuation_id });
  const [one, two] = models.asked;
  assertEquals([one!.request.webSearch, two!.request.webSearch], [true, true]);
  assertStringIncludes(promptOf(one!), `Today is ${new Date().toISOString().slice(0, 10)}`);
  assertStringIncludes(promptOf(two!), "which database driver?");
  assertStringIncludes(promptOf(two!), "https://example.com/a");
});

Deno.test("with several models one that searches is chosen", async () => {
  const models = new FakeModels();
  models.models = [fakeModel("searcher"), plain("other")];
  using tools = new TestTools({ models });
  const { answer } = await tools.call("apilookup", { prompt: "p" });
  assertEquals(answer.metadata.model, "searcher");
  assert(models.asked.every(({ query }) => query.needs?.webSearch));
});
