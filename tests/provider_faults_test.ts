import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { redact } from "../lib/base/log.ts";
import type { FaultKind } from "../lib/provider/provider.ts";
import {
  answer,
  babble,
  cutAfter,
  fail,
  hang,
  hangAfter,
  OpenAiServer,
  raw,
  say,
  type Script,
  stopAfter,
  whole,
} from "./fixtures/openai_server.ts";
import { QUESTION, type Rig, rig, type RigOptions, TEST_KEY } from "./helpers/provider_rig.ts";

const MODEL = "gpt-4.1";

/** Asks once; the call fails with `fault` after exactly `requests` requests. */
async function assertFault(one: Rig, fault: FaultKind, requests: number): Promise<ExaiError> {
  const error = await assertRejects(() => one.ask(MODEL), ExaiError);
  assertEquals(error.details?.fault, fault, error.message);
  assertEquals(one.server.chats.length, requests);
  assert(
    !error.message.includes(TEST_KEY) && !JSON.stringify(error.details).includes(TEST_KEY),
    error.message,
  );
  return error;
}

async function faultOf(scripts: Script[], expected: { fault: FaultKind; requests: number } & RigOptions) {
  const { fault, requests, ...options } = expected;
  await using one = rig({ ...options, scripts });
  return await assertFault(one, fault, requests);
}

Deno.test("a provider that is asked too often is asked again after the time it says", async () => {
  const limited = fail(429, { error: { message: "slow down" } }, { "retry-after-ms": "5" });
  await using one = rig({ scripts: [limited, limited, say("Now.")] });
  const phases: string[] = [];
  const started = performance.now();
  const result = await one.ask(MODEL, {}, { onProgress: ({ phase }) => phases.push(phase) });
  assert(performance.now() - started >= 10, "both waits were kept");
  assertEquals(result.text, "Now.");
  assertEquals(one.server.chats.length, 3);
  assertEquals(phases.filter((phase) => phase === "retrying").length, 2);
});

Deno.test("a provider that asks for a long wait is given up at once, with the time it said", async () => {
  const limited = fail(429, { error: { message: "slow down" } }, { "retry-after": "90" });
  const error = await faultOf([limited], { fault: "rate_limit", requests: 1 });
  assertEquals(error.code, "UPSTREAM_UNAVAILABLE");
  assertEquals(error.retryAfterMs, 90_000);
  assert(error.message.includes("slow down"), error.message);
});

Deno.test("Retry-After may be a date", async () => {
  const at = new Date(Date.now() + 3_600_000).toUTCString();
  const error = await faultOf([fail(429, {}, { "retry-after": at })], { fault: "rate_limit", requests: 1 });
  assert(error.retryAfterMs! > 3_590_000 && error.retryAfterMs! <= 3_600_000);
});

Deno.test("other calls heed the wait that one call was told", async () => {
  await using one = rig({ scripts: [fail(429, {}, { "retry-after": "90" }), say("Too soon.")] });
  await assertFault(one, "rate_limit", 1);
  const error = await assertFault(one, "rate_limit", 1);
  assert(error.retryAfterMs! > 80_000);
  assertEquals((await one.ask("gpt-4o")).text, "Too soon.", "another model is not meant");
});

Deno.test("no wait is begun that outlasts the caller", async () => {
  const limited = fail(429, {}, { "retry-after": "10" });
  await using one = rig({ scripts: [limited] });
  const ask = () => one.ask(MODEL, {}, { deadlineMs: Date.now() + 5000 });
  const error = await assertRejects(ask, ExaiError);
  assertEquals([error.details?.fault, error.retryAfterMs], ["rate_limit", 10_000]);
});

Deno.test("a failing provider is asked three times, then its words are passed on", async () => {
  for (const status of [500, 502, 503, 529, 408]) {
    await using one = rig({ scripts: [fail(status, { error: { message: "broken" } }), say("Well again.")] });
    assertEquals((await one.ask(MODEL)).text, "Well again.", String(status));
  }
  const error = await faultOf([fail(500, { error: { message: "kaputt" } })], {
    fault: "outage",
    requests: 3,
  });
  assert(error.message.includes("kaputt") && error.message.includes("500"), error.message);
});

