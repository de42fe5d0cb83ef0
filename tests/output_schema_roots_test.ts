import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { sift } from "../lib/call/definitions.ts";
import { siftOutputSchemas } from "../lib/call/output_schemas.ts";
import { legacyOutputSchema } from "../lib/wire/legacy_schemas.ts";
import { ModernHttp } from "./helpers/modern_http.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { scripted, tool } from "./helpers/scripted.ts";
import { sdkClient } from "./helpers/sdk_client.ts";

/** Output schemas of MCP 2026-07-28 that are none of 2025-11-25. */
const SCHEMAS: Record<string, JsonObject> = {
  number: { type: "number" },
  array: { type: "array", items: { $ref: "#/$defs/n" }, $defs: { n: { type: "number" } } },
  any: { anyOf: [{ type: "object" }, { type: "null" }] },
  types: { type: ["object", "null"] },
};

const TOOLS = Object.entries(SCHEMAS).map(([name, outputSchema]) => tool(name, { outputSchema }));

const schemasOf = (tools: readonly JsonObject[]) =>
  Object.fromEntries(
    tools.filter(({ name }) => Object.hasOwn(SCHEMAS, String(name)))
      .map(({ name, outputSchema }) => [name, outputSchema]),
  );

Deno.test("an output schema of any root is kept with its tool; one that is no schema is not", async () => {
  const lost = tool("lost", { outputSchema: { type: "array", items: { $ref: "#/$defs/nowhere" } } });
  const bad = tool("bad", { outputSchema: "number" });
  const { entries, faults } = await siftOutputSchemas(sift("tools", [...TOOLS, lost, bad]));
  assertEquals(entries, [...TOOLS, tool("lost")]);
  assertEquals(faults.length, 2);
  assertStringIncludes(faults[0]!, 'tool "bad" is left out');
  assertStringIncludes(faults[1]!, 'tool "lost" is shown without its outputSchema');
});

Deno.test("the merged list shows output schemas as they are in 2026, and made of objects in 2025", async () => {
  await using it = await mountingDaemon({ odd: scripted({ "tools/list": { tools: TOOLS } }) });
  await using legacy = await sdkClient(it.url);
  const projected = Object.entries(SCHEMAS).map(([name, schema]) => [name, legacyOutputSchema(schema)]);
  const { tools } = await legacy.listTools();
  assertEquals(schemasOf(tools as unknown as JsonObject[]), Object.fromEntries(projected));
  const modern = new ModernHttp(new URL("/mcp", it.url.replace("ws", "http")).href);
  const { result } = await (await modern.request(1, "tools/list")).json();
  assertEquals(schemasOf(result.tools), SCHEMAS);
});
