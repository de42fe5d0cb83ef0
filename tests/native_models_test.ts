import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { SHIPPED_MODELS } from "../lib/provider/catalogue/catalogue.ts";
import { claudeError } from "./fixtures/anthropic_events.ts";
import { geminiError } from "./fixtures/gemini_events.ts";
import { nativeRig } from "./helpers/native_rig.ts";

const yes = { supported: true };
const no = { supported: false };

/** A model as Anthropic lists it (https://platform.claude.com/docs/en/api/models/list). */
function claude(id: string, { types, efforts = [] }: { types: string[]; efforts?: string[] }): JsonObject {
  const flags = (names: string[], given: string[]) =>
    Object.fromEntries(names.map((name) => [name, given.includes(name) ? yes : no]));
  return {
    type: "model",
    id,
    max_input_tokens: 500_000,
    max_tokens: 64_000,
    capabilities: {
      image_input: yes,
      structured_outputs: yes,
      server_tools: { supported: true, web_search: yes, code_execution: no },
      effort: { supported: efforts.length > 0, ...flags(["low", "medium", "high", "xhigh", "max"], efforts) },
      thinking: {
        supported: types.length > 0,
        types: flags(["adaptive", "enabled", "disabled", "between_tools"], types),
      },
    },
  };
}

Deno.test("models that Anthropic lists and nobody described are taken for what the list says of them", async () => {
  await using one = nativeRig("anthropic");
  one.server.models = [
    claude("claude-next-9", { types: ["adaptive", "disabled"], efforts: ["low", "high", "xhigh"] }),
    claude("claude-old-3", { types: ["enabled", "disabled"] }),
    claude("claude-plain-1", { types: [] }),
    claude("claude-opus-5-5", { types: ["adaptive"], efforts: ["low", "medium", "high", "xhigh", "max"] }),
  ];
  await one.models.refresh();
  const listed = one.models.status()[0]!.models;
  assertEquals(listed.map(({ name }) => name), [
    "claude-opus-5-5",
    "claude-next-9",
    "claude-old-3",
    "claude-plain-1",
  ]);
  assertEquals(listed.map(({ abilities }) => abilities.thinking), [true, true, true, false]);
  assertEquals(listed[1]!.contextTokens, 500_000);
  await one.ask("claude-next-9", { thinkingMode: "max", temperature: 0.2, webSearch: true });
  assertEquals(one.server.lastBody.output_config, { effort: "xhigh" });
  await one.ask("claude-next-9", { thinkingMode: "minimal" });
  assertEquals(one.server.lastBody.thinking, { type: "disabled" });
  await one.ask("claude-old-3", { thinkingMode: "max" });
  assertEquals((one.server.lastBody.thinking as JsonObject).budget_tokens, 32_000);
});

Deno.test("models that Gemini lists and nobody described are taken for what the list says of them", async () => {
  const model = (name: string, more: JsonObject = {}) => ({
    name: `models/${name}`,
    inputTokenLimit: 200_000,
    outputTokenLimit: 30_000,
    supportedGenerationMethods: ["generateContent", "countTokens"],
    thinking: true,
    ...more,
  });
  await using one = nativeRig("gemini");
  one.server.models = [
    model("gemini-9-radon"),
    model("gemini-2.5-flash-next"),
    model("gemini-2.0-flash", { thinking: undefined }),
    model("gemini-4-argon"),
    model("gemini-embedding-001", { supportedGenerationMethods: ["embedContent"] }),
    model("gemini-3-pro-image"),
    model("gemini-2.5-flash-preview-tts"),
    model("veo-3.0-generate-001", { supportedGenerationMethods: ["predictLongRunning"] }),
  ];
  await one.models.refresh();
  const { models, available, reason } = one.models.status()[0]!;
  assertEquals([available, reason], [true, undefined]);
  assertEquals(models.map(({ name }) => name), [
    "gemini-4-argon",
    "gemini-9-radon",
    "gemini-2.5-flash-next",
    "gemini-2.0-flash",
  ]);
  assertEquals(models[1]!.contextTokens, 200_000);
  const thinking = async (name: string) => {
    await one.ask(name, { thinkingMode: "max", temperature: 0.2 });
    const { thinkingConfig, temperature } = one.server.lastBody.generationConfig as JsonObject;
    return [thinkingConfig, temperature];
  };
  assertEquals(await thinking("gemini-9-radon"), [
    { includeThoughts: true, thinkingLevel: "HIGH" },
    undefined,
  ]);
  assertEquals(await thinking("gemini-2.5-flash-next"), [
    { includeThoughts: true, thinkingBudget: 24_576 },
    0.2,
  ]);
  await one.ask("gemini-2.0-flash", { temperature: 0.2 });
  assertEquals(one.server.lastBody.generationConfig, { temperature: 0.2 }, "it has no thoughts to show");
});

Deno.test("a native provider whose key is not taken says so before it is asked", async () => {
  for (const kind of ["gemini", "anthropic"] as const) {
    await using one = nativeRig(kind);
    await one.models.refresh();
    assertEquals(one.models.status()[0]!.available, true, "a server without a list is used nevertheless");
    one.server.listing = kind === "gemini"
      ? geminiError(400, "INVALID_ARGUMENT", "API key not valid", [{ reason: "API_KEY_INVALID" }])
      : claudeError(401, "authentication_error", "invalid key");
    await one.models.refresh();
    const { available, reason } = one.models.status()[0]!;
    assertEquals(available, false);
    assert(reason?.includes("Check its key"), reason);
  }
});

Deno.test("every model of the catalogue that thinks by a budget has one that its provider takes", () => {
  for (const { name, thinking, thinkingBudget, maxOutputTokens = 0 } of SHIPPED_MODELS) {
    if (thinkingBudget === undefined) continue;
    assert(Array.isArray(thinking) && thinkingBudget <= maxOutputTokens / 2, name);
  }
});

Deno.test("the names people know for Gemini and Claude find the native models", async () => {
  for (
    const [kind, names] of [["gemini", ["pro", "flash", "gemini"]], ["anthropic", [
      "opus",
      "sonnet",
      "haiku",
    ]]] as const
  ) {
    await using one = nativeRig(kind);
    for (const name of names) assertEquals((await one.ask(name)).provider, kind);
  }
});
