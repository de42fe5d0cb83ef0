import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { meansLegacy } from "../lib/remote/era_refusals.ts";
import { HttpStatusError, ResponseCutError } from "../lib/remote/http_errors.ts";
import { StatelessHttp } from "../lib/remote/stateless_http.ts";
import { META } from "../lib/wire/client_claim.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import type { RpcMessage, RpcRequest } from "../lib/wire/rpc.ts";
import { TextRequest } from "../lib/wire/text_request.ts";
import { events, FAR, Far, json, openEvents } from "./helpers/far_server.ts";
import { settled } from "./helpers/instance.ts";

const CLAIM = {
  [META.revision]: "2026-07-28",
  [META.client]: { name: "exai", version: "1" },
  [META.capabilities]: { roots: {} },
};

const request = (id: number, method: string, params: JsonObject = {}): RpcRequest => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { ...params, _meta: CLAIM },
});
const call = (id: number, name = "work", args: JsonObject = {}) =>
  request(id, "tools/call", { name, arguments: args });
const answerTo = (id: unknown, result: unknown = { resultType: "complete" }) => ({
  jsonrpc: "2.0",
  id,
  result,
});
const errorTo = (id: unknown, code: number, message = "no") => ({
  jsonrpc: "2.0",
  id,
  error: { code, message },
});
const event = (value: unknown) => `id: 7\ndata: ${JSON.stringify(value)}\n\n`;
const refused = (status: number, body: unknown = "") => {
  const isText = typeof body === "string";
  const headers = { "content-type": isText ? "text/html" : "application/json" };
  return new Response(isText ? body : JSON.stringify(body), { status, headers });
};

/** A connection to a server that answers as `answer` says, and lists `tools`. */
function connected(
  answer: Far["answer"] = ({ message }) => json(answerTo(message.id)),
  tools: JsonObject[] = [],
) {
  const far = new Far((asked) => {
    const { method, id } = asked.message;
    return method === "tools/list" ? json(answerTo(id, { resultType: "complete", tools })) : answer(asked);
  });
  return { far, http: far.hear(new StatelessHttp({ ...FAR, startTimeoutMs: 5000 }, far.fetch)) };
}

const mcpHeaders = (headers: Headers) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith("mcp-")));

Deno.test("each message is a POST of its own, with headers that repeat it and none of a session", async () => {
  const { far, http } = connected(({ message }) =>
    message.id === undefined ? refused(202) : json(answerTo(message.id))
  );
  await http.send(request(1, "server/discover"));
  await http.send(request(2, "resources/read", { uri: "file:///ü" }));
  await http.send({ jsonrpc: "2.0", method: "notifications/other" });
  assertEquals(far.asked.map(({ method, headers }) => [method, headers.get("accept"), mcpHeaders(headers)]), [
    ["POST", "application/json, text/event-stream", {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "server/discover",
    }],
    ["POST", "application/json, text/event-stream", {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "resources/read",
      "mcp-name": "=?base64?ZmlsZTovLy/DvA==?=",
    }],
    ["POST", "application/json, text/event-stream", {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "notifications/other",
    }],
  ]);
  assertEquals(far.messages, [answerTo(1), answerTo(2)]);
  await http.close();
  assertEquals([far.asked.length, far.log], [3, ["closed"]]);
});

Deno.test("what a call carries and what it is answered with keeps each character", async () => {
  let sent = "";
  const result = '{"content":[],"n":1.0,"big":9007199254740993,"s":"\\u00fc"}';
  const body = `{"jsonrpc":"2.0","id":1,"result":${result}}`;
  const { far } = connected(() => new Response(body, { headers: { "content-type": "application/json" } }));
  const got: string[] = [];
  const http = new StatelessHttp({ ...FAR, startTimeoutMs: 5000 }, (url, init) => {
    sent = String(init!.body);
    return far.fetch(url, init);
  });
  http.onmessage = (message) => void got.push((message as unknown as { body: { text: string } }).body.text);
  const args = `{"n":1.0,"big":9007199254740993,"s":"\\u00fc"}`;
  const params = `{"_meta":${JSON.stringify(CLAIM)},"name":"work","arguments":${args}}`;
  const raw = readRawMessage(`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":${params}}`, {
    depth: 512,
    members: 1000,
  })!;
  await http.send(new TextRequest(1, "tools/call", raw.body!));
  assert(sent.includes(args), sent);
  assertEquals(got, [result]);
});

Deno.test("notifications of a request come before its answer, and what older servers ask is told and not passed on", async () => {
  const note = { jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } };
  const asks = { jsonrpc: "2.0", id: 5, method: "roots/list" };
  const { far, http } = connected(() => events(`: hi\n\n${event(note)}${event(asks)}${event(answerTo(1))}`));
  await http.send(request(1, "prompts/get", { name: "p" }));
  assertEquals(far.messages, [note, answerTo(1)]);
  assertEquals(far.log, ['error server "far" sent a request, roots/list, which only older revisions have']);
  // Nor is a response sent.
  await http.send({ jsonrpc: "2.0", id: 5, result: {} });
  assertEquals(far.asked.length, 1);
});

