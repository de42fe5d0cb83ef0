/**
 * The codecs and the specification: `fixtures/mcp_2026` has the schema of MCP 2026-07-28, without its descriptions, and
 * its examples of requests, results and errors (schema/2026-07-28 of modelcontextprotocol/modelcontextprotocol).
 */
import { assert, assertEquals } from "@std/assert";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { schemaCompiler } from "../lib/call/schema_compiler.ts";
import { isModern, META } from "../lib/wire/client_claim.ts";
import { hasMethod, isCacheable, METHODS } from "../lib/wire/era_methods.ts";
import { legacyCodec } from "../lib/wire/legacy_codec.ts";
import { responseText } from "../lib/wire/message_text.ts";
import { discoverResult, modernCodec } from "../lib/wire/modern_codec.ts";
import type { Result, RpcError } from "../lib/wire/rpc.ts";
import examples from "./fixtures/mcp_2026/examples.json" with { type: "json" };
import schema from "./fixtures/mcp_2026/schema.json" with { type: "json" };
import { rawAnswer, rawRequest } from "./helpers/era_messages.ts";

const EXAMPLES = examples as unknown as Record<string, Record<string, JsonObject>>;
const serverInfo = { name: "exai", version: "1" };

/** What is wrong with `value` as one of `type` of the schema; undefined if nothing is. */
function faultOf(type: string, value: Json): string | undefined {
  const validate = schemaCompiler()({
    $ref: `#/$defs/${type}`,
    $defs: schema.$defs as unknown as JsonObject,
  }) as
    & ((value: Json) => boolean)
    & { errors?: unknown };
  return validate(value) ? undefined : `${type}: ${JSON.stringify(validate.errors)}`;
}

function encoded(codec: typeof modernCodec | typeof legacyCodec, answer: Result, method: string): JsonObject {
  const context = { method, serverInfo, capabilities: {} };
  return JSON.parse(responseText("1", codec.encodeAnswer(answer, context)));
}

/** The examples whose type ends with `suffix`, with the rest of it. */
function ofKind(suffix: string): { type: string; name: string; value: JsonObject }[] {
  return Object.entries(EXAMPLES).flatMap(([type, named]) =>
    type.endsWith(suffix) ? Object.entries(named).map(([name, value]) => ({ type, name, value })) : []
  );
}

/** The method of the results whose types begin so. */
const METHOD_OF: Readonly<Record<string, string>> = {
  CallToolResult: "tools/call",
  CompleteResult: "completion/complete",
  DiscoverResult: "server/discover",
  GetPromptResult: "prompts/get",
  ListPromptsResult: "prompts/list",
  ListResourceTemplatesResult: "resources/templates/list",
  ListResourcesResult: "resources/list",
  ListToolsResult: "tools/list",
  ReadResourceResult: "resources/read",
  SubscriptionsListenResult: "subscriptions/listen",
};

Deno.test("each request of the specification is read, and has the params that it would have in 2025", () => {
  let count = 0;
  for (const { name, value: { method, params } } of ofKind("Request")) {
    // Those of servers are parts of results.
    if (method === "roots/list") continue;
    const { _meta, ...rest } = params as JsonObject;
    const request = rawRequest(method as string, params as JsonObject);
    assert(isModern(request.body), name);
    const { claim, params: decoded, answers } = modernCodec.decodeRequest(request);
    assertEquals(claim.revision, "2026-07-28");
    const kept = Object.entries(_meta as JsonObject).filter(([key]) =>
      !Object.values<string>(META).includes(key)
    );
    const meta = kept.length === 0 ? {} : { _meta: Object.fromEntries(kept) };
    assertEquals([decoded.value, answers], [{ ...rest, ...meta }, undefined], name);
    count++;
  }
  assertEquals(count, 10);
});

Deno.test("each result of the specification reaches a client of 2026 as it is, and one of 2025 without what is new", () => {
  for (const { type, name, value } of [...ofKind("ResultResponse"), ...ofKind("CallToolResult")]) {
    const result = (value.result ?? value) as JsonObject;
    const kind = type.replace("Response", "");
    const method = METHOD_OF[kind]!;
    for (const answer of [{ result }, rawAnswer({ result })]) {
      const there = encoded(modernCodec, answer, method).result as JsonObject;
      assertEquals(faultOf(kind, there), undefined, name);
      const meta = { ...result._meta as JsonObject, [META.server]: serverInfo };
      // One example lacks the hints that the schema requires.
      const hints = isCacheable(method) ? { ttlMs: 0, cacheScope: "private" } : {};
      assertEquals(there, { ...hints, ...result, _meta: meta }, name);
      if (!hasMethod("legacy", method)) continue;
      const back = encoded(legacyCodec, answer, method).result as JsonObject;
      assertEquals([back.resultType, back.ttlMs, back.cacheScope], [undefined, undefined, undefined], name);
    }
  }
});

Deno.test("results as servers of 2025 give them are results of 2026 once they are written for it", () => {
  const results: [string, JsonObject][] = [
    ["CallToolResult", {
      content: [{ type: "text", text: "a" }],
      structuredContent: { a: 1 },
      isError: true,
    }],
    ["GetPromptResult", { messages: [{ role: "user", content: { type: "text", text: "a" } }] }],
    ["ListPromptsResult", { prompts: [{ name: "a", arguments: [{ name: "b", required: true }] }] }],
    ["ListResourcesResult", { resources: [{ uri: "file:///a", name: "a" }], nextCursor: "n" }],
    ["ListResourceTemplatesResult", { resourceTemplates: [{ uriTemplate: "file:///{a}", name: "a" }] }],
    ["ListToolsResult", {
      tools: [{ name: "a", inputSchema: { type: "object" }, execution: { taskSupport: "optional" } }],
    }],
    ["ReadResourceResult", { contents: [{ uri: "file:///a", text: "a" }] }],
    ["CompleteResult", { completion: { values: ["a"] } }],
    [
      "DiscoverResult",
      discoverResult({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo }),
    ],
    ["InputRequiredResult", {
      resultType: "input_required",
      requestState: "s",
      inputRequests: {
        q1: {
          method: "elicitation/create",
          params: { mode: "url", message: "m", url: "https://a.example", elicitationId: "e" },
        },
      },
    }],
  ];
  for (const [type, result] of results) {
    const method = METHOD_OF[type] ?? "tools/call";
    for (const answer of [{ result }, rawAnswer({ result })]) {
      assertEquals(faultOf(type, encoded(modernCodec, answer, method).result!), undefined);
    }
  }
});

Deno.test("errors as they are written for clients of 2026 are those of the specification", () => {
  for (const { type, name, value } of ofKind("Error")) {
    const error = value.error as unknown as RpcError;
    const there = encoded(modernCodec, { error }, "tools/call");
    if (type === "MissingRequiredClientCapabilityError") {
      assertEquals(faultOf(type, { ...there, id: 1 }), undefined, name);
    } // What is about another hop is not passed on.
    else assertEquals((there.error as JsonObject).code, -32603, name);
  }
});

Deno.test("the table of methods has those of the schema, and no others of its era", () => {
  const methods = Object.values(
    schema.$defs as Record<string, { properties?: { method?: { const?: string } } }>,
  )
    .flatMap(({ properties }) => properties?.method?.const ?? []);
  const known = Object.keys(METHODS).filter((method) => hasMethod("modern", method));
  // Of the tasks extension (SEP-2663).
  const ofTasks = ["tasks/get", "tasks/cancel", "tasks/update", "notifications/tasks"];
  assertEquals(known.toSorted(), [...new Set([...methods, ...ofTasks])].toSorted());
});
