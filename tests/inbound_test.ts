import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { HeldTimers } from "./helpers/held_timers.ts";
import { instanceOf, settled, Window } from "./helpers/instance.ts";
import { ask, ASKED, QUESTION, together } from "./helpers/together.ts";

const RELATED = "io.modelcontextprotocol/related-task";

Deno.test("a server's ping is answered, and its question goes to the call that runs", async () => {
  const { upstream, ada, bob, run, questions } = await together();
  assertEquals((await ask(upstream, "p", { method: "ping" }))?.result, {});
  run(ada);
  ada.answer = () => Promise.resolve({ result: { action: "decline" } });
  assertEquals(
    await ask(upstream, "q"),
    { jsonrpc: "2.0", id: "q", result: { action: "decline" } } as Result,
  );
  const [{ method, params, by }] = ada.asked as [Window["asked"][number]];
  assertEquals([method, params as unknown, by, bob.asked], [
    "elicitation/create",
    { message: "who?" },
    "call",
    [],
  ]);
  assertEquals(questions, [{
    method: "elicitation/create",
    capability: "elicitation",
    candidates: [],
    isRefused: false,
  }]);
});

Deno.test("outside of any call the one window of a server is asked as a session", async () => {
  const { instance, upstream } = await instanceOf();
  const ada = new Window("ada", ASKED);
  instance.attach(ada.caller);
  await ask(upstream, 1);
  upstream.say({ method: "notifications/message", params: { level: "info", data: "x" } });
  assertEquals([ada.asked[0]?.by, ada.heard], ["session", [
    { method: "notifications/message", params: { level: "info", data: "x" } },
  ]]);
});

Deno.test("a question that might be any of several windows' is refused, and it is noted who might be meant", async () => {
  const { upstream, ada, bob, run, questions, logged } = await together();
  run(ada);
  run(bob);
  const { error } = (await ask(upstream, "q"))!;
  assertMatch(error!.message, /elicitation\/create was refused: .* server "it" .*; call again$/);
  assertEquals([
    error!.code,
    questions.map(({ candidates: suspects, ...rest }) => ({ ...rest, who: suspects.map(({ id }) => id) })),
  ], [
    -32600,
    [{ method: "elicitation/create", capability: "elicitation", isRefused: true, who: ["ada", "bob"] }],
  ]);
  assertMatch(
    logged[0]!,
    /^[\dTZ:.-]+ elicitation\/create refused: it cannot be told which window it is for$/,
  );
  assertEquals([ada.asked, bob.asked], [[], []]);
  upstream.say({ method: "notifications/message", params: { data: "whose?" } });
  assertMatch(logged[1]!, /notifications\/message of no window: \{"data":"whose\?"\}$/);
});

Deno.test("a window that comes back under its id after its session has ended is asked and told again", async () => {
  const { instance, upstream, ada, bob, run, logged } = await together();
  const id = run(ada);
  upstream.say({ id, result: {} });
  instance.detach(ada.caller);
  const again = new Window("ada", ASKED);
  instance.attach(again.caller);
  run(again);
  assertEquals((await ask(upstream, "q"))?.result, { action: "accept" });
  upstream.say({ method: "notifications/message", params: { level: "info", data: "x" } });
  assertEquals([again.asked.length, again.heard.length, ada.asked, ada.heard, bob.asked, logged], [
    1,
    1,
    [],
    [],
    [],
    [],
  ]);
});

Deno.test("that a session is over is not taken for the end of the next one under its id", async () => {
  const { instance, upstream, ada, run } = await together();
  const again = new Window("ada", ASKED);
  instance.attach(again.caller);
  run(again);
  instance.detach(ada.caller);
  assertEquals((await ask(upstream, "q"))?.result, { action: "accept" });
  upstream.say({ method: "notifications/tools/list_changed" });
  assertEquals([again.asked.length, again.heard.length, ada.heard.length], [1, 1, 0]);
});

Deno.test("a question that no call runs for is refused as such", async () => {
  const { upstream, ada, bob } = await together();
  const { error } = (await ask(upstream, "q"))!;
  assertEquals(error!.message, "elicitation/create belongs to no call that is running, so to no client");
  assertEquals([ada.asked, bob.asked], [[], []]);
});

