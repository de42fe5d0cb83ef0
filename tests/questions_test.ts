import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import type { Result, RpcMessage, RpcRequest } from "../lib/wire/rpc.ts";
import { call } from "./helpers/call.ts";
import { type RawConnection, rawServer } from "./helpers/raw_server.ts";

const ELICITATION = { elicitation: { form: {}, url: {} } };

type Ask = Call["ask"];

/** A call of session `id` of a tool that is never answered, whose client answers questions with `ask`. */
function callOf(id: string, ask: Ask, signal = new AbortController().signal): Call {
  const { caller } = call();
  return call({ signal, ask, caller: { ...caller, id, capabilities: ELICITATION, ask } });
}

/** A server that never answers a call; `settleMs` is none, so that calls of windows may follow one another. */
function silent(more: { log?(server: string, text: string): void } = {}) {
  const answer = ({ method }: RpcRequest) => method === "tools/call" ? undefined : {};
  return rawServer({ config: { share: "machine" }, settleMs: 0, answer, ...more });
}

/** As a client whose person does not answer. */
const untilWithdrawn: Ask = (_method, _params, options) =>
  new Promise((_, reject) =>
    options!.signal!.addEventListener("abort", () => reject(options!.signal!.reason))
  );

const isCall = (message: RpcMessage) => "method" in message && message.method === "tools/call";
const answerTo = (id: unknown) => (message: RpcMessage) => !("method" in message) && message.id === id;

function question(id: string | number, params: JsonObject = {}) {
  return { id, method: "elicitation/create", params: { message: "?", requestedSchema: {}, ...params } };
}

async function begin(it: ReturnType<typeof silent>, one: Call): Promise<RawConnection> {
  const before = it.connections[0]?.received.filter(isCall).length ?? 0;
  it.mounted.target(one).catch(() => {});
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const connection = it.connections[0];
    if (connection && connection.received.filter(isCall).length > before) return connection;
  }
}

Deno.test("a question ends with the call it belongs to, and its server is told", async () => {
  await using it = silent();
  const controller = new AbortController();
  const connection = await begin(it, callOf("a", untilWithdrawn, controller.signal));
  connection.send(question("q"));
  controller.abort(new Error("it took too long"));
  const { error } = (await connection.message(answerTo("q"))) as Result;
  assertStringIncludes(error!.message, "it took too long");
});

Deno.test("questions one window does not answer leave the others theirs", async () => {
  await using it = silent();
  const first = new AbortController();
  const connection = await begin(it, callOf("a", untilWithdrawn, first.signal));
  for (let n = 0; n <= 256; n++) connection.send(question(n));
  const { error } = (await connection.message(answerTo(256))) as Result;
  assertStringIncludes(error!.message, "256 of your requests");
  connection.send({ id: "ping", method: "ping" });
  assertEquals(((await connection.message(answerTo("ping"))) as Result).result, {});
  first.abort(new Error("over"));
  await connection.message(answerTo(0));
  const answered: Ask = () => Promise.resolve({ result: { action: "accept" } });
  await begin(it, callOf("b", answered));
  connection.send(question("of b"));
  assertEquals(((await connection.message(answerTo("of b"))) as Result).result, { action: "accept" });
});

Deno.test("of two questions under one id the second is refused, and the first is answered", async () => {
  await using it = silent();
  const { promise, resolve } = Promise.withResolvers<Result>();
  const connection = await begin(it, callOf("a", () => promise));
  connection.send(question(7));
  connection.send(question(7));
  const { error } = (await connection.message(answerTo(7))) as Result;
  assertStringIncludes(error!.message, "has this id");
  resolve({ result: { action: "decline" } });
  const accepted = (message: RpcMessage) => answerTo(7)(message) && "result" in message && !!message.result;
  assertEquals(((await connection.message(accepted)) as Result).result, { action: "decline" });
});

Deno.test("a question goes to the window whose call runs, though another had one with the same elicitationId", async () => {
  await using it = silent();
  const asked: string[] = [];
  const as = (id: string): Ask => () => (asked.push(id), Promise.resolve({ result: { action: "accept" } }));
  const first = new AbortController();
  const connection = await begin(it, callOf("a", as("a"), first.signal));
  const url = { mode: "url", url: "https://example.com/", elicitationId: "login" };
  connection.send(question("one", url));
  await connection.message(answerTo("one"));
  first.abort(new Error("over"));
  it.mounted.detach(callOf("a", as("a")).caller);
  await begin(it, callOf("b", as("b")));
  connection.send(question("two", url));
  await connection.message(answerTo("two"));
  assertEquals(asked, ["a", "b"]);
});

Deno.test("what a server says once its first window is over goes to its log file", async () => {
  const lines: string[] = [];
  await using it = silent({ log: (_server, line) => lines.push(line) });
  const heard: unknown[] = [];
  const first = new AbortController();
  const one = callOf("a", () => new Promise(() => {}), first.signal);
  const caller = { ...one.caller, notify: (method: string) => void heard.push(method) };
  const connection = await begin(it, { ...one, caller });
  first.abort(new Error("over"));
  it.mounted.detach(caller);
  connection.send({
    method: "notifications/message",
    params: { level: "error", data: "something is wrong" },
  });
  connection.send({ id: "ping", method: "ping" });
  await connection.message(answerTo("ping"));
  assertEquals([heard, lines.filter((line) => line.includes("something is wrong")).length], [[], 1]);
});
