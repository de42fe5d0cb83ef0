import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExaiError } from "../lib/base/errors.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { isModern, META } from "../lib/wire/client_claim.ts";
import { legacyCodec } from "../lib/wire/legacy_codec.ts";
import { responseText } from "../lib/wire/message_text.ts";
import { discoverResult, modernCodec } from "../lib/wire/modern_codec.ts";
import { rawResult, readRawMessage } from "../lib/wire/raw_message.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { claimed, rawAnswer, rawRequest } from "./helpers/era_messages.ts";

const serverInfo = { name: "exai", version: "1" };
const capabilities = { elicitation: {} };

/** The result of `answer` as a client of the modern era gets it, as JSON. */
function modern(answer: Result, method = "tools/call"): JsonObject {
  return JSON.parse(
    responseText("1", modernCodec.encodeAnswer(answer, { method, serverInfo, capabilities })),
  );
}

function legacy(answer: Result, method = "tools/call"): JsonObject {
  return JSON.parse(responseText("1", legacyCodec.encodeAnswer(answer, { method })));
}

const stamp = { resultType: "complete", _meta: { [META.server]: serverInfo } };

Deno.test("a request is read as one of 2025: without its claim, its state and its answers", () => {
  const request = rawRequest("tools/call", {
    name: "a",
    arguments: { n: 1 },
    task: { ttl: 1 },
    requestState: "s",
    inputResponses: { q: { action: "accept" } },
    _meta: { ...claimed({ roots: {} }, "debug"), progressToken: 7, traceparent: "00-1" },
  });
  assert(isModern(request.body));
  const { claim, params, answers } = modernCodec.decodeRequest(request);
  assertEquals(params.value, {
    name: "a",
    arguments: { n: 1 },
    _meta: { progressToken: 7, traceparent: "00-1" },
  });
  assertEquals(answers, { inputResponses: { q: { action: "accept" } }, requestState: "s" });
  assertEquals([claim.revision, claim.capabilities, claim.logLevel], ["2026-07-28", { roots: {} }, "debug"]);
  const update = rawRequest("tasks/update", { taskId: "t", inputResponses: { a: {} }, _meta: claimed() });
  assertEquals(modernCodec.decodeRequest(update).params.value, { taskId: "t", inputResponses: { a: {} } });
});