Deno.test("what may have been billed is not asked again", async (test) => {
  const cases: [string, Script, FaultKind][] = [
    ["a gateway that gave up waiting", fail(504, {}), "cut"],
    ["a stream that breaks off", cutAfter("Half an"), "cut"],
    ["a stream that ends without its end", stopAfter("Half an"), "cut"],
    [
      "an error within the answer",
      raw(
        '{"choices":[{"delta":{"content":"Half"}}]}',
        '{"error":{"code":502,"message":"upstream died"}}',
      ),
      "cut",
    ],
    ["an answer that says it broke off", say("Half", { finishReason: "network_error" }), "cut"],
    ["an answer of nothing", say(""), "empty"],
    ["an answer of thoughts alone", say("", { reasoning: "Hm.", finishReason: "length" }), "empty"],
    ["an answer that was filtered", say("", { finishReason: "sensitive" }), "empty"],
    ["events that are no JSON", raw('{"choices":[{"delta":'), "malformed"],
    ["events that are no objects", raw("[1,2]"), "malformed"],
    ["a web page", answer("<html>Sign in</html>", "text/html"), "malformed"],
    ["a key that is not taken", fail(401, { error: { message: `Bad key ${TEST_KEY}` } }), "auth"],
    [
      "an account with nothing left",
      fail(429, { error: { code: "insufficient_quota", message: "?" } }),
      "auth",
    ],
    ["an account of Z.AI with nothing left", fail(429, { error: { code: "1113", message: "?" } }), "auth"],
    ["a request that is refused", fail(400, { error: { message: "bad request" } }), "refused"],
    ["a model that is gone", fail(404, { error: { message: "no such model" } }), "refused"],
    ["a redirect", () => Response.redirect("http://127.0.0.1:9/v1/chat/completions", 307), "refused"],
  ];
  for (const [name, script, fault] of cases) {
    await test.step(name, async () => void await faultOf([script], { fault, requests: 1 }));
  }
});

Deno.test("an error that comes first in a stream is as one that comes instead of it", async () => {
  const limited = raw('{"error":{"code":429,"message":"busy"}}');
  await using one = rig({ scripts: [limited, say("Free.")] });
  assertEquals((await one.ask(MODEL)).text, "Free.");
});

Deno.test("faults say what to do", async () => {
  const words = async (script: Script, fault: FaultKind, requests = 1) =>
    (await faultOf([script], { fault, requests })).message;
  assert((await words(fail(401, {}), "auth")).includes("Check its key"));
  assert((await words(fail(404, {}), "refused")).includes("listmodels"));
  assert((await words(answer("<html>", "text/html"), "malformed")).includes("/v1"));
  assert((await words(say("", { finishReason: "length" }), "empty")).includes("thinking_mode"));
});

Deno.test("a provider that cannot be reached was not billed: it is tried again, then named", async () => {
  const server = new OpenAiServer();
  const { url } = server;
  await server[Symbol.asyncDispose]();
  await using one = rig({ setup: { baseUrl: url } });
  const error = await assertRejects(() => one.ask(MODEL), ExaiError);
  assertEquals(error.details?.fault, "outage");
  assert(error.message.startsWith("openai cannot be reached"), error.message);
});

