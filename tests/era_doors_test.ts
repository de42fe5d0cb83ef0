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

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "t", version: "1" },
};

interface Found {
  legacy: JsonObject;
  modern: JsonObject;
  http: JsonObject;
  status: number;
}

/** The doors of a daemon with a server of 2025 that calls are answered by with `answers`, in turn. */
async function doorsTo(answers: readonly JsonObject[], tools: JsonObject[]) {
  const script = {
    "tools/list": { tools },
    "tools/call": answers.flatMap((answer) => Array(DOORS).fill(answer)),
  };
  const args = ["run", "-A", "--no-check", scripted, JSON.stringify(script)];
  const it = await mountingDaemon({
    odd: { command: Deno.execPath(), args, share: "machine", era: "legacy" },
  });
  const url = new URL("/mcp/odd", it.http);
  const client = await RawClient.connect(`${url.href.replace("http", "ws")}`, ["mcp"]);
  await client.ask({ jsonrpc: "2.0", id: 0, method: "initialize", params: INITIALIZE });
  let last = 0;
  return {
    /** The answer as clients of 2025 and of 2026 get it over a WebSocket, and of 2026 over HTTP. */
    async ask(method: string, params: JsonObject = {}): Promise<Found> {
      const id = ++last;
      const legacy = await client.ask({ jsonrpc: "2.0", id: `old${id}`, method, params });
      const modern = await client.ask(modernRequest(`new${id}`, method, params));
      const body = JSON.stringify(modernRequest(id, method, params));
      const response = await fetch(url, { method: "POST", headers: modernHeaders(method, params), body });
      return { legacy, modern, http: await response.json(), status: response.status };
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await it[Symbol.asyncDispose]();
    },
  };
}

const LACKS = { requiredCapabilities: { sampling: {} } };

/** An error of the server; its code for clients of 2025 and of 2026, and its status over HTTP. */
const ERRORS: [JsonObject, number, number, number][] = [
  [{ code: -32602, message: "a" }, -32602, -32602, 400],
  [{ code: -32601, message: "a" }, -32601, -32601, 404],
  [{ code: -32603, message: "a" }, -32603, -32603, 200],
  [{ code: -32002, message: "a", data: { uri: "u" } }, -32002, -32602, 400],
  [{ code: -32042, message: "a", data: { elicitations: [] } }, -32042, -32021, 400],
  [{ code: -32021, message: "a", data: LACKS }, -32021, -32021, 400],
  [{ code: -32020, message: "a" }, -32020, -32603, 200],
  [{ code: -32022, message: "a" }, -32022, -32603, 200],
  [{ code: -32050, message: "a" }, -32050, -32603, 200],
  [{ code: -32000, message: "a" }, -32000, -32000, 200],
  [{ code: 42, message: "a" }, 42, 42, 200],
];

const RESULTS: JsonObject[] = [
  { content: [{ type: "text", text: "[1]" }], structuredContent: [1], _meta: { a: 1 } },
  { content: [], resultType: "complete", structuredContent: { a: 1 } },
];

const TOOL = {
  name: "odd",
  inputSchema: { type: "object" },
  outputSchema: { type: "array" },
  execution: { taskSupport: "optional" },
};

const CALL = { name: "odd", arguments: {} };

const codeOf = ({ error }: JsonObject): Json | undefined => (error as JsonObject | undefined)?.code;

Deno.test("at each door answers of a server are of the era of its client", async (t) => {
  const answers = [...ERRORS.map(([error]) => ({ error })), ...RESULTS];
  await using doors = await doorsTo(answers, [TOOL]);

  await t.step("an error has its code there, and over HTTP its status", async () => {
    for (const [error, legacyCode, modernCode, httpStatus] of ERRORS) {
      const { legacy, modern, http, status } = await doors.ask("tools/call", CALL);
      const codes = [legacy, modern, http].map(codeOf);
      assertEquals(
        [...codes, status],
        [legacyCode, modernCode, modernCode, httpStatus],
        JSON.stringify(error),
      );
    }
  });

  await t.step("a result has its members", async () => {
    const found = [await doors.ask("tools/call", CALL), await doors.ask("tools/call", CALL)];
    assertEquals(found.map(({ legacy }) => legacy.result), [
      { ...RESULTS[0], structuredContent: { result: [1] } },
      { content: [], structuredContent: { a: 1 } },
    ]);
    for (const door of ["modern", "http"] as const) {
      const [first, second] = found.map((answers) => answers[door].result as JsonObject);
      const { _meta: { [META.server]: server, ...meta }, ...rest } = first as JsonObject & {
        _meta: JsonObject;
      };
      assertEquals([(server as JsonObject).name, meta], ["exai", { a: 1 }]);
      assertEquals(rest, {
        content: RESULTS[0]!.content!,
        structuredContent: [1],
        resultType: "complete",
      });
      assertEquals(second!.resultType, "complete");
    }
  });

  await t.step("a list has its entries", async () => {
    const found = await doors.ask("tools/list");
    const [old] = (found.legacy.result as { tools: JsonObject[] }).tools;
    assertEquals(old!.outputSchema, {
      type: "object",
      properties: { result: { type: "array" } },
      required: ["result"],
    });
    for (const { result } of [found.modern, found.http]) {
      const { tools: [tool], ttlMs, cacheScope } = result as JsonObject & { tools: JsonObject[] };
      assertEquals([tool!.outputSchema, tool!.execution], [{ type: "array" }, undefined]);
      assertEquals([typeof ttlMs, cacheScope], ["number", "private"]);
    }
  });
});
