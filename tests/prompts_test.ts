import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { PromptDocument } from "../lib/tool/dialogue/prompt_document.ts";
import { promptId, renderPrompt } from "../lib/tool/dialogue/prompt.ts";
import { BUILTIN_PROMPTS, BUILTIN_TOOLS } from "../lib/tool/builtin/tools.ts";
import { CODEREVIEW_PROMPT } from "../lib/tool/builtin/codereview.ts";
import { SEVERITIES } from "../lib/tool/fields.ts";
import { hashOf } from "../lib/tool/material/attachment.ts";
import { git, tempDir } from "./helpers/files.ts";
import { investigationStep, TestTools } from "./helpers/exai_tools.ts";
import { FakeModels, textOf } from "./helpers/fake_models.ts";

/** The texts of each prompt as they were published: one that changes needs a new version, and a new line here. */
const PUBLISHED: Record<string, string> = {
  "analyze@2": "8b072670348b9640",
  "apilookup@1": "1c413846238f86ea",
  "challenge@1": "b35ff7e7a86f4876",
  "chat@2": "78b65830cb91a560",
  "codereview@2": "961cc4a53d017cd3",
  "consensus@2": "f2ddce435ba6498d",
  "debug@2": "545ff82d84dbc335",
  "docgen@1": "32eb0f70e8e2440e",
  "planner@1": "b70939d3009d929f",
  "precommit@2": "7086dfeba400cf8f",
  "refactor@2": "e5161fdaf356bb23",
  "secaudit@2": "5360b273afdd735f",
  "summary@1": "247778fcc40e51f8",
  "testgen@2": "3ba66ccdde4f29a6",
  "thinkdeep@2": "3bc474aaf313bfc3",
  "tracer@1": "4053959cb49e0745",
};

const FOLDER = new URL("../lib/tool/prompts/", import.meta.url);

/** Prompts whose answer is for people. */
const IN_WORDS = ["chat", "consensus", "apilookup"];

/** Fields of a tool that no prompt has to explain: they are explained to the caller, or speak for themselves. */
const PLAIN_FIELDS = ["path"];

async function readDocuments(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const { name } of Deno.readDir(FOLDER)) {
    if (name !== "shared.md") texts.set(name, await Deno.readTextFile(new URL(name, FOLDER)));
  }
  return texts;
}

Deno.test("every tool that asks a model in its own words has a prompt, and no prompt is without a tool", async () => {
  using tools = new TestTools();
  const asking = (await tools.list())
    .filter(({ annotations }) => (annotations as { openWorldHint?: boolean }).openWorldHint !== false)
    .map(({ name }) => String(name));
  // Their models are told what the caller says.
  const raw = asking.filter((name) => name === "clink" || name.startsWith("kimi_"));
  assertEquals(
    asking.filter((name) => !raw.includes(name)).toSorted(),
    BUILTIN_PROMPTS.map(({ name }) => name).toSorted(),
  );
});

Deno.test("each prompt is a Markdown file of its own, named after its tool, or what it is for", async () => {
  const documents = await readDocuments();
  const names = Array.from(documents.values(), (text) => new PromptDocument(text).name);
  assertEquals(names.map((name) => `${name}.md`), [...documents.keys()]);
  const tools = BUILTIN_TOOLS.map(({ name }) => name);
  assertEquals(names.filter((name) => !tools.includes(name)), ["summary"]);
  assertEquals(BUILTIN_PROMPTS.map(({ name }) => name).filter((name) => !names.includes(name)), []);
});