Deno.test("a connection that breaks before the answer is not tried again: the model may have run", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let requests = 0;
  const serving = (async () => {
    for await (const conn of listener) {
      requests++;
      await conn.read(new Uint8Array(65_536));
      conn.close();
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  await using one = rig({ setup: { baseUrl: `http://127.0.0.1:${port}/v1` } });
  const route = await one.models.resolve({ requested: MODEL, tool: "chat" });
  const { signal } = new AbortController();
  const error = await assertRejects(() => one.models.chat(route, QUESTION, { signal }), ExaiError);
  assertEquals([error.code, error.details?.fault, requests], ["OUTCOME_UNKNOWN", "cut", 1]);
  listener.close();
  await serving;
});

Deno.test("a provider that falls silent is given up, and its connection closed", async () => {
  for (const script of [hang(), hangAfter("One two")]) {
    await using one = rig({ scripts: [script], setup: { silenceMs: 100 } });
    const error = await assertRejects(() => one.ask(MODEL), ExaiError);
    assertEquals([error.code, error.details?.fault], ["TIMEOUT", "timeout"]);
    // On a busy machine the time can be up before the server has seen the question.
    assert(one.server.chats.length <= 1, "it is not asked again");
    await one.server.chats[0]?.closed;
  }
});

Deno.test("a call that is cancelled stops the spending at once, before the answer and within it", async () => {
  for (const script of [hang(), hangAfter("One two three")]) {
    await using one = rig({ scripts: [script] });
    const controller = new AbortController();
    const asking = one.ask(MODEL, {}, { signal: controller.signal });
    asking.catch(() => {});
    const request = await one.server.askedFor(1);
    const reason = new ExaiError("TIMEOUT", "the call took longer than it may");
    controller.abort(reason);
    assertEquals(await asking.catch((thrown) => thrown), reason);
    await request.closed;
    assertEquals(one.server.chats.length, 1);
  }
});

Deno.test("a call cancelled while it waits to ask again does not ask again", async () => {
  await using one = rig({ scripts: [fail(429, {}, { "retry-after": "15" })] });
  const controller = new AbortController();
  const onProgress = ({ phase }: { phase: string }) => {
    if (phase === "retrying") controller.abort();
  };
  const error = await assertRejects(
    () => one.ask(MODEL, {}, { signal: controller.signal, onProgress }),
    ExaiError,
  );
  assertEquals(error.code, "CANCELLED");
  assertEquals(one.server.chats.length, 1);
});

Deno.test("an answer without end is stopped", async () => {
  await using one = rig({ scripts: [babble()] });
  const error = await assertFault(one, "too_large", 1);
  assertEquals(error.code, "TOO_LARGE");
  await one.server.chats[0]!.closed;
});

Deno.test("a single event without end is stopped", async () => {
  const line = `data: ${"x".repeat(20 * 1024 * 1024)}`;
  await faultOf([answer(line, "text/event-stream")], { fault: "too_large", requests: 1 });
});

Deno.test("a server that knows no streams is understood", async () => {
  await using one = rig({ scripts: [whole("All at once.")] });
  const result = await one.ask(MODEL);
  assertEquals([result.text, result.usage.inputTokens], ["All at once.", 12]);
});

Deno.test("usage that a provider does not tell is estimated, and said to be", async () => {
  await using one = rig({ scripts: [say("Hello there, friend.", { usage: null })] });
  const { usage } = await one.ask(MODEL);
  assertEquals(usage.estimated, true);
  assert(usage.inputTokens > 0 && usage.outputTokens >= 4);
});

Deno.test("thoughts are kept apart from the answer, also where a local model writes them into it", async () => {
  await using told = rig({ scripts: [say("42.", { reasoning: "Six by nine." })] });
  const { text, reasoning } = await told.ask(MODEL);
  assertEquals([text, reasoning], ["42.", "Six by nine."]);
  await using local = rig({
    kind: "custom",
    setup: { models: ["qwq"] },
    scripts: [say("<think>Hm.</think>\n42.")],
  });
  const split = await local.ask("qwq");
  assertEquals([split.text, split.reasoning], ["42.", "Hm."]);
});

Deno.test("progress tells of the question, the thinking and the answer", async () => {
  await using one = rig({ scripts: [say("A b c.", { reasoning: "Hm hm." })] });
  const phases: string[] = [];
  await one.ask(MODEL, {}, { onProgress: ({ phase }) => phases.push(phase) });
  assertEquals(phases, ["queued", "sent", "thinking", "answering"]);
});

Deno.test("a provider that keeps failing is left alone, says so, and is tried again later", async () => {
  const breaker = { failures: 3, openMs: 60_000 };
  await using one = rig({ scripts: [fail(500, {})], breaker });
  await assertFault(one, "outage", 3);
  const open = await assertFault(one, "breaker_open", 3);
  assert(open.retryAfterMs! > 0 && open.message.includes("left alone"), open.message);
  const [status] = one.models.status();
  assertEquals(status?.available, false);
  assert(status?.reason?.includes("left alone"), status?.reason);
  one.server.models = [{ id: MODEL }];
  one.server.script(say("Well."));
  await one.models.refresh();
  assertEquals(one.models.status()[0]?.available, true);
  assertEquals((await one.ask(MODEL)).text, "Well.");
});

Deno.test("after its time the breaker lets one call try", async () => {
  await using one = rig({ scripts: [fail(500, {})], breaker: { failures: 3, openMs: 0 } });
  await assertFault(one, "outage", 3);
  one.server.script(say("Well."));
  assertEquals((await one.ask(MODEL)).text, "Well.");
});

Deno.test("what a provider refuses or limits does not open its breaker", async () => {
  await using one = rig({ scripts: [fail(400, {})], breaker: { failures: 2, openMs: 60_000 } });
  for (let i = 1; i <= 4; i++) await assertFault(one, "refused", i);
});

Deno.test("a slot is taken for the time of each request, and given back whatever comes of it", async () => {
  let held = 0;
  let most = 0;
  const taken: string[] = [];
  const admit = (provider: string) => {
    taken.push(provider);
    most = Math.max(most, ++held);
    return { [Symbol.dispose]: () => void held-- };
  };
  await using one = rig({ scripts: [fail(500, {}), say("Well."), fail(400, {})], admit });
  await one.ask(MODEL);
  await assertRejects(() => one.ask(MODEL), ExaiError);
  assertEquals([held, most, taken.join()], [0, 1, "openai,openai,openai"]);
});

Deno.test("a call cancelled while it waits for a slot leaves nothing behind and sends nothing", async () => {
  const waiting = Promise.withResolvers<void>();
  const admit = (_: string, signal: AbortSignal) => {
    waiting.resolve();
    return new Promise<Disposable>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
  };
  await using one = rig({ admit });
  const controller = new AbortController();
  const asking = one.ask(MODEL, {}, { signal: controller.signal });
  await waiting.promise;
  controller.abort(new ExaiError("CANCELLED", "gone"));
  assertEquals((await assertRejects(() => asking, ExaiError)).code, "CANCELLED");
  assertEquals(one.server.chats.length, 0);
});

Deno.test("keys are registered as secrets, so that no log line has them", async () => {
  const apiKey = "sk-only-in-this-test-12345";
  await using _one = rig({ setup: { apiKey } });
  assertEquals(redact(`key ${apiKey}`), "key [secret]");
});

Deno.test("calls of one provider run side by side", async () => {
  await using one = rig({ scripts: [hangAfter("Slow"), say("Quick.")] });
  const controller = new AbortController();
  const slow = one.ask(MODEL, {}, { signal: controller.signal });
  slow.catch(() => {});
  await one.server.askedFor(1);
  assertEquals((await one.ask(MODEL, QUESTION)).text, "Quick.");
  controller.abort();
  await assertRejects(() => slow, ExaiError);
});
