import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { createModelRouter, type ProviderSetup } from "../lib/provider/configured_router.ts";
import { BreakingServer } from "./helpers/breaking_server.ts";
import { QUESTION } from "./helpers/provider_rig.ts";

const PROVIDERS: Readonly<Partial<Record<ProviderSetup["kind"], { model: string; answer: JsonObject }>>> = {
  openai: {
    model: "gpt-4.1",
    answer: { choices: [{ message: { content: "Hello." }, finish_reason: "stop" }] },
  },
  gemini: {
    model: "gemini-2.5-flash",
    answer: { candidates: [{ content: { parts: [{ text: "Hello." }] }, finishReason: "STOP" }] },
  },
  anthropic: {
    model: "claude-haiku-4-5",
    answer: { type: "message", content: [{ type: "text", text: "Hello." }], stop_reason: "end_turn" },
  },
};

Deno.test("a question is not sent again by itself when the connection breaks on which another was answered", async () => {
  for (const [kind, { model, answer }] of Object.entries(PROVIDERS)) {
    // As one that breaks down while a model thinks.
    await using server: BreakingServer = new BreakingServer({
      answer: () => server.bodies.length === 1 ? answer : undefined,
    });
    const setups = [{ kind: kind as ProviderSetup["kind"], apiKey: "key-1234", baseUrl: server.url }];
    using models = createModelRouter({ setups });
    const route = await models.resolve({ requested: model, tool: "chat" });
    const { signal } = new AbortController();
    assertEquals((await models.chat(route, QUESTION, { signal })).text, "Hello.");
    const error = await assertRejects(() => models.chat(route, QUESTION, { signal }), ExaiError);
    assertEquals([error.details?.fault, server.bodies.length], ["cut", 2], kind);
  }
});