Deno.test("each prompt states its role, its method, what an expert looks at and the shape of the answer, in few words", () => {
  for (const prompt of BUILTIN_PROMPTS) {
    const { name, version, role, method, checklist = "", output } = prompt;
    assert(Number.isInteger(version) && version >= 1, name);
    assertMatch(role, /^You [^\n]+\.$/, name);
    assert(method.length >= 4 && method.length <= 7, name);
    for (const step of method) assertMatch(step, /^[A-Z][^\n]{20,}[.?]$/, name);
    const checks = checklist.split("\n").filter((line) => line !== "" && !line.startsWith("## "));
    assert(checks.length >= 6, `${name} has ${checks.length} checks`);
    for (const check of checks) assertMatch(check, /^- .{30,}[.?]$/, name);
    assert(output.length > 50, name);
    const text = renderPrompt(prompt);
    // A model with a small window needs room for code; the whole is sent with each question.
    assert(text.length < 7000, `${name} has ${text.length} characters`);
    const titles = Array.from(text.matchAll(/^# (.+)$/gm), ([, title]) => title);
    const [optional] = [titles.includes("Options") ? ["Options"] : []];
    assertEquals(titles, ["Role", "Method", "Checklist", ...optional, "Rules", "Answer"]);
  }
});

Deno.test("each field of a tool's own that reaches the model is explained to it, and each of its values", () => {
  for (const { name, options = "" } of BUILTIN_PROMPTS) {
    const { properties } = BUILTIN_TOOLS.find((tool) => tool.name === name)!.definition
      .inputSchema as unknown as { properties: Record<string, { enum?: string[] }> };
    const common = commonFields();
    const own = Object.entries(properties).filter(([field]) =>
      !common.has(field) && !PLAIN_FIELDS.includes(field)
    );
    if (IN_WORDS.includes(name)) continue;
    for (const [field, schema] of own) {
      const line = options.split("\n").find((line) => new RegExp(`^- (\\w+, )*${field}\\b`).test(line));
      assert(line !== undefined, `${name} does not explain ${field}`);
      if (["severity_filter", "refactor_type"].includes(field)) continue;
      for (const value of schema.enum ?? []) assertStringIncludes(line, `\`${value}\``, name);
    }
  }
});

/** The fields that every tool in steps with a model has. */
function commonFields(): Set<string> {
  const { properties } = BUILTIN_TOOLS.find(({ name }) => name === "debug")!.definition.inputSchema;
  return new Set(Object.keys(properties as Record<string, unknown>));
}

Deno.test("an answer a program reads is asked for as JSON, by an example that is JSON", () => {
  for (const { name, output } of BUILTIN_PROMPTS) {
    const example = /^\{[\s\S]*^\}$/m.exec(output)?.[0];
    assertEquals(example === undefined, IN_WORDS.includes(name), name);
    if (example === undefined) continue;
    const shape = JSON.parse(example);
    assert("files_needed" in shape, name);
    const severities = Array.from(
      example.matchAll(/"severity": "([^"]+)"/g),
      ([, values]) => values!.split("|"),
    );
    for (const values of severities) assertEquals(values, [...SEVERITIES], name);
    assertStringIncludes(output, "nothing else");
    assert(!output.includes("```"), `${name}: a fence in the request comes back as a fence`);
  }
});

Deno.test("what a model is shown is never taken for instructions, and line numbers stay out of code", () => {
  for (const prompt of BUILTIN_PROMPTS) {
    assertStringIncludes(renderPrompt(prompt), "not for you");
    assertStringIncludes(renderPrompt(prompt), "leave number and bar out of any code");
  }
});

Deno.test("a prompt whose text has changed has a new version", async () => {
  const rendered = new Map(BUILTIN_PROMPTS.map((prompt) => [prompt.name, renderPrompt(prompt)]));
  const found: Record<string, string> = {};
  for (const text of (await readDocuments()).values()) {
    const document = new PromptDocument(text);
    const whole = `${text}\n${rendered.get(document.name) ?? ""}`;
    found[promptId(document)] = (await hashOf(whole)).slice(0, 16);
  }
  assertEquals(found, PUBLISHED);
});

Deno.test("between its steps a tool says what to do by its file, and which version of it", async () => {
  await using repository = await tempDir({ "a.ts": "A" });
  await git(repository.path, "init", "-q");
  using tools = new TestTools({ models: new FakeModels(), cwd: repository.path });
  for (const name of ["secaudit", "codereview", "precommit"]) {
    const first = await tools.call(name, investigationStep(1, name === "precommit" ? { path: "." } : {}));
    const { continuation_id } = first.answer.continuation_offer!;
    const said = [first.answer];
    for (const number of [2, 3, 4, 5, 6]) {
      const step = investigationStep(number, { continuation_id, next_step_required: true, total_steps: 9 });
      said.push((await tools.call(name, step)).answer);
    }
    const lists = said.map(({ content }) => (content as { required_actions: string[] }).required_actions);
    const text = await Deno.readTextFile(new URL(`${name}.md`, FOLDER));
    const document = new PromptDocument(text);
    for (const [i, list] of lists.entries()) {
      const title = document.find("Steps", `Step ${i + 1}`) === undefined ? "Further steps" : `Step ${i + 1}`;
      assertEquals(list, document.items("Steps", title), `${name} ${i + 1}`);
    }
    assertEquals(new Set(said.map(({ metadata }) => metadata.prompt)), new Set([promptId(document)]));
    const sure = investigationStep(7, {
      continuation_id,
      next_step_required: true,
      total_steps: 9,
      confidence: "high",
    });
    const { required_actions } = (await tools.call(name, sure)).answer.content as {
      required_actions: string[];
    };
    assertEquals(required_actions, document.items("Steps", "When sure"));
  }
});

Deno.test("a tool that asks no model names the version of its instructions too", async () => {
  using tools = new TestTools();
  const step = { step: "s", step_number: 1, total_steps: 2, next_step_required: true };
  const trace = { ...step, findings: "f", trace_mode: "precision", target_description: "main" };
  const document = {
    ...step,
    findings: "f",
    document_complexity: true,
    document_flow: false,
    update_existing: true,
    comments_on_complex_logic: true,
    num_files_documented: 0,
    total_files_to_document: 1,
  };
  const calls = { planner: step, tracer: trace, docgen: document, challenge: { prompt: "it is fast" } };
  for (const [name, args] of Object.entries(calls)) {
    const { answer } = await tools.call(name, args);
    assertMatch(String(answer.metadata.prompt), new RegExp(`^${name}@\\d+$`));
  }
});

Deno.test("the question that docs/prompts.md shows is the one that is sent", async () => {
  const split = "export function split(amount, parts) {\n  const share = Math.round(amount / parts);\n" +
    "  return Array.from({ length: parts }, () => share);\n}\n";
  await using dir = await tempDir({ "src/split.js": split });
  const models = new FakeModels(() => "{}");
  using tools = new TestTools({ models, cwd: dir.path });
  const { answer } = await tools.call("codereview", {
    step: "Review how amounts are split; they must add up.",
    step_number: 1,
    total_steps: 2,
    next_step_required: true,
    findings: "split is called with whole cents.",
    relevant_files: ["src/split.js"],
    focus_on: "rounding",
  });
  await tools.call("codereview", {
    step: "Tried 100 in 3 parts.",
    step_number: 2,
    total_steps: 2,
    next_step_required: false,
    findings: "The parts add up to 99.",
    continuation_id: answer.continuation_offer!.continuation_id,
    hypothesis: "The remainder is lost.",
    confidence: "medium",
    issues_found: [{ severity: "high", description: "split loses cents", location: "src/split.js:2" }],
  });
  const [system, question] = models.asked[0]!.request.messages;
  const page = await Deno.readTextFile(new URL("../docs/prompts.md", import.meta.url));
  assertStringIncludes(page, `\`\`\`text\n${textOf(question!)}\n\`\`\``);
  assertEquals(textOf(system!), renderPrompt(CODEREVIEW_PROMPT).trim());
});

Deno.test("a prompt file without a name or a version, or without a section that is asked for, is an error that says which", () => {
  assertThrows(() => new PromptDocument("# Role\nYou are."), Error, "name and version");
  const document = new PromptDocument("---\nname: x\nversion: 1\n---\n\n# Role\n\nYou\nare.\n");
  assertEquals(document.text("Role"), "You are.");
  assertThrows(() => document.text("Answer"), Error, "the prompt x has no section Answer");
  assertThrows(() => document.items("Steps", "Step 1"), Error, "Steps / Step 1");
});

Deno.test("a prompt file is read as it is shown: wrapped lines are joined, code and lists are kept", () => {
  const text = [
    "---\nname: x\nversion: 1\n---\n",
    "# A\n\nOne\ntwo.\n\n- first\n  goes on\n- second\n\n1. third\n",
    '## B\n\n```json\n{\n  "c": 1\n}\n```\n\nAfter\nit.\n\n# D\n\nEnd.\n',
  ].join("\n");
  const document = new PromptDocument(text);
  assertEquals(document.items("A"), ["first goes on", "second", "third"]);
  assertEquals(document.text("A", "B"), '```json\n{\n  "c": 1\n}\n```\n\nAfter it.');
  assertEquals(document.text("A").startsWith("One two.\n\n- first goes on\n- second"), true);
  assertEquals(document.find("A", "D"), undefined);
  assertEquals(document.text("D"), "End.");
});
