import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { LEAN_TOOLS } from "../lib/tool/selection.ts";
import { TestTools } from "./helpers/exai_tools.ts";

const NAMES = [
  "version",
  "health",
  "activity",
  "listmodels",
  "provider_capabilities",
  "challenge",
  "planner",
  "tracer",
  "docgen",
];

/** What all 21 definitions together may take, and what the nine tools here may take of it. */
const MAX_SCHEMA_CHARS = 10_500;

const WORKFLOW_FIELDS = [
  "step",
  "step_number",
  "total_steps",
  "next_step_required",
  "findings",
  "files_checked",
  "relevant_files",
  "relevant_context",
  "issues_found",
  "confidence",
  "hypothesis",
  "backtrack_from_step",
  "continuation_id",
];

const FIELDS: Record<string, { required: string[]; optional: string[] }> = {
  version: { required: [], optional: [] },
  health: { required: [], optional: ["tail_lines"] },
  activity: { required: [], optional: ["lines", "filter"] },
  listmodels: { required: [], optional: ["provider"] },
  provider_capabilities: {
    required: [],
    optional: ["include_tools", "show_advanced", "invalidate_cache"],
  },
  challenge: { required: ["prompt"], optional: [] },
  planner: {
    required: WORKFLOW_FIELDS.slice(0, 4),
    optional: [
      "backtrack_from_step",
      "continuation_id",
      "is_step_revision",
      "revises_step_number",
      "is_branch_point",
      "branch_from_step",
      "branch_id",
      "more_steps_needed",
    ],
  },
  tracer: {
    required: [...WORKFLOW_FIELDS.slice(0, 5), "trace_mode", "target_description"],
    optional: WORKFLOW_FIELDS.slice(5),
  },
  docgen: {
    required: [
      ...WORKFLOW_FIELDS.slice(0, 5),
      "document_complexity",
      "document_flow",
      "update_existing",
      "comments_on_complex_logic",
      "num_files_documented",
      "total_files_to_document",
    ],
    optional: WORKFLOW_FIELDS.slice(5),
  },
};

/** Every object within `value`, itself first. */
function* objectsIn(value: Json | undefined): Generator<JsonObject> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield value;
  for (const part of Object.values(value)) yield* objectsIn(part);
}

Deno.test("the tools are listed by the names of the original daemon, always in the same order", async () => {
  using tools = new TestTools();
  assertEquals((await tools.list()).map((tool) => tool.name), NAMES);
  assertEquals(tools.server.toolNames, NAMES);
});

Deno.test("every tool takes the fields the specification gives it, and no other", async () => {
  using tools = new TestTools();
  for (const { name, inputSchema } of await tools.list()) {
    const { properties, required = [], additionalProperties } = inputSchema as JsonObject;
    const expected = FIELDS[String(name)]!;
    assertEquals((required as string[]).toSorted(), expected.required.toSorted(), String(name));
    const all = [...expected.required, ...expected.optional];
    assertEquals(Object.keys(properties as JsonObject).toSorted(), all.toSorted(), String(name));
    assertEquals(additionalProperties, false);
  }
});

Deno.test("schemas are plain enough for strict clients", async () => {
  using tools = new TestTools();
  const forbidden = [
    "$ref",
    "$schema",
    "$defs",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "const",
    "patternProperties",
  ];
  for (const tool of await tools.list()) {
    const input = tool.inputSchema as JsonObject;
    assertEquals(input.type, "object");
    for (const schema of objectsIn(input)) {
      assertEquals(forbidden.filter((key) => key in schema), [], String(tool.name));
      if (schema.type === undefined) continue;
      assert(typeof schema.type === "string" || !("properties" in input), "no list of types");
      if (schema.type === "array") {
        assertEquals(typeof (schema.items as JsonObject).type, "string", `${tool.name}: typed items`);
      }
    }
    for (const property of Object.values(input.properties as JsonObject)) {
      assertEquals(typeof (property as JsonObject).type, "string", String(tool.name));
    }
    for (const schema of objectsIn(tool.outputSchema)) {
      assertEquals(forbidden.filter((key) => key in schema), []);
    }
  }
});

