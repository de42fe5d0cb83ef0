import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { AwaitServer } from "../lib/admission/await_call.ts";
import { DetachedCalls } from "../lib/admission/detached_calls.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { LEAN_TOOLS } from "../lib/tool/tool_selection.ts";
import { makeCall, TestTools } from "./helpers/exai_tools.ts";
import { fakeModel, FakeModels } from "./helpers/fake_models.ts";
import { git, tempDir } from "./helpers/files.ts";
import { geminiFaults, nodesOf, openAiFaults } from "./helpers/json_schema.ts";

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
  "chat",
  "thinkdeep",
  "analyze",
  "codereview",
  "precommit",
  "secaudit",
  "refactor",
  "testgen",
  "debug",
  "consensus",
  "apilookup",
  "clink",
  "kimi_chat_with_tools",
  "kimi_upload_and_extract",
];

/** Tools that ask a model: running one again costs money again. They come after those that ask none. */
const ASKING = NAMES.slice(NAMES.indexOf("chat"));

/** What all definitions together may take. */
const MAX_SCHEMA_CHARS = 24_000;

const MODEL_FIELDS = ["model", "temperature", "thinking_mode", "use_websearch", "images"];

const STEP_FIELDS = ["step", "step_number", "total_steps", "next_step_required"];

/** Those of tools that work in steps and ask no model; they accept the others and ignore them. */
const INVESTIGATION_FIELDS = [
  ...STEP_FIELDS,
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

const WORKFLOW_FIELDS = [...INVESTIGATION_FIELDS, "use_assistant_model", ...MODEL_FIELDS];

/** A tool whose fields are those of all workflow tools, and these. */
function workflow(...own: string[]) {
  return { required: WORKFLOW_FIELDS.slice(0, 5), optional: [...WORKFLOW_FIELDS.slice(5), ...own] };
}

const FIELDS: Record<string, { required: string[]; optional: string[] }> = {
  version: { required: [], optional: [] },
  health: { required: [], optional: ["tail_lines"] },
  activity: { required: [], optional: ["lines", "filter"] },
  listmodels: { required: [], optional: ["provider", "filter"] },
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
    optional: INVESTIGATION_FIELDS.slice(5),
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
    optional: INVESTIGATION_FIELDS.slice(5),
  },
  chat: { required: ["prompt"], optional: ["files", "continuation_id", ...MODEL_FIELDS] },
  thinkdeep: workflow("problem_context", "focus_areas"),
  analyze: workflow("analysis_type", "output_format"),
  codereview: workflow("review_type", "focus_on", "standards", "severity_filter"),
  precommit: workflow(
    "path",
    "compare_to",
    "include_staged",
    "include_unstaged",
    "focus_on",
    "severity_filter",
  ),
  secaudit: workflow(
    "security_scope",
    "threat_level",
    "compliance_requirements",
    "audit_focus",
    "severity_filter",
  ),
  refactor: workflow("refactor_type", "focus_areas", "style_guide_examples"),
  testgen: workflow(),
  debug: workflow(),
  consensus: {
    required: STEP_FIELDS,
    optional: [
      "findings",
      "models",
      "relevant_files",
      "backtrack_from_step",
      "continuation_id",
      ...MODEL_FIELDS.slice(1),
    ],
  },
  apilookup: { required: ["prompt"], optional: ["continuation_id", "model"] },
  clink: { required: ["prompt"], optional: ["agent", "role", "files", "continuation_id", "model"] },
  kimi_chat_with_tools: {
    required: ["messages"],
    optional: ["model", "tools", "tool_choice", "temperature", "stream", "use_websearch"],
  },
  kimi_upload_and_extract: { required: ["files"], optional: ["purpose"] },
};

/** What to do when the tools and this file differ. */
const ADD_HERE = "a new tool has its name in NAMES and its fields in FIELDS of tests/tool_schema_test.ts";

Deno.test("the tools are listed by the names in NAMES, always in the same order", async () => {
  using tools = new TestTools();
  assertEquals((await tools.list()).map((tool) => tool.name), NAMES, ADD_HERE);
  assertEquals(tools.server.toolNames, NAMES);
});

Deno.test("every tool takes the fields the specification gives it, and no other", async () => {
  using tools = new TestTools();
  for (const { name, inputSchema } of await tools.list()) {
    const { properties, required = [], additionalProperties } = inputSchema as JsonObject;
    assert(Object.hasOwn(FIELDS, String(name)), `${name} is not in FIELDS: ${ADD_HERE}`);
    const expected = FIELDS[String(name)]!;
    assertEquals((required as string[]).toSorted(), expected.required.toSorted(), String(name));
    const all = [...expected.required, ...expected.optional];
    assertEquals(Object.keys(properties as JsonObject).toSorted(), all.toSorted(), String(name));
    assertEquals(additionalProperties, false);
  }
});