Deno.test("where no window that might be meant can answer, the server is told what such a client tells", async () => {
  const { upstream, ada, bob, run, questions } = await together([{}, { sampling: {} }]);
  run(ada);
  run(bob);
  assertEquals((await ask(upstream, "q"))?.error?.message, "this client does not offer elicitation");
  assertEquals(questions, []);
  assertMatch(
    (await ask(upstream, "s", { method: "sampling/createMessage" }))!.error!.message,
    /was refused/,
  );
  assertEquals(questions[0]!.candidates.map(({ id }) => id), ["bob"]);
  assertEquals(
    (await ask(upstream, "r", { method: "roots/list" }))?.error?.message,
    "this client does not offer roots",
  );
  const odd = (await ask(upstream, "o", { method: "x/odd" }))!.error!;
  assertMatch(odd.message, /x\/odd was refused/);
  assertEquals(questions.at(-1)!.capability, undefined);
  const untold = await instanceOf({ capabilities: {} });
  assertEquals((await ask(untold.upstream, "q"))?.error?.message, "this client does not offer elicitation");
});

Deno.test("a window is asked only what it can answer, and a part it does not know is left out", async () => {
  const { upstream, ada, run } = await together([{ sampling: {} }, {}]);
  run(ada);
  assertEquals((await ask(upstream, 1))?.error?.message, "this client does not offer elicitation");
  const sampling = { method: "sampling/createMessage", params: { task: { ttl: 1 }, a: 1, _meta: { x: 1 } } };
  await ask(upstream, 2, sampling);
  assertEquals(ada.asked.map(({ params }) => params), [{ a: 1, _meta: { x: 1 } }]);
});

Deno.test("roots that windows share are told at once, others are asked for", async () => {
  const shared = await instanceOf({ roots: [{ uri: "file:///w" }] });
  assertEquals((await ask(shared.upstream, 1, { method: "roots/list" }))?.result as unknown, {
    roots: [{ uri: "file:///w" }],
  });
  const own = await instanceOf();
  const ada = new Window("ada", { roots: {} });
  ada.answer = () => Promise.resolve({ result: { roots: [] } });
  own.instance.attach(ada.caller);
  assertEquals((await ask(own.upstream, 1, { method: "roots/list" }))?.result as unknown, { roots: [] });
});

Deno.test("progress of a client on a question goes back under the server's own token", async () => {
  const { upstream, ada, run } = await together();
  run(ada);
  await ask(upstream, "q", {
    ...QUESTION,
    params: { message: "who?", _meta: { progressToken: "its", x: 1 } },
  });
  assertEquals(ada.asked[0]!.params, { message: "who?", _meta: { x: 1 } });
  ada.asked[0]!.options!.onProgress!({ progressToken: 7, progress: 1 });
  assertEquals(upstream.last("notifications/progress").params, { progressToken: "its", progress: 1 });
  await ask(upstream, "r");
  assertEquals(ada.asked[1]!.options!.onProgress, undefined);
});

Deno.test("a question that a server withdraws is withdrawn from the window and not answered", async () => {
  for (const [id, named] of [["q", "q"], [7, "7"], ["7", 7]] as const) {
    const { upstream, ada, run } = await together();
    run(ada);
    ada.answer = (_method, _params) => new Promise(() => {});
    upstream.say({ id, ...QUESTION });
    await settled();
    upstream.say({ method: "notifications/cancelled", params: { requestId: "other" } });
    const { signal } = ada.asked[0]!.options!;
    assertEquals(signal!.aborted, false);
    upstream.say({ method: "notifications/cancelled", params: { requestId: named, reason: "enough" } });
    const { code, message } = signal!.reason as ExaiError;
    assertEquals([code, message], ["CANCELLED", "the server withdrew its question: enough"]);
  }
  const { upstream, ada, run } = await together();
  run(ada);
  const { promise, reject } = Promise.withResolvers<Result>();
  ada.answer = () => promise;
  upstream.say({ id: "q", ...QUESTION });
  await settled();
  upstream.say({ method: "notifications/cancelled", params: { requestId: "q" } });
  assertEquals(
    ada.asked[0]!.options!.signal!.reason.message,
    "the server withdrew its question: no reason given",
  );
  reject(new Error("withdrawn"));
  await settled();
  assertEquals(upstream.answered("q"), undefined);
});