Deno.test("a stream that ends or breaks without an answer is not taken up: the call may have run", async () => {
  const broken = openEvents(event({ jsonrpc: "2.0", method: "notifications/progress" }));
  const answers = [() => events(event({ jsonrpc: "2.0", method: "x" })), () => broken.response];
  const { far, http } = connected(() => answers.shift()!());
  await assertRejects(() => http.send(call(1)), ResponseCutError);
  const second = assertRejects(() => http.send(call(2)), ResponseCutError);
  await settled();
  broken.cut(new TypeError("connection reset"));
  await second;
  assertEquals(far.of("GET"), []);
  assertEquals(far.of("POST").map(({ message }) => message.method), [
    "tools/list",
    "tools/call",
    "tools/call",
  ]);
});

Deno.test("an error in the body of a 400 or 404 is the answer, everything else a refusal with its status", async () => {
  const own = errorTo(1, -32602, "x".repeat(9000));
  for (const status of [400, 404]) {
    const { far, http } = connected(() => refused(status, own));
    await http.send(request(1, "prompts/get"));
    assertEquals(far.messages, [own]);
    const nameless = connected(() => refused(status, errorTo(null, -32600)));
    await nameless.http.send(request(1, "prompts/get"));
    assertEquals(nameless.far.messages, [errorTo(1, -32600)]);
  }
  const refusals: [number, unknown][] = [
    [400, ""],
    [404, "<html>nothing here"],
    [404, { error: "not found" }],
    [400, errorTo(2, -32600)],
    [401, errorTo(1, -32600)],
    [403, errorTo(null, -32600)],
    [429, ""],
    [503, errorTo(1, -32603)],
  ];
  for (const [status, body] of refusals) {
    const { far, http } = connected(() => refused(status, body));
    const error = await assertRejects(() => http.send(request(1, "prompts/get")), HttpStatusError);
    assertEquals([error.status, far.messages], [status, []]);
  }
});

Deno.test("what is no answer ends its request at once, with what it is", async () => {
  const cases: [Response, RegExp][] = [
    [
      new Response("<html>", { headers: { "content-type": "text/html" } }),
      /its content type is "text\/html"/,
    ],
    [new Response(null, { status: 202 }), /it has no body \(HTTP status 202\)/],
    [json(answerTo(9)), /it holds no response to the request/],
  ];
  for (const [response, what] of cases) {
    const { far, http } = connected(() => response);
    await http.send(request(1, "prompts/get"));
    assertMatch((far.messages.at(-1) as { error: { message: string } }).error.message, what);
  }
});

Deno.test("a request is withdrawn by closing its POST, and a cancellation does the same", async () => {
  const { far, http } = connected(() => openEvents(": waits\n\n").response);
  for (
    const withdraw of [
      () => Promise.resolve(http.withdraw(1)),
      () => http.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } }),
    ]
  ) {
    const sent = assertRejects(() => http.send(request(1, "prompts/get")));
    await settled();
    await withdraw();
    await sent;
    assert(far.asked.at(-1)!.signal.aborted);
  }
  assertEquals(far.asked.map(({ message }) => message.method), ["prompts/get", "prompts/get"]);
});

Deno.test("a stream of notifications stays open until its end, and closing ends it", async () => {
  const stream = openEvents();
  const { far, http } = connected(() => stream.response);
  const listening = http.send(request(1, "subscriptions/listen", { notifications: {} }));
  for (const n of [1, 2]) {
    stream.say(`: alive\n\n${event({ jsonrpc: "2.0", method: "notifications/x", params: { n } })}`);
    await settled();
    assertEquals(far.messages.length, n);
  }
  const ended = assertRejects(() => listening);
  await http.close();
  await ended;
});

const tool = (name: string, region: JsonObject) => ({
  name,
  inputSchema: { type: "object", properties: { region } },
});
const REGION = { type: "string", "x-mcp-header": "Region" };

Deno.test("arguments are repeated in the headers that the tool wants, on the very first call too", async () => {
  const { far, http } = connected(undefined, [tool("work", REGION)]);
  await Promise.all([http.send(call(1, "work", { region: "é" })), http.send(call(2, "work", {}))]);
  assertEquals(far.asked.map(({ message, headers }) => [message.method, headers.get("mcp-param-region")]), [
    ["tools/list", null],
    ["tools/call", "=?base64?w6k=?="],
    ["tools/call", null],
  ]);
  assertEquals((far.asked[0]!.message as RpcRequest).params, { _meta: CLAIM });
  // The list was the transport's own.
  assertEquals(far.messages, [answerTo(1), answerTo(2)]);
});