Deno.test("definitions are short, and each tells a model what the tool is for", async () => {
  using tools = new TestTools();
  const list = await tools.list();
  const chars = JSON.stringify(list).length;
  assert(chars < MAX_SCHEMA_CHARS, `${chars} characters`);
  for (const { name, description, title } of list) {
    assert(String(description).length > 40 && String(description).length < 250, String(name));
    assert(String(title).length > 0);
  }
});

Deno.test("every tool says whether it is safe to run again", async () => {
  using tools = new TestTools();
  for (const { name, annotations } of await tools.list()) {
    const { readOnlyHint, idempotentHint, openWorldHint } = annotations as JsonObject;
    assert(readOnlyHint || idempotentHint, String(name));
    assertEquals(openWorldHint, false);
  }
});

Deno.test("nobody can change the list for the others", async () => {
  using tools = new TestTools();
  const [first] = await tools.list();
  try {
    first!.name = "mine";
  } catch { /* a frozen object throws in strict mode */ }
  assertEquals((await tools.list())[0]!.name, "version");
});

Deno.test("the SDK's own client lists, calls and validates every tool", async () => {
  using tools = new TestTools();
  await using client = await tools.sdkClient();
  assertEquals(client.getServerVersion(), { name: "exai", title: "EXAI", version: "1.2.3" });
  assertStringIncludes(client.getInstructions()!, "next_call");
  const { tools: listed } = await client.listTools();
  assertEquals(listed.map((tool: { name: string }) => tool.name), NAMES);
  const step = { step: "s", step_number: 1, total_steps: 2, next_step_required: true };
  const docs = {
    document_complexity: true,
    document_flow: true,
    update_existing: true,
    comments_on_complex_logic: true,
    num_files_documented: 0,
    total_files_to_document: 2,
  };
  const args: Record<string, JsonObject> = {
    challenge: { prompt: "p" },
    planner: step,
    tracer: { ...step, findings: "f", trace_mode: "precision", target_description: "t" },
    docgen: { ...step, findings: "f", ...docs },
  };
  for (const name of NAMES) {
    // The client checks the structured content against the output schema and throws if it does not fit.
    const result = await client.callTool({ name, arguments: args[name] ?? {} });
    assertEquals(result.isError, undefined, `${name}: ${JSON.stringify(result.content)}`);
    const bad = await client.callTool({ name, arguments: { ...args[name], bogus: 1 } });
    assertEquals(bad.isError, true);
    assertStringIncludes(JSON.stringify(bad.content), "bogus");
  }
});

Deno.test("DISABLED_TOOLS takes tools away, and a name that is none is reported", async () => {
  using tools = new TestTools({ disabledTools: ["tracer", "plannr", "version"] });
  assertEquals(tools.server.toolNames.includes("tracer"), false);
  assertEquals(tools.server.toolNames.length, NAMES.length - 1);
  const [typo, version] = tools.server.warnings;
  assertStringIncludes(typo!, '"plannr"');
  assertStringIncludes(typo!, "did you mean planner?");
  assertStringIncludes(version!, "always offered");
  const error = await tools.call("tracer", {}).catch((thrown) => thrown);
  assertEquals([error.code, error.message], [
    "TOOL_NOT_FOUND",
    "the tool tracer is switched off by DISABLED_TOOLS",
  ]);
});

Deno.test("LEAN_MODE leaves the core tools, as its help says", async () => {
  using tools = new TestTools({ leanMode: true, disabledTools: ["challenge"] });
  assertEquals(tools.server.toolNames, ["version", "health", "listmodels", "planner"]);
  assertEquals(tools.server.warnings, []);
  assertStringIncludes(SETTINGS.leanMode.help, LEAN_TOOLS.join(", "));
  const error = await tools.call("docgen", {}).catch((thrown) => thrown);
  assertStringIncludes(error.message, "LEAN_MODE");
});
