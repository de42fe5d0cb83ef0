import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import type { Server } from "../lib/call/server.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { Tracing } from "../lib/tracing/tracing.ts";
import { fail, say } from "./fixtures/openai_server.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";
import { agentRig, PRINTED, printing } from "./helpers/fake_agents.ts";
import { OddServer } from "./helpers/odd_server.ts";
import { OtlpReceiver, type ReceivedSpan } from "./helpers/otlp_receiver.ts";
import { rig } from "./helpers/provider_rig.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const _meta = { traceparent: `00-${TRACE}-b7ad6b7169203331-01`, tracestate: "shop=1", baggage: "user=ada" };

/** Traces one call of `server`, and returns the spans that were sent. */
async function spansOf(server: Pick<Server, "target">, params: JsonObject, parts: Partial<Call> = {}) {
  await using receiver = new OtlpReceiver();
  {
    await using tracing = await Tracing.open(defaultSettings(receiver.settings), new Set());
    const target = tracing.policies[0]!(server.target);
    await target(makeCall("tools/call", { ...params, _meta }, { ...parts, trace: {} }));
  }
  const [part, ...others] = receiver.spans as [ReceivedSpan, ...ReceivedSpan[]];
  return { part, call: others.at(-1)!, body: receiver.bodies.join() };
}

Deno.test("a request to a model is a span of the call, and names itself to the provider, without what is for servers", async () => {
  await using it = rig({ kind: "openai", scripts: [say("the secret answer")] });
  using tools = new TestTools({ models: it.models });
  const args = { prompt: "the secret question", model: "gpt-5" };
  const { part, call, body } = await spansOf(tools.server, { name: "chat", arguments: args });
  assertEquals([part.traceId, part.parentSpanId, part.kind], [TRACE, call.spanId, 3]);
  const { headers } = it.server.chats[0] ?? it.server.responses[0]!;
  assertEquals(headers.get("traceparent"), `00-${TRACE}-${part.spanId}-01`);
  assertEquals([headers.get("tracestate"), headers.get("baggage")], ["shop=1", null]);
  assertMatch(part.name, /^chat gpt-5/);
  assertEquals(part.attributes["gen_ai.provider.name"], "openai");
  assert(Number(part.attributes["gen_ai.usage.output_tokens"]) > 0);
  assertEquals(
    call.attributes["gen_ai.usage.output_tokens"],
    part.attributes["gen_ai.usage.output_tokens"],
  );
  assert(!body.includes("secret"));
});

Deno.test("a model that cannot be asked is a span that has failed", async () => {
  await using it = rig({ kind: "openai", responses: [fail(401, { error: { message: "the secret key" } })] });
  using tools = new TestTools({ models: it.models });
  const { part, call, body } = await spansOf(tools.server, {
    name: "chat",
    arguments: { prompt: "p", model: "gpt-5" },
  });
  assertEquals([part.attributes["error.type"], part.status.code], ["CONFIG", 2]);
  assertEquals(call.attributes["error.type"], "tool_error");
  assert(!body.includes("secret"));
});

Deno.test("an agent finds the span of its run in its environment", async () => {
  await using it = await agentRig({ claude: printing(PRINTED.claude) });
  const caller = { ...makeCall("", {}).caller, cwd: it.cwd };
  const params = { name: "clink", arguments: { prompt: "the secret task", agent: "claude" } };
  const { part, call, body } = await spansOf(it.tools.server, params, { caller });
  const { env } = await it.startOf("claude");
  assertEquals([part.name, part.parentSpanId], ["invoke_agent claude", call.spanId]);
  assertEquals(env.TRACEPARENT, `00-${TRACE}-${part.spanId}-01`);
  assertEquals([env.TRACESTATE, env.BAGGAGE], ["shop=1", "user=ada"]);
  assertEquals(part.attributes["exai.cost.usd"], 0.25);
  assert(!body.includes("secret"));
});

Deno.test("a client whose model is asked is told of the span of the call", async () => {
  using tools = new TestTools({ models: rig({ kind: "openai" }).models });
  const asked: JsonObject[] = [];
  const ask: Call["ask"] = (_method, params) => {
    asked.push(params as JsonObject);
    const content = { type: "text", text: "hi" };
    return Promise.resolve({ result: { role: "assistant", model: "m", content } });
  };
  const caller = { ...makeCall("", {}).caller, capabilities: { sampling: {} } };
  const args = { prompt: "p", model: "client" };
  const { call } = await spansOf(tools.server, { name: "chat", arguments: args }, { caller, ask });
  const told = asked[0]!._meta as JsonObject;
  assertEquals(told.traceparent, `00-${TRACE}-${call.spanId}-01`);
});

Deno.test("the span of a call that is answered with a handle ends with its work", async () => {
  await using receiver = new OtlpReceiver();
  const odd = Object.assign(new OddServer(), { detachAfterMs: 10 });
  {
    await using it = await testDaemon({ servers: [odd], settings: receiver.settings });
    using client = await RawClient.hello(it.url);
    const handle = /call-[\w-]+/.exec(firstText(await client.call("hold")))![0];
    const waiting = client.call("await_call", { handle });
    odd.release.resolve();
    await waiting;
    await client.close();
  }
  const held = receiver.spans.find(({ name }) => name === "tools/call hold")!;
  assertEquals(held.events.map(([name]) => name).at(-1), "exai.answered_early");
  assertEquals(held.attributes["exai.outcome"], "ok");
});
