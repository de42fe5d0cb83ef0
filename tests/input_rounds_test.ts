import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import { UNLIMITED } from "../lib/wire/json_scan.ts";
import type { Result, RpcRequest } from "../lib/wire/rpc.ts";
import { settled, Window } from "./helpers/instance.ts";
import { asks, callOf, DONE, FORM, modern } from "./helpers/modern_instance.ts";

Deno.test("what it asks of a client of the legacy era is asked as requests, all at once, and answered with its state", async () => {
  const { instance, upstream } = await modern(({ params }) =>
    params!.inputResponses ? DONE : asks({
      who: FORM,
      text: { method: "sampling/createMessage", params: { messages: [] } },
      where: { method: "roots/list" },
    }, "st")
  );
  const roots = [{ uri: "file:///w" }];
  const window = new Window("ada", { elicitation: {}, sampling: {}, roots: {} }, {
    roots: () => Promise.resolve(roots),
  });
  const open: string[] = [];
  window.answer = async (method) => {
    open.push(method);
    await settled();
    assertEquals(open.length, 2);
    return { result: { of: method } };
  };
  assertEquals(await instance.call(callOf(window)), DONE);
  const [first, second] = upstream.sent.filter((message) =>
    "method" in message && message.method === "tools/call"
  ) as RpcRequest[];
  assert(first!.id !== second!.id);
  assertEquals(second!.params!.requestState, "st");
  assertEquals(second!.params!.inputResponses, {
    who: { of: "elicitation/create" },
    text: { of: "sampling/createMessage" },
    where: { roots },
  });
  assertEquals(window.asked.map(({ by }) => by), ["call", "call"]);
});

Deno.test("a resource that depends on the answers of its reader is kept for nobody else", async () => {
  const { instance, upstream } = await modern(({ params }) => {
    const { inputResponses = params!.uri === "a:2" ? "anybody" : undefined } = params!;
    const text = JSON.stringify(inputResponses);
    return text ? { result: { contents: [{ text }], ttlMs: 60_000 } } : asks({ who: FORM });
  });
  // As messages come from a process: what is kept is their text.
  upstream.say = (message) =>
    upstream.onmessage!(readRawMessage(JSON.stringify({ jsonrpc: "2.0", ...message }), UNLIMITED)!);
  const read = async (name: string, uri: string) => {
    const window = new Window(name, { elicitation: {} });
    window.answer = () => Promise.resolve({ result: { by: name } });
    const { result } = await instance.call(window.call({ method: "resources/read", params: { uri } }));
    return (result!.contents as [JsonObject])[0].text;
  };
  for (const by of ["ada", "bob"]) assertEquals(await read(by, "a:1"), JSON.stringify({ who: { by } }));
  const sent = upstream.sent.length;
  for (const name of ["ada", "bob"]) assertEquals(await read(name, "a:2"), '"anybody"');
  assertEquals(upstream.sent.length, sent + 1);
});

Deno.test("a client of the modern era is told what it asks as it came", async () => {
  const needed = asks({ who: FORM }, "st");
  const { instance } = await modern(() => needed);
  const window = new Window("ada", { elicitation: {} }, { era: "modern" });
  assertEquals(await instance.call(callOf(window)), needed);
  assertEquals(window.asked, []);
});

Deno.test("an elicitation by URL gets an id of its own, and is told to be over when the server goes on", async () => {
  const url = { method: "elicitation/create", params: { mode: "url", message: "go", url: "https://a.test" } };
  const { instance } = await modern(({ params }) => params!.inputResponses ? DONE : asks({ it: url }));
  const window = new Window("ada", { elicitation: { url: {} } });
  await instance.call(callOf(window));
  const id = window.asked[0]!.params.elicitationId;
  assert(typeof id === "string" && id.length > 10);
  assertEquals(window.heard, [{
    method: "notifications/elicitation/complete",
    params: { elicitationId: id },
  }]);
});

Deno.test("a client is asked nothing it has not declared, and nothing else of the same answer either", async () => {
  const { instance } = await modern(() =>
    asks({ a: FORM, b: { method: "sampling/createMessage", params: {} } }, "st")
  );
  const window = new Window("ada", { elicitation: {} });
  const { error } = await instance.call(callOf(window));
  assertEquals((error!.data as JsonObject).requiredCapabilities, { sampling: {} });
  assertEquals(window.asked, []);
});

Deno.test("a client's refusal ends the call, and a server may ask eight times in a row", async () => {
  const { instance, upstream } = await modern(() => asks({ a: FORM }));
  const window = new Window("ada", { elicitation: {} });
  window.answer = () => Promise.resolve({ error: { code: -1, message: "no" } });
  assertEquals((await instance.call(callOf(window))).error?.message, 'elicitation/create of server "it": no');
  window.answer = () => Promise.resolve({ result: { action: "accept" } });
  window.asked.length = 0;
  const { error } = await instance.call(callOf(window));
  assertEquals([error?.message.includes("8 times in a row"), window.asked.length], [true, 8]);
  assert(!("requestState" in upstream.last("tools/call").params!));
});

Deno.test("when a client refuses one question, or the call is cancelled, the others are withdrawn", async () => {
  const { instance } = await modern(() =>
    asks({ a: FORM, b: { method: "sampling/createMessage", params: { messages: [] } } })
  );
  const window = new Window("ada", { elicitation: {}, sampling: {} });
  const withdrawn: string[] = [];
  const open = (method: string) =>
    new Promise<Result>((_, reject) => {
      const { signal } = window.asked.at(-1)!.options!;
      signal!.addEventListener("abort", () => {
        withdrawn.push(`${method}: ${signal!.reason.message}`);
        reject(signal!.reason);
      });
    });
  window.answer = (method) =>
    method === "elicitation/create" ? Promise.resolve({ error: { code: -1, message: "no" } }) : open(method);
  assertEquals((await instance.call(callOf(window))).error?.message, 'elicitation/create of server "it": no');
  window.answer = open;
  const controller = new AbortController();
  const running = instance.call(callOf(window, { name: "a" }, { signal: controller.signal }));
  await settled();
  controller.abort(new ExaiError("CANCELLED", "enough"));
  await assertRejects(() => running, ExaiError, "enough");
  assertEquals(withdrawn, [
    "sampling/createMessage: another question of the server has failed",
    "elicitation/create: enough",
    "sampling/createMessage: enough",
  ]);
});

Deno.test("a server that needs nothing but the request again gets it after a pause", async () => {
  const { instance, upstream } = await modern(({ params }) =>
    params!.requestState ? DONE : asks(undefined, "later")
  );
  const beganAt = performance.now();
  assertEquals(await instance.call(callOf(new Window("ada"))), DONE);
  assert(performance.now() - beganAt >= 240);
  assert(!("inputResponses" in upstream.last("tools/call").params!));
});