Deno.test("what a window throws is the answer, and a question that cannot be handled is answered too", async () => {
  const { upstream, ada, run } = await together();
  run(ada);
  ada.answer = () => Promise.reject(new ExaiError("TIMEOUT", "nobody answered"));
  assertEquals((await ask(upstream, "q"))?.error?.message, "nobody answered");
  ada.answer = () => Promise.resolve({ error: { code: 5, message: "no" } });
  assertEquals((await ask(upstream, "r"))?.error, { code: 5, message: "no" });
});

Deno.test("where answering itself fails the server is told so, and may ask the same again", async () => {
  const { upstream, ada, run } = await together();
  run(ada);
  const { send } = upstream;
  upstream.send = () => {
    upstream.send = send;
    throw new Error("it cannot be written");
  };
  const { error } = (await ask(upstream, "q"))!;
  assertEquals([error!.code, error!.message], [-32603, "it cannot be written"]);
  upstream.sent.length = 0;
  assertEquals((await ask(upstream, "q"))?.result, { action: "accept" });
});

Deno.test("when a server ends, the windows it has asked are told so, and owe no answer", async () => {
  const { upstream, ada, run } = await together();
  run(ada);
  const { promise, resolve } = Promise.withResolvers<Result>();
  ada.answer = () => promise;
  upstream.say({ id: "q", ...QUESTION });
  await settled();
  upstream.onclose!();
  assertEquals((ada.asked[0]!.options!.signal!.reason as ExaiError).code, "UPSTREAM_UNAVAILABLE");
  resolve({ result: {} });
  await settled();
  assertEquals(upstream.answered("q"), undefined);
});

Deno.test("so many questions of one server are open at once, more are refused", async () => {
  const { upstream, ada, run } = await together();
  run(ada);
  ada.answer = () => new Promise(() => {});
  for (let id = 0; id < 256; id++) upstream.say({ id: `q${id}`, ...QUESTION });
  await settled();
  assertEquals([ada.asked.length, upstream.answered("q255")], [256, undefined]);
  const refused = await ask(upstream, "one more");
  assertEquals([refused?.error?.message, ada.asked.length], [
    "256 of your requests to this client are not answered yet",
    256,
  ]);
});

Deno.test("a question about a task or an elicitation goes to the window that it is of, whatever runs", async () => {
  const { instance, upstream, ada, bob, run } = await together();
  upstream.answer = ({ params }) =>
    params?.name === "task"
      ? { result: { task: { taskId: "t1" } } }
      : params?.name === "url"
      ? { error: { code: -32042, message: "first", data: { elicitations: [{ elicitationId: "e1" }] } } }
      : undefined;
  await instance.call(ada.call({ params: { name: "task" } }));
  await instance.call(bob.call({ params: { name: "url" } }));
  run(bob);
  const task = { ...QUESTION, params: { message: "?", _meta: { [RELATED]: { taskId: "t1" } } } };
  await ask(upstream, 1, task);
  assertEquals([ada.asked.map(({ by }) => by), bob.asked], [["session"], []]);
  upstream.say({ method: "notifications/elicitation/complete", params: { elicitationId: "e1" } });
  assertEquals(bob.heard.map(({ method }) => method), ["notifications/elicitation/complete"]);
  upstream.say({
    method: "notifications/message",
    params: { data: "x", _meta: { [RELATED]: { taskId: "t1" } } },
  });
  assertEquals(ada.heard.length, 1);
  instance.detach(ada.caller);
  const { error } = (await ask(upstream, 2, task))!;
  assert(error);
  assertEquals([ada.asked.length, bob.asked.length], [1, 0]);
});

Deno.test("an elicitation a window was asked by URL is that window's when it completes", async () => {
  const { upstream, ada, bob, run, logged } = await together([{ elicitation: { url: {} } }, ASKED]);
  const id = run(ada);
  await ask(upstream, 1, { ...QUESTION, params: { mode: "url", elicitationId: "e2" } });
  upstream.say({ id, result: {} });
  run(bob);
  upstream.say({ method: "notifications/elicitation/complete", params: { elicitationId: "e2" } });
  upstream.say({ method: "notifications/elicitation/complete", params: { elicitationId: "e3" } });
  assertEquals([ada.heard.length, bob.heard.length, logged.length], [1, 0, 1]);
});

Deno.test("progress that belongs to no call is nobody's, and neither is that of a call that wants none", async () => {
  const { upstream, ada, run, logged } = await together();
  const id = run(ada);
  upstream.say({ method: "notifications/progress", params: { progressToken: id, progress: 1 } });
  upstream.say({ method: "notifications/progress", params: { progressToken: 999, progress: 1 } });
  assertEquals([ada.heard, logged.length], [[], 2]);
  assertMatch(logged[1]!, /notifications\/progress of no window: \{"progressToken":999,"progress":1\}$/);
});

