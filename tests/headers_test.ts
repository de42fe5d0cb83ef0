import { assertEquals, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { META } from "../lib/wire/client_claim.ts";
import {
  checkParamHeaders,
  checkRequestHeaders,
  decodeHeaderValue,
  encodeHeaderValue,
  type HeaderParam,
  headerParams,
  paramHeaders,
  requestHeaders,
} from "../lib/wire/headers.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";

const _meta = { [META.revision]: "2026-07-28" };

function refused(run: () => void, about: string): void {
  const { code } = assertThrows(run, ExaiError, about);
  assertEquals(code, "HEADER_MISMATCH");
}

Deno.test("header values are encoded as the specification's examples are", () => {
  const examples = [
    ["us-west1", "us-west1"],
    ["Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="],
    [" padded ", "=?base64?IHBhZGRlZCA=?="],
    ["line1\nline2", "=?base64?bGluZTEKbGluZTI=?="],
    ["=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="],
    ["", ""],
    ["two words\tand a tab", "two words\tand a tab"],
  ] as const;
  for (const [value, header] of examples) {
    assertEquals(encodeHeaderValue(value), header);
    assertEquals(decodeHeaderValue(header), value);
  }
});

Deno.test("a header value that no client may send is none", () => {
  const invalid = [
    "=?base64?SGVsbG8?=",
    "=?base64?SGVs!!!bG8=?=",
    "=?base64?SGVs bG8=?=",
    "=?base64?/w==?=",
    "caf\u00e9",
    "bell\u0007",
  ];
  for (const text of invalid) assertEquals(decodeHeaderValue(text), undefined, text);
  for (const text of ["SGVsbG8=", "=?base64?SGVsbG8=", "=?BASE64?SGVsbG8=?="]) {
    assertEquals(decodeHeaderValue(text), text);
  }
});

Deno.test("a request's headers repeat its revision, its method and what it names", () => {
  const of = (method: string, params: JsonObject) => requestHeaders({ method, params: { ...params, _meta } });
  const common = (method: string) => ({ "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method });
  assertEquals(of("tools/list", { name: "a" }), common("tools/list"));
  assertEquals(of("tools/call", { name: "a" }), { ...common("tools/call"), "Mcp-Name": "a" });
  assertEquals(of("prompts/get", { name: "é" }), { ...common("prompts/get"), "Mcp-Name": "=?base64?w6k=?=" });
  assertEquals(of("resources/read", { uri: "a:b" }), { ...common("resources/read"), "Mcp-Name": "a:b" });
  assertEquals(of("tasks/get", { taskId: "t" }), { ...common("tasks/get"), "Mcp-Name": "t" });
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "a", _meta } });
  const raw = readRawMessage(text, { depth: 64, members: 1000 });
  if (raw?.kind !== "request") throw new Error("no request");
  assertEquals(requestHeaders(raw), { ...common("tools/call"), "Mcp-Name": "a" });
});

Deno.test("headers that do not repeat the body of their request are refused", () => {
  const message = { method: "tools/call", params: { name: "a", _meta } };
  const right = requestHeaders(message);
  const check = (changes: Record<string, string | undefined>) => {
    const entries = Object.entries({ ...right, ...changes }).filter((entry): entry is [string, string] =>
      entry[1] !== undefined
    );
    checkRequestHeaders(new Headers(entries), message);
  };
  check({});
  check({ "Mcp-Name": "  a " });
  check({ "Mcp-Name": "=?base64?YQ==?=" });
  check({ "Mcp-Method": undefined, "MCP-METHOD": "tools/call" });
  for (const name of Object.keys(right)) refused(() => check({ [name]: undefined }), `${name} is missing`);
  refused(() => check({ "MCP-Protocol-Version": "2025-11-25" }), "MCP-Protocol-Version");
  refused(() => check({ "Mcp-Method": "TOOLS/CALL" }), '"TOOLS/CALL", and the body "tools/call"');
  refused(() => check({ "Mcp-Name": "b" }), '"b", and the body "a"');
  refused(() => check({ "Mcp-Name": "=?base64?YQ?=" }), "base64");
  // What the body lacks is refused where its params are checked.
  checkRequestHeaders(new Headers(right), { method: "tools/call", params: { _meta } });
});

function annotated(type: string, header: unknown = "X"): JsonObject {
  return { type, "x-mcp-header": header as Json };
}

