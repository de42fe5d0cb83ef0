import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import type { RpcRequest } from "../../lib/wire/rpc.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import {
  EventStream,
  ScriptedUrlServer,
  type ScriptedUrlServerOptions,
} from "../helpers/scripted_url_server.ts";
import { until } from "../helpers/until.ts";

const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };
const ELICITATION = {
  method: "elicitation/create",
  params: { message: "who?", requestedSchema: { type: "object", properties: {} } },
};
const SAMPLING = {
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: { type: "text", text: "?" } }], maxTokens: 1 },
};
const ANSWER = { action: "accept", content: {} };

/** A server that answers each call of a tool on a stream of its own, when the test says so, and two windows of it. */
async function twoWindows(options: Partial<ScriptedUrlServerOptions> = {}, settings: JsonObject = {}) {
  const calls: { request: RpcRequest; stream: EventStream }[] = [];
  const server = new ScriptedUrlServer({
    post(request) {
      if (request.method !== "tools/call") return undefined;
      const stream = new EventStream();
      calls.push({ request, stream });
      return stream.response;
    },
    ...options,
  });
  const it = await mountingDaemon({ remote: { url: server.url } }, settings);
  const ada = await McpWindow.open(it.url, CAPABILITIES, { roots: ["file:///usr"] });
  const bob = await McpWindow.open(it.url, CAPABILITIES, { roots: ["file:///etc"] });
  await ada.request("tools/list");
  const begin = async (window: McpWindow, _meta: JsonObject = {}) => {
    const n = calls.length;
    const answer = window.request("tools/call", { name: "work", arguments: {}, _meta });
    const { request, stream } = await until("the call", () => calls[n]);
    return {
      answer,
      stream,
      request,
      finish: () => (stream.send({ id: request.id, result: { content: [] } }), stream.close()),
    };
  };
  return {
    server,
    ada,
    bob,
    begin,
    log: () => Deno.readTextFile(`${it.home}/logs/server-remote.log`).catch(() => ""),
    async [Symbol.asyncDispose]() {
      for (const window of [ada, bob]) await window[Symbol.asyncDispose]();
      await it[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const heardBy = ({ heard }: McpWindow) => heard.map(({ method }) => method);

Deno.test("what a server behind a URL asks and says on the stream of a call belongs to that call's window, while others' calls run", async () => {
  await using it = await twoWindows();
  const hers = await it.begin(it.ada, { progressToken: "hers" });
  const his = await it.begin(it.bob);
  his.stream.send({ id: "his 1", ...ELICITATION });
  hers.stream.send({ id: "hers 1", ...SAMPLING });
  his.stream.send({ id: "his 2", method: "roots/list" });
  hers.stream.send({ id: "hers 2", method: "roots/list" });
  assertEquals((await it.server.answerTo("his 1")).result, ANSWER);
  assertEquals(((await it.server.answerTo("hers 1")).result as JsonObject).model, "m");
  assertEquals((await it.server.answerTo("his 2")).result, { roots: [{ uri: "file:///etc" }] });
  assertEquals((await it.server.answerTo("hers 2")).result, { roots: [{ uri: "file:///usr" }] });
  for (const [call, data] of [[hers, "for ada"], [his, "for bob"]] as const) {
    call.stream.send({ method: "notifications/message", params: { level: "error", data } });
  }
  const { progressToken } = hers.request.params!._meta as JsonObject;
  hers.stream.send({ method: "notifications/progress", params: { progressToken, progress: 1 } });
  hers.finish();
  his.finish();
  assertEquals([(await hers.answer).error, (await his.answer).error], [undefined, undefined]);
  assertEquals(heardBy(it.ada), [
    "sampling/createMessage",
    "notifications/message",
    "notifications/progress",
  ]);
  assertEquals(heardBy(it.bob), ["elicitation/create", "notifications/message"]);
  const said = ({ heard }: McpWindow) =>
    heard.flatMap(({ params }) => (params as JsonObject | undefined)?.data ?? []);
  assertEquals([said(it.ada), said(it.bob)], [["for ada"], ["for bob"]]);
  assertEquals(it.server.count("initialize"), 1, "no window needs a connection of its own");
});

Deno.test("a question that comes on a call's stream just after its answer is its window's, not that of the call that runs", async () => {
  await using it = await twoWindows();
  const hers = await it.begin(it.ada);
  const his = await it.begin(it.bob);
  hers.stream.send({ id: hers.request.id, result: { content: [] } });
  await hers.answer;
  hers.stream.send({ id: "late", ...ELICITATION });
  assertEquals((await it.server.answerTo("late")).result, ANSWER);
  assertEquals([heardBy(it.ada), heardBy(it.bob)], [["elicitation/create"], []]);
  his.finish();
  await his.answer;
});

Deno.test("what a server behind a URL asks on its own stream is refused while calls of several windows run", async () => {
  await using it = await twoWindows();
  const own = await until("its own stream", () => it.server.streams[0]);
  const hers = await it.begin(it.ada);
  const his = await it.begin(it.bob);
  own.send({ id: "whose", ...ELICITATION });
  const { error } = await it.server.answerTo("whose");
  assertStringIncludes(String((error as JsonObject).message), "cannot be told which of them asks");
  own.send({ method: "notifications/message", params: { level: "error", data: "of nobody" } });
  await until("the log file has it", async () => (await it.log()).includes("of nobody") || undefined);
  assertEquals([heardBy(it.ada), heardBy(it.bob)], [[], []]);
  for (const call of [hers, his]) (call.finish(), await call.answer);
});

Deno.test("what a server asks while it answers the daemon's own question is nobody's, although one window's call runs", async () => {
  let lists: EventStream | undefined;
  await using it = await twoWindows();
  const hers = await it.begin(it.ada);
  it.server.onPost = (request) => {
    if (request.method !== "tools/list") return undefined;
    lists = new EventStream();
    lists.send({ id: "during a list", ...ELICITATION });
    lists.send({ method: "notifications/message", params: { level: "error", data: "listing" } });
    lists.send({ id: request.id, result: it.server.resultOf("tools/list") });
    lists.close();
    return lists.response;
  };
  (await until("its own stream", () => it.server.streams[0])).send({
    method: "notifications/tools/list_changed",
  });
  await it.ada.request("tools/list");
  const { error } = await it.server.answerTo("during a list");
  assertMatch(String((error as JsonObject).message), /belongs to no call that is running/);
  await until("the log file has it", async () => (await it.log()).includes("listing") || undefined);
  assertEquals(heardBy(it.ada).filter((method) => method !== "notifications/tools/list_changed"), []);
  hers.finish();
  await hers.answer;
});