Deno.test("of what belongs to nobody so much is logged, without secrets", async () => {
  const { upstream, logged } = await together();
  upstream.say({ method: "notifications/\x1b[2J", params: { data: "x".repeat(10_000) } });
  const text = logged[0]!;
  assert(text.length > 4000 && text.length < 4100 && !text.includes("\x1b"), String(text.length));
});

Deno.test("an update that comes again and again is told once each pause, the last always; a window that left hears no more", async () => {
  using pauses = new HeldTimers(100);
  const { instance, upstream, ada } = await together();
  upstream.answer = () => ({ result: {} });
  for (const uri of ["a:", "b:"]) {
    await instance.call(ada.call({ method: "resources/subscribe", params: { uri } }));
  }
  for (let n = 0; n < 5; n++) {
    upstream.say({ method: "notifications/resources/updated", params: { uri: "a:" } });
  }
  upstream.say({ method: "notifications/resources/updated", params: { uri: "b:" } });
  assertEquals(ada.heard.map(({ params }) => params?.uri), ["a:", "b:"]);
  pauses.pass();
  pauses.pass();
  assertEquals(ada.heard.map(({ params }) => params?.uri), ["a:", "b:", "a:"]);
  upstream.say({ method: "notifications/resources/updated", params: { uri: "a:" } });
  await instance.call(ada.call({ method: "resources/unsubscribe", params: { uri: "a:" } }));
  pauses.pass();
  assertEquals(ada.heard.length, 3);
  for (let n = 0; n < 2; n++) upstream.say({ method: "notifications/tools/list_changed" });
  assertEquals(ada.heard.length, 4);
  upstream.onclose!();
  assertEquals(ada.heard.length, 5);
});

Deno.test("an update under a very long name is passed on each time", async () => {
  const { instance, upstream, ada } = await together();
  upstream.answer = () => ({ result: {} });
  await instance.call(ada.call({ method: "resources/subscribe", params: { uri: "a:/" } }));
  const say = (chars: number) =>
    upstream.say({ method: "notifications/resources/updated", params: { uri: "a:/".padEnd(chars, "x") } });
  for (let n = 0; n < 3; n++) say(8192);
  assertEquals(ada.heard.length, 1);
  for (let n = 0; n < 3; n++) say(8193);
  assertEquals(ada.heard.length, 4);
});

Deno.test("a message that is none of these reaches nobody and does no harm", async () => {
  const { instance, upstream } = await together();
  upstream.say({ method: "notifications/cancelled", params: {} });
  upstream.say({ method: "notifications/cancelled" });
  upstream.say({ method: "notifications/progress" });
  upstream.say({ method: "notifications/resources/updated" });
  upstream.answer = () => ({ result: {} });
  assertEquals(await instance.call(new Window("ada").call()), { result: {} });
  await assertRejects(
    () => instance.call(new Window("ada").call({ method: "resources/subscribe" })),
    ExaiError,
  );
});

Deno.test("URL elicitations of two servers that have one name are two to a window, and each completion is of its own", async () => {
  const ada = new Window("ada", { elicitation: { url: {} } });
  const question = { ...QUESTION, params: { mode: "url", elicitationId: "1" } };
  const upstreams = [];
  for (let at = 0; at < 2; at++) {
    const { instance, upstream } = await instanceOf();
    instance.attach(ada.caller);
    await ask(upstream, "q", question);
    const failing = { elicitations: [{ elicitationId: "1" }] };
    upstream.answer = () => ({ error: { code: -32042, message: "first", data: failing } });
    const { error } = await instance.call(ada.call({}));
    upstreams.push({ upstream, required: error!.data as unknown as typeof failing });
  }
  const names = ada.asked.map(({ params }) => params.elicitationId);
  assertEquals([names.length, new Set(names).size, names[0]], [2, 2, "1"]);
  assertEquals(upstreams.map(({ required }) => required.elicitations[0]!.elicitationId), names);
  for (const { upstream } of upstreams.toReversed()) {
    upstream.say({ method: "notifications/elicitation/complete", params: { elicitationId: "1" } });
  }
  assertEquals(ada.heard.map(({ params }) => params?.elicitationId), names.toReversed());
});