Deno.test("a request whose claim is removed is sent on as the text it came in, but for the claim", () => {
  const text =
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0},"_meta":${
      JSON.stringify(claimed())
    }}}`;
  const { params } = modernCodec.decodeRequest(
    readRawMessage(text, { depth: 9, members: 99 }) as ReturnType<typeof rawRequest>,
  );
  const sent = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0}}}';
  assertEquals(params.messageParts("tools/call", "7")?.join(""), sent);
});

Deno.test("what the revision has no more is refused, and so is what is invalid in a claim", () => {
  const removed = [
    ..."initialize ping logging/setLevel resources/subscribe resources/unsubscribe tasks/list tasks/result"
      .split(" "),
  ];
  for (const method of removed) {
    const request = rawRequest(method, { _meta: claimed() });
    const { code, message } = assertThrows(() => modernCodec.decodeRequest(request), ExaiError);
    assertEquals([code, message], ["METHOD_NOT_FOUND", `${method} is no method of MCP 2026-07-28`]);
  }
  const faults: [JsonObject, string][] = [
    [{ ...claimed(), [META.revision]: "2031-01-01" }, "UNSUPPORTED_REVISION"],
    [{ ...claimed(), [META.revision]: "2025-11-25" }, "UNSUPPORTED_REVISION"],
    [{ ...claimed(), [META.revision]: 3 }, "INVALID_PARAMS"],
    [{ ...claimed(), [META.capabilities]: undefined }, "INVALID_PARAMS"],
    [{ ...claimed(), [META.capabilities]: [] }, "INVALID_PARAMS"],
    [{ ...claimed(), [META.client]: "me" }, "INVALID_PARAMS"],
    [{ ...claimed(), [META.logLevel]: "loud" }, "INVALID_PARAMS"],
  ];
  for (const [_meta, code] of faults) {
    const request = rawRequest("tools/list", { _meta });
    assertEquals(assertThrows(() => modernCodec.decodeRequest(request), ExaiError).code, code);
  }
  for (const extra of [{ inputResponses: [] }, { requestState: 1 }, { inputResponses: null }]) {
    const request = rawRequest("tools/call", { ...extra, _meta: claimed() });
    assertEquals(assertThrows(() => modernCodec.decodeRequest(request), ExaiError).code, "INVALID_PARAMS");
  }
  for (const method of ["server/discover", "subscriptions/listen", "tasks/update"]) {
    assertEquals(legacyCodec.refusalOf(method)?.code, "METHOD_NOT_FOUND");
  }
  for (const method of ["tools/call", "ping", "vendor/method"]) {
    assertEquals(legacyCodec.refusalOf(method), undefined);
  }
});

Deno.test("a result is stamped with its type, its server and how long it is good, made here or passed on", () => {
  const hints = { ttlMs: 0, cacheScope: "private" };
  const table: [string, JsonObject, JsonObject][] = [
    ["tools/call", { content: [] }, { ...stamp, content: [] }],
    ["tools/list", { tools: [] }, { ...stamp, ...hints, tools: [] }],
    ["tools/list", { tools: [], ttlMs: 9, cacheScope: "public" }, {
      ...stamp,
      tools: [],
      ttlMs: 9,
      cacheScope: "public",
    }],
    ["tools/list", { tools: [], ttlMs: -1, cacheScope: "all" }, { ...stamp, ...hints, tools: [] }],
    ["tools/list", { tools: [{ name: "a", execution: { taskSupport: "optional" } }] }, {
      ...stamp,
      ...hints,
      tools: [{ name: "a" }],
    }],
    ["resources/read", { contents: [] }, { ...stamp, ...hints, contents: [] }],
    ["resources/read", { resultType: "input_required", requestState: "s" }, {
      ...stamp,
      resultType: "input_required",
      requestState: "s",
    }],
    ["tools/call", { resultType: "task", taskId: "t", ttlMs: null }, {
      ...stamp,
      resultType: "task",
      taskId: "t",
      ttlMs: null,
    }],
    ["tools/call", { content: [], _meta: { a: 1, [META.server]: { name: "other", version: "9" } } }, {
      ...stamp,
      content: [],
      _meta: { a: 1, ...stamp._meta },
    }],
    ["tools/call", {
      resultType: "input_required",
      inputRequests: {
        q: { method: "elicitation/create", params: { mode: "url", url: "u", elicitationId: "e" } },
      },
    }, {
      ...stamp,
      resultType: "input_required",
      inputRequests: { q: { method: "elicitation/create", params: { mode: "url", url: "u" } } },
    }],
  ];
  for (const [method, result, expected] of table) {
    for (const answer of [{ result }, rawAnswer({ result })]) {
      assertEquals(modern(answer, method).result, expected);
    }
  }
  const passed = rawResult(
    readRawMessage('{"jsonrpc":"2.0","id":3,"result":{ "n":1.0, "big":9007199254740993 }}', {
      depth: 9,
      members: 9,
    })!,
  )!;
  const text = responseText(
    '"x"',
    modernCodec.encodeAnswer(passed, { method: "tools/call", serverInfo, capabilities }),
  );
  assert(text.endsWith(' "n":1.0, "big":9007199254740993 }}'), text);
});

Deno.test("a client of 2025 is told nothing of 2026, and what needs no change is the same object", () => {
  const table: [string, JsonObject, JsonObject][] = [
    ["tools/call", { resultType: "complete", content: [], _meta: stamp._meta }, { content: [] }],
    ["tools/call", { resultType: "complete", content: [], _meta: { a: 1, ...stamp._meta } }, {
      content: [],
      _meta: { a: 1 },
    }],
    ["tools/list", { tools: [], ttlMs: 5, cacheScope: "public", nextCursor: "n" }, {
      tools: [],
      nextCursor: "n",
    }],
    ["tools/call", { content: [{ type: "text", text: "[1]" }], structuredContent: [1] }, {
      content: [{ type: "text", text: "[1]" }],
      structuredContent: { result: [1] },
    }],
    ["tools/call", { content: [], structuredContent: null }, {
      content: [{ type: "text", text: "null" }],
      structuredContent: { result: null },
    }],
    ["tools/list", { tools: [{ name: "a", outputSchema: { type: "string" } }] }, {
      tools: [{
        name: "a",
        outputSchema: { type: "object", properties: { result: { type: "string" } }, required: ["result"] },
      }],
    }],
  ];
  for (const [method, result, expected] of table) {
    for (const answer of [{ result }, rawAnswer({ result })]) {
      assertEquals(legacy(answer, method).result, expected);
    }
  }
  for (
    const [method, result] of [
      ["tools/call", { content: [], structuredContent: { a: 1 }, ttlMs: 4 }],
      ["tools/list", { tools: [{ name: "a", outputSchema: { type: "object" }, execution: {} }] }],
      ["prompts/get", { messages: [], _meta: { a: 1 } }],
    ] as [string, JsonObject][]
  ) {
    const answer = rawAnswer({ result });
    assertStrictEquals(legacyCodec.encodeAnswer(answer, { method }), answer);
    assertEquals(legacy({ result }, method).result, result);
  }
  for (const resultType of ["input_required", "task", 5]) {
    assertEquals((legacy({ result: { resultType } }).error as JsonObject).code, -32603);
  }
});

const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;
const members = fc.dictionary(fc.constantFrom("a", "content", "b c", "tools", "_meta"), json) as fc.Arbitrary<
  JsonObject
>;

Deno.test("a result that goes to a client of 2026 and is read as one of 2025 is what it was", () => {
  const method = fc.constantFrom(
    "tools/call",
    "prompts/get",
    "resources/read",
    "prompts/list",
    "vendor/method",
  );
  fc.assert(fc.property(members, method, fc.boolean(), (result, method, isRaw) => {
    const written: JsonObject = JSON.parse(JSON.stringify(result));
    // A `_meta` that is no object is replaced: the era defines it.
    if (written._meta !== undefined && JSON.stringify(written._meta)[0] !== "{") delete written._meta;
    if (JSON.stringify(written._meta) === "{}") delete written._meta;
    const answer = isRaw ? rawAnswer({ result: written }) : { result: written };
    const there = modernCodec.encodeAnswer(answer, { method, serverInfo, capabilities });
    assertEquals(legacy(there, method).result, written);
  }));
});

Deno.test("params with a claim are read as the params without it", () => {
  const params = fc.dictionary(fc.constantFrom("name", "arguments", "uri", "cursor"), json) as fc.Arbitrary<
    JsonObject
  >;
  const meta = fc.dictionary(fc.constantFrom("progressToken", "a.b/c"), fc.string()) as fc.Arbitrary<
    JsonObject
  >;
  fc.assert(fc.property(params, meta, (params, meta) => {
    const request = rawRequest("prompts/get", { ...params, _meta: { ...meta, ...claimed() } });
    const decoded = modernCodec.decodeRequest(request).params.value;
    const written: JsonObject = JSON.parse(JSON.stringify(params));
    assertEquals(decoded, Object.keys(meta).length === 0 ? written : { ...written, _meta: meta });
  }));
});

Deno.test("server/discover says what initialize says, of the revisions without a handshake", () => {
  const result = discoverResult({
    protocolVersion: "2025-11-25",
    capabilities: { tools: {}, tasks: { list: {} } },
    serverInfo,
    instructions: "use it",
  });
  assertEquals(result, {
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {}, extensions: { "io.modelcontextprotocol/tasks": {} } },
    instructions: "use it",
  });
});

Deno.test("each era is sent the notifications that it has, and those of extensions", () => {
  const has = (
    method: string,
  ) => [legacyCodec.hasNotification(method), modernCodec.hasNotification(method)];
  assertEquals(has("notifications/progress"), [true, true]);
  assertEquals(has("notifications/elicitation/complete"), [true, false]);
  assertEquals(has("notifications/tasks"), [false, true]);
  assertEquals(has("notifications/vendor"), [true, true]);
});
