import { assertEquals, assertStringIncludes } from "@std/assert";
import { fail, OpenAiServer } from "./fixtures/openai_server.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";

const LENDING = { name: "the model", capabilities: { sampling: {} } };

/** What a tool answered, and whether it says that it failed. */
async function ask(
  client: Awaited<ReturnType<typeof sdkClient>>,
  name: string,
  args: Record<string, unknown>,
) {
  const result = await client.callTool({ name, arguments: args });
  return { ...JSON.parse(textOf(result)), isError: result.isError ?? false };
}

const LAST_STEP = {
  step: "look",
  step_number: 1,
  total_steps: 1,
  next_step_required: false,
  findings: "a race",
};

Deno.test("chat works with no key at all where the client lends its model, and its thread goes on", async () => {
  await using it = await testDaemon();
  await using client = await sdkClient(it.url, LENDING);
  const first = await ask(client, "chat", { prompt: "hello" });
  assertEquals([first.isError, first.content, first.metadata.provider], [false, "the model", "client"]);
  const { continuation_id } = first.continuation_offer;
  const second = await ask(client, "chat", { prompt: "and?", continuation_id });
  assertEquals(second.continuation_offer.continuation_id, continuation_id);
});

Deno.test("without a key and without a client's model, chat says what would set one up", async () => {
  await using it = await testDaemon({ settings: { findLocal: false } });
  await using client = await sdkClient(it.url);
  const answer = await ask(client, "chat", { prompt: "hello" });
  assertEquals([answer.isError, answer.status], [true, "error"]);
  assertStringIncludes(answer.content, "KIMI_API_KEY");
});

for (const name of ["debug", "codereview", "analyze", "refactor", "secaudit", "thinkdeep"]) {
  Deno.test(`${name} pauses without a model, then asks the expert with the whole state`, async () => {
    await using it = await testDaemon();
    await using client = await sdkClient(it.url, LENDING);
    const paused = await ask(client, name, { ...LAST_STEP, total_steps: 2, next_step_required: true });
    assertEquals([paused.isError, paused.metadata.model ?? null], [false, null]);
    assertStringIncludes(paused.status, "pause_for_");
    const { continuation_id } = paused.continuation_offer;
    assertEquals(paused.content.next_call.arguments.continuation_id, continuation_id);
    const ended = await ask(client, name, { ...LAST_STEP, step_number: 2, total_steps: 2, continuation_id });
    assertEquals([ended.isError, ended.content.completion], [false, "expert"]);
    assertStringIncludes(JSON.stringify(ended.content.expert_analysis), "the model");
  });
}

Deno.test("who is certain skips the expert, and the answer says so", async () => {
  await using it = await testDaemon();
  await using client = await sdkClient(it.url, LENDING);
  const ended = await ask(client, "debug", { ...LAST_STEP, confidence: "certain" });
  assertEquals([ended.isError, ended.content.completion], [false, "certain"]);
});

Deno.test("a provider that asks for a longer wait than the call may take is not waited for", async () => {
  await using provider = new OpenAiServer(
    fail(429, { error: { message: "slow down" } }, { "retry-after": "15" }),
  );
  const settings = { findLocal: false, customUrl: provider.url, customModel: "m" };
  await using it = await testDaemon({ settings });
  using client = await RawClient.hello(it.url);
  const { error, is_error, outputs } = await client.call("chat", { prompt: "hello" }, { timeout_ms: 10_000 });
  assertEquals([error, is_error], [undefined, true], "answered by the tool, not cut off");
  assertStringIncludes(JSON.stringify(outputs), "slow down");
  assertEquals(provider.chats.length, 1);
  await client.close();
});