Deno.test("OpenAI and Gemini take every definition as it is", async () => {
  using tools = new TestTools();
  for (const tool of await tools.list()) {
    assertEquals(openAiFaults(tool), [], String(tool.name));
    assertEquals(geminiFaults(tool), [], String(tool.name));
    for (const { schema } of nodesOf(tool.outputSchema as JsonObject)) assertEquals("$ref" in schema, false);
  }
});

Deno.test("the rules of OpenAI and Gemini find what they forbid", () => {
  const tool = (property: JsonObject) => ({
    name: "t",
    description: "d",
    inputSchema: { type: "object", properties: { property }, required: ["property"] },
  });
  const faulty: JsonObject[] = [
    {},
    { type: ["string", "null"] },
    { type: "array" },
    { anyOf: [{ type: "string" }] },
    { $ref: "#" },
    { type: "object", properties: {}, required: ["x"] },
  ];
  for (const property of faulty) {
    assert(openAiFaults(tool(property)).length > 0, JSON.stringify(property));
    assert(geminiFaults(tool(property)).length > 0, JSON.stringify(property));
  }
  for (
    const property of [{ type: "object" }, { type: "integer", enum: [1] }, { type: "string", pattern: "a" }]
  ) {
    assert(geminiFaults(tool(property)).length > 0, JSON.stringify(property));
  }
});

Deno.test("definitions are short, and each tells a model what the tool is for", async () => {
  using tools = new TestTools();
  const waiting = new AwaitServer(new DetachedCalls({ maxResults: 1, maxChars: 1 }), () => true);
  const list = [...await tools.list(), ...await waiting.list("tools", makeCall("tools/list", {}))];
  const chars = JSON.stringify(list).length;
  assert(chars < MAX_SCHEMA_CHARS, `all definitions have ${chars} characters, ${MAX_SCHEMA_CHARS} or more`);
  for (const { name, description, title } of list) {
    const { length } = String(description);
    assert(length > 40 && length < 250, `the description of ${name} has ${length} characters, not 41 to 249`);
    assert(String(title).length > 0, `${name} has no title`);
  }
});

Deno.test("every tool says whether it is safe to run again", async () => {
  using tools = new TestTools();
  for (const { name, annotations } of await tools.list()) {
    const { readOnlyHint, idempotentHint, openWorldHint = true } = annotations as JsonObject;
    const asks = ASKING.includes(String(name));
    const advice = asks
      ? `${name} is listed from chat on, so it asks a model: openWorldHint, not read-only or idempotent`
      : `${name} is listed before chat, so it asks no model: readOnlyHint or idempotentHint, not openWorldHint`;
    assertEquals(readOnlyHint === true || idempotentHint === true, !asks, advice);
    assertEquals(openWorldHint, asks, advice);
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
  await using repository = await tempDir({ "a.ts": "A" });
  await git(repository.path, "init", "-q");
  const models = new FakeModels();
  models.models.push(fakeModel("kimi-large", { provider: "kimi" }));
  models.fileService = {
    upload: ({ name, bytes }) =>
      Promise.resolve({ name, sizeBytes: bytes.length, text: "text", cached: false }),
  };
  using tools = new TestTools({ cwd: repository.path, models });
  await using client = await tools.sdkClient();
  assertEquals(client.getServerVersion(), { name: "exai", title: "EXAI", version: "1.2.3" });
  assertStringIncludes(client.getInstructions()!, "next_call");
  const { tools: listed } = await client.listTools();
  assertEquals(listed.map((tool: { name: string }) => tool.name), NAMES, ADD_HERE);
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
    chat: { prompt: "p" },
    apilookup: { prompt: "p" },
    clink: { prompt: "p" },
    consensus: { ...step, models: [{ model: "one" }] },
    precommit: { ...step, findings: "f", path: repository.path },
    testgen: { ...step, findings: "f", relevant_files: ["a.ts"] },
    kimi_chat_with_tools: { messages: [{ role: "user", content: "q" }] },
    kimi_upload_and_extract: { files: ["a.ts"] },
  };
  for (const name of NAMES) {
    // The client checks the structured content against the output schema and throws if it does not fit.
    const own = args[name] ?? (ASKING.includes(name) ? { ...step, findings: "f" } : {});
    const result = await client.callTool({ name, arguments: own });
    const said = JSON.stringify(result.content);
    assertEquals(result.isError, undefined, `${name} with the arguments of \`args\` above: ${said}`);
    const bad = await client.callTool({ name, arguments: { ...own, bogus: 1 } });
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
  assertEquals(tools.server.toolNames, [
    "version",
    "health",
    "listmodels",
    "planner",
    "chat",
    "thinkdeep",
    "codereview",
    "debug",
  ]);
  assertEquals(tools.server.warnings, []);
  assertStringIncludes(SETTINGS.leanMode.help, LEAN_TOOLS.join(", "));
  const error = await tools.call("docgen", {}).catch((thrown) => thrown);
  assertStringIncludes(error.message, "LEAN_MODE");
});