Deno.test("a tool with annotations that are invalid is left out of the list, which is said once", async () => {
  const twice = { type: "object", properties: { a: REGION, b: REGION } };
  const { far, http } = connected(undefined, [
    tool("good", REGION),
    tool("bad", { type: "number", "x-mcp-header": "Region" }),
    { name: "twice", inputSchema: twice },
  ]);
  for (const id of [1, 2]) {
    await http.send(request(id, "tools/list"));
    const { result } = far.messages.at(-1) as { result: { tools: { name: string }[] } };
    assertEquals(result.tools.map(({ name }) => name), ["good"]);
  }
  assertEquals(far.log, [
    'error the tool "bad" is left out: its inputSchema is invalid: region: x-mcp-header may stand only at a string, an integer or a boolean',
    'error the tool "twice" is left out: its inputSchema is invalid: b: x-mcp-header "Region" stands twice',
  ]);
});

Deno.test("a call refused for its headers is sent once more after the tools were listed anew", async () => {
  const tools = [tool("work", { type: "string" })];
  const { far, http } = connected(({ message, headers }) => {
    if (headers.get("mcp-param-region") !== null) return json(answerTo(message.id));
    tools[0] = tool("work", REGION);
    return refused(400, errorTo(message.id, -32020));
  }, tools);
  await http.send(call(1, "work", { region: "eu" }));
  assertEquals(far.messages, [answerTo(1)]);
  assertEquals(far.asked.map(({ message }) => message.method), [
    "tools/list",
    "tools/call",
    "tools/list",
    "tools/call",
  ]);
});

Deno.test("a refusal of headers that stays is EXAI's own fault, and not passed on as the client's", async () => {
  const { far, http } = connected(({ message }) =>
    refused(400, errorTo(message.id, -32020, "Region differs"))
  );
  await http.send(call(1));
  await http.send(request(2, "prompts/get"));
  for (const [i, id] of [1, 2].entries()) {
    const { error, ...rest } = far.messages[i] as { id: number; error: { code: number; message: string } };
    assertEquals([rest.id, error.code], [id, -32603]);
    assertMatch(error.message, /server "far" refused the headers of a request.*Region differs/);
  }
  assertEquals(far.asked.map(({ message }) => message.method), [
    "tools/list",
    "tools/call",
    "tools/list",
    "tools/call",
    "prompts/get",
  ]);
  // Of the first request it is the sign of the era.
  await http.send(request(3, "server/discover"));
  assertEquals(far.messages.at(-1), errorTo(3, -32020, "Region differs"));
});

Deno.test("a call that is withdrawn while the tools are listed is not sent", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const far = new Far(({ message }) =>
    message.method === "tools/list" ? promise : json(answerTo(message.id))
  );
  const http = far.hear(new StatelessHttp({ ...FAR, startTimeoutMs: 5000 }, far.fetch));
  const sent = assertRejects(() => http.send(call(1)));
  await settled();
  http.withdraw(1);
  await sent;
  resolve(json(answerTo("exai-tools-1", { tools: [] })));
  await http.send(call(2));
  assertEquals(far.asked.map(({ message }) => message.id), ["exai-tools-1", 2]);
});

Deno.test("a server that does not list its tools in time is called without what they want", async () => {
  const far = new Far(({ message }) =>
    message.method === "tools/list" ? new Promise(() => {}) : json(answerTo(message.id))
  );
  const http = far.hear(new StatelessHttp({ ...FAR, startTimeoutMs: 20 }, far.fetch));
  await http.send(call(1));
  assertEquals(far.messages, [answerTo(1)]);
});

Deno.test("only a refusal of the kind of request means the legacy era, however it is wrapped", () => {
  const refusal = (status: number, body: unknown = "") =>
    new HttpStatusError(
      { status, headers: new Headers() },
      typeof body === "string" ? body : JSON.stringify(body),
    );
  const means = (error: unknown) => meansLegacy(new Error("it failed", { cause: error }));
  for (const status of [400, 404, 405, 406, 415, 422]) assert(means(refusal(status)), String(status));
  for (const status of [401, 403, 407, 408, 429, 500, 502, 503, 302]) {
    assert(!means(refusal(status)), String(status));
  }
  assert(means(refusal(405, errorTo(null, -32000))));
  assert(!means(refusal(405, errorTo(null, -32022))));
  assert(!means(new ResponseCutError("cut")) && !means(new TypeError("dns")) && !means(undefined));
});

Deno.test("a message to a connection that was closed says so", async () => {
  const { http } = connected();
  await http.close();
  await assertRejects(() => http.send({} as RpcMessage), Error, "it was stopped");
});