Deno.test("the arguments to repeat are those that only properties lead to", () => {
  const nested = { type: "object", properties: { b: annotated("integer", "B"), c: { type: "string" } } };
  const inputSchema = {
    type: "object",
    properties: { a: annotated("string", "A"), nested, "x-mcp-header": { type: "string" } },
    default: { "x-mcp-header": "data" },
  };
  assertEquals(headerParams(inputSchema), {
    params: [
      { header: "A", path: ["a"], type: "string" },
      { header: "B", path: ["nested", "b"], type: "integer" },
    ],
  });
  assertEquals(headerParams(undefined), { params: [] });
});

Deno.test("an invalid annotation is said with its place", () => {
  const invalid: [JsonObject, string][] = [
    [{ properties: { a: annotated("string", "") } }, "a: x-mcp-header must be the name of a header"],
    [{ properties: { a: annotated("string", "a b") } }, "a: "],
    [{ properties: { a: annotated("string", "a\r\nb") } }, "a: "],
    [{ properties: { a: annotated("string", 7) } }, "a: "],
    [{ properties: { a: annotated("number") } }, "a: x-mcp-header may stand only at a string"],
    [{ properties: { a: annotated("object") } }, "a: "],
    [
      { properties: { a: annotated("string", "X"), b: annotated("string", "x") } },
      'b: x-mcp-header "x" stands',
    ],
    [annotated("string"), "the schema: "],
    [{ properties: { a: { items: annotated("string") } } }, "a: x-mcp-header may stand only where"],
    [{ anyOf: [{ properties: { a: annotated("string") } }] }, "a: "],
    [{ $defs: { d: annotated("string") } }, "d: "],
    [{ properties: { a: { items: { properties: { b: annotated("string") } } } } }, "a.b: "],
    [{ additionalProperties: annotated("string") }, "the schema: "],
  ];
  for (const [schema, fault] of invalid) {
    const found = headerParams(schema);
    assertEquals(found.fault?.startsWith(fault), true, `${JSON.stringify(schema)}: ${JSON.stringify(found)}`);
  }
});

const SCHEMA = {
  properties: {
    region: annotated("string", "Region"),
    limits: { properties: { rows: annotated("integer", "Rows") } },
    dry: annotated("boolean", "Dry"),
  },
};

function paramsOf(schema: JsonObject): readonly HeaderParam[] {
  const found = headerParams(schema);
  if (found.fault !== undefined) throw new Error(found.fault);
  return found.params;
}

Deno.test("arguments are repeated where they have a value", () => {
  const params = paramsOf(SCHEMA);
  assertEquals(paramHeaders(params, { region: "世", limits: { rows: -7 }, dry: false }), {
    "Mcp-Param-Region": "=?base64?5LiW?=",
    "Mcp-Param-Rows": "-7",
    "Mcp-Param-Dry": "false",
  });
  assertEquals(paramHeaders(params, { region: null, limits: {} }), {});
  assertEquals(paramHeaders(params, { region: ["a"], limits: { rows: 2 ** 53 } }), {});
  assertEquals(paramHeaders(params, undefined), {});
});

Deno.test("headers that do not repeat the arguments are refused", () => {
  const params = paramsOf(SCHEMA);
  const check = (headers: Record<string, string>, args: JsonObject) =>
    checkParamHeaders(new Headers(headers), params, args);
  check({ "mcp-param-region": "a" }, { region: "a" });
  check({ "Mcp-Param-Region": "=?base64?YQ==?=" }, { region: "a" });
  check({ "Mcp-Param-Rows": "42.0" }, { limits: { rows: 42 } });
  check({ "Mcp-Param-Dry": "true" }, { dry: true });
  check({ "Mcp-Param-Other": "é" }, {});
  check({}, { region: null });
  refused(() => check({}, { region: "a" }), "Mcp-Param-Region is missing");
  refused(() => check({ "Mcp-Param-Region": "b" }, { region: "a" }), '"b", and the body "a"');
  refused(() => check({ "Mcp-Param-Region": "=?base64?YQ?=" }, { region: "a" }), "base64");
  refused(() => check({ "Mcp-Param-Region": "a" }, {}), "nothing of it");
  refused(() => check({ "Mcp-Param-Rows": "4x" }, { limits: { rows: 4 } }), "Mcp-Param-Rows");
  refused(() => check({ "Mcp-Param-Dry": "True" }, { dry: true }), "Mcp-Param-Dry");
});
