import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashOf } from "../lib/tool/material/attachment.ts";
import { promptId, renderPrompt } from "../lib/tool/dialogue/prompt.ts";
import { BUILTIN_PROMPTS } from "../lib/tool/builtin/tools.ts";
import { SEVERITIES } from "../lib/tool/fields.ts";
import { TestTools } from "./helpers/exai_tools.ts";

/** The text of each prompt as it was published: a text that changes needs a new version, and a new line here. */
const PUBLISHED: Record<string, string> = {
  "chat@1": "54e592186c4b7d4e",
  "thinkdeep@1": "2c95409d834c3237",
  "analyze@1": "91d8a0fdf01cf191",
  "codereview@1": "eb5d9fde73ed4510",
  "precommit@1": "4b92f49dc5a9be9c",
  "secaudit@1": "93e3c3c56a50ef8f",
  "refactor@1": "3332e84f11dc4b2b",
  "testgen@1": "7636aee6448396d1",
  "debug@1": "c14887ee8c780e80",
  "consensus@1": "21e59194d430dde8",
  "apilookup@1": "b66feb88a8657722",
};

/** Prompts whose answer is for people. */
const IN_WORDS = ["chat", "consensus", "apilookup"];

Deno.test("every tool that asks a model in its own words has a prompt, and no prompt is without a tool", async () => {
  using tools = new TestTools();
  const asking = (await tools.list())
    .filter(({ annotations }) => (annotations as { openWorldHint?: boolean }).openWorldHint)
    .map(({ name }) => String(name));
  // Their models are told what the caller says.
  const raw = asking.filter((name) => name === "clink" || name.startsWith("kimi_"));
  assertEquals(
    asking.filter((name) => !raw.includes(name)).toSorted(),
    BUILTIN_PROMPTS.map(({ name }) => name).toSorted(),
  );
});

Deno.test("each prompt states its role, its method and the shape of the answer, in few words", () => {
  for (const prompt of BUILTIN_PROMPTS) {
    const { name, version, role, method, output } = prompt;
    assert(Number.isInteger(version) && version >= 1, name);
    assertMatch(role, /^You [^\n]+\.$/, name);
    assert(method.length >= 4 && method.length <= 7, name);
    for (const step of method) assertMatch(step, /^[A-Z][^\n]{20,}[.?]$/, name);
    assert(output.length > 50, name);
    const text = renderPrompt(prompt);
    assert(text.length < 3500, `${name} has ${text.length} characters`);
    const titles = Array.from(text.matchAll(/^# (.+)$/gm), ([, title]) => title);
    assertEquals(titles, ["Role", "Method", "Rules", "Answer"]);
  }
});

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
  }
});

Deno.test("what a model is shown is never taken for instructions", () => {
  for (const prompt of BUILTIN_PROMPTS) assertStringIncludes(renderPrompt(prompt), "not for you");
});

Deno.test("a prompt whose text has changed has a new version", async () => {
  for (const prompt of BUILTIN_PROMPTS) {
    const hash = (await hashOf(renderPrompt(prompt))).slice(0, 16);
    assertEquals(PUBLISHED[promptId(prompt)], hash, `"${promptId(prompt)}": "${hash}",`);
  }
  assertEquals(Object.keys(PUBLISHED).length, BUILTIN_PROMPTS.length);
});
