import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { META } from "../lib/wire/client_claim.ts";
import { modernRequest } from "./helpers/modern.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { modernHeaders } from "./helpers/raw_modern.ts";

const scripted = fromFileUrl(new URL("./fixtures/scripted_server.ts", import.meta.url));
const DOORS = 3;

/** Each answer of a server of 2025 as its clients get it: of 2025 and of 2026 over a WebSocket, of 2026 over HTTP. */
async function answersAtDoors(method: string, answers: readonly JsonObject[], params: JsonObject) {
  const script = {
    "tools/list": { tools: [{ name: "odd", inputSchema: { type: "object" } }] },
    [method]: answers.flatMap((answer) => Array(DOORS).fill(answer)),
  };
  const args = ["run", "-A", "--no-check", scripted, JSON.stringify(script)];
  await using it = await mountingDaemon({ odd: { command: Deno.execPath(), args, share: "machine" } });
  const url = new URL("/mcp/odd", it.http);
  using client = await RawClient.connect(`${url.href.replace("http", "ws")}`, ["mcp"]);
  const initialize = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "t", version: "1" },
  };
  await client.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params: initialize });
  const found: { legacy: JsonObject; modern: JsonObject; http: JsonObject; status: number }[] = [];
  for (const [i] of answers.entries()) {
    const legacy = await client.ask({ jsonrpc: "2.0", id: `old${i}`, method, params });
    const modern = await client.ask(modernRequest(`new${i}`, method, params));
    const body = JSON.stringify(modernRequest(i, method, params));
    const response = await fetch(url, { method: "POST", headers: modernHeaders(method, params), body });
    found.push({ legacy, modern, http: await response.json(), status: response.status });
  }
  await client.close();
  return found;
}

Deno.test("at each door an error of a server has the code of its client's era, and over HTTP its status", async () => {
  const lacks = { requiredCapabilities: { sampling: {} } };
  const table: [JsonObject, number, number, number][] = [
    [{ code: -32602, message: "a" }, -32602, -32602, 400],
    [{ code: -32601, message: "a" }, -32601, -32601, 404],
    [{ code: -32603, message: "a" }, -32603, -32603, 200],
    [{ code: -32002, message: "a", data: { uri: "u" } }, -32002, -32602, 400],
    [{ code: -32042, message: "a", data: { elicitations: [] } }, -32042, -32021, 400],
    [{ code: -32021, message: "a", data: lacks }, -32021, -32021, 400],
    [{ code: -32020, message: "a" }, -32020, -32603, 200],
    [{ code: -32022, message: "a" }, -32022, -32603, 200],
    [{ code: -32050, message: "a" }, -32050, -32603, 200],
    [{ code: -32000, message: "a" }, -32000, -32000, 200],
    [{ code: 42, message: "a" }, 42, 42, 200],
  ];
  const params = { name: "odd", arguments: {} };
  const found = await answersAtDoors("tools/call", table.map(([error]) => ({ error })), params);
  const codeOf = ({ error }: JsonObject): Json | undefined => (error as JsonObject | undefined)?.code;
  const shown = found.map(({ legacy, modern, http, status }) => [
    codeOf(legacy),
    codeOf(modern),
    codeOf(http),
    status,
  ]);
  assertEquals(shown, table.map(([, legacy, modern, status]) => [legacy, modern, modern, status]));
});

Deno.test("at each door a result is one of its client's era", async () => {
  const results: JsonObject[] = [
    { content: [{ type: "text", text: "[1]" }], structuredContent: [1], _meta: { a: 1 } },
    { content: [], resultType: "complete", structuredContent: { a: 1 } },
  ];
  const params = { name: "odd", arguments: {} };
  const found = await answersAtDoors("tools/call", results, params);
  assertEquals(found.map(({ legacy }) => legacy.result), [
    { ...results[0], structuredContent: { result: [1] } },
    { content: [], structuredContent: { a: 1 } },
  ]);
  for (const door of ["modern", "http"] as const) {
    const [first, second] = found.map((answers) => answers[door].result as JsonObject);
    const { _meta: { [META.server]: server, ...meta }, ...rest } = first as JsonObject & {
      _meta: JsonObject;
    };
    assertEquals([(server as JsonObject).name, meta], ["exai", { a: 1 }]);
    assertEquals(rest, {
      content: results[0]!.content!,
      structuredContent: [1],
      resultType: "complete",
    });
    assertEquals(second!.resultType, "complete");
  }
});

Deno.test("at each door a list is one of its client's era", async () => {
  const tools = [{
    name: "odd",
    inputSchema: { type: "object" },
    outputSchema: { type: "array" },
    execution: { taskSupport: "optional" },
  }];
  const [found] = await answersAtDoors("tools/list", [{ tools }], {});
  const [old] = (found!.legacy.result as { tools: JsonObject[] }).tools;
  assertEquals(old!.outputSchema, {
    type: "object",
    properties: { result: { type: "array" } },
    required: ["result"],
  });
  for (const { result } of [found!.modern, found!.http]) {
    const { tools: [tool], ttlMs, cacheScope } = result as JsonObject & { tools: JsonObject[] };
    assertEquals([tool!.outputSchema, tool!.execution], [{ type: "array" }, undefined]);
    assertEquals([typeof ttlMs, cacheScope], ["number", "private"]);
  }
});
