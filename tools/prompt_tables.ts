import { BUILTIN_PROMPTS } from "../lib/tool/builtin/tools.ts";
import { promptId, renderPrompt } from "../lib/tool/dialogue/prompt.ts";
import { code, markdownTable } from "./markdown.ts";

const PLANTED = new URL("../tests/fixtures/planted/", import.meta.url);

/** The prompts of the tools that ask a model. */
export function promptsTable(): string {
  const rows = BUILTIN_PROMPTS.map((prompt) => {
    const checks = (prompt.checklist ?? "").split("\n").filter((line) => line.startsWith("- ")).length;
    return [code(promptId(prompt)), String(checks), String(renderPrompt(prompt).length)];
  });
  return markdownTable(["prompt", "points of its checklist", "characters of the system message"], rows);
}

/** The repositories that prompts are scored on. */
export function plantedTable(): string {
  const names = Array.from(Deno.readDirSync(PLANTED)).filter(({ isDirectory }) => isDirectory)
    .map(({ name }) => name).toSorted();
  const rows = names.map((name) => {
    const { language, about, faults, decoys } = JSON.parse(
      Deno.readTextFileSync(new URL(`${name}/key.json`, PLANTED)),
    );
    return [code(name), language, about, String(faults.length), String(decoys.length)];
  });
  return markdownTable(["repository", "language", "what it is", "faults", "decoys"], rows);
}
