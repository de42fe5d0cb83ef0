import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";
import { GitChanges, NO_CHANGES } from "../material/git_changes.ts";
import type { ToolContext } from "../tool.ts";
import type { WorkflowRun } from "../workflow.ts";
import text from "../prompts/precommit.md" with { type: "text" };

const input = z.object({
  ...workflowFields,
  path: z.string().min(1).optional().describe("repository; required in step 1"),
  compare_to: z.string().min(1).optional().describe("branch, tag or commit"),
  include_staged: z.boolean().optional(),
  include_unstaged: z.boolean().optional(),
  focus_on: z.string().optional(),
  severity_filter: severityFilter,
});

type PrecommitArgs = z.output<typeof input>;

const document = new PromptDocument(text);

export const PRECOMMIT_PROMPT = toPrompt(document);

/** Checks the changes of a git repository before they are committed. */
export const precommit = defineExpertWorkflow<PrecommitArgs>({
  name: "precommit",
  title: "Precommit",
  description:
    "Check git changes in steps before a commit: staged, unstaged, or since compare_to. A model checks the diff.",
  input,
  phase: "validation",
  ownFields: ["path", "compare_to", "include_staged", "include_unstaged", "focus_on", "severity_filter"],
  prompt: PRECOMMIT_PROMPT,
  defaults: { temperature: 0.2, thinkingMode: "high" },
  async check(args, earlier, context) {
    if (args.step_number === 1 && args.path === undefined) {
      throw new ExaiError("INVALID_PARAMS", "path is required in step 1: name the repository");
    }
    await using _changes = await openChanges([...earlier, args], context);
  },
  async describePause({ args, steps }, context) {
    // The list of changes is part of the first step only.
    if (args.step_number !== 1) return undefined;
    await using changes = await openChanges(steps, context);
    return { changes: await changes?.summarize() };
  },
  actions: toStepActions(document),
  async material({ steps }: WorkflowRun<PrecommitArgs>, context: ToolContext) {
    await using changes = await openChanges(steps, context);
    const material = await changes?.material() ?? { documents: [], leftOut: [], files: [] };
    const { documents, leftOut, files } = material;
    return documents.length + leftOut.length + files.length > 0
      ? material
      : { ...material, note: NO_CHANGES };
  },
});

/** Opens the changes selected by the options of `steps`; the latest value of each option counts. */
async function openChanges(
  steps: readonly PrecommitArgs[],
  { workspace, signal }: ToolContext,
): Promise<GitChanges | undefined> {
  const latest = <K extends keyof PrecommitArgs>(field: K) =>
    steps.findLast((step) => step[field] !== undefined)?.[field];
  const path = latest("path");
  if (path === undefined) return undefined;
  const compareTo = latest("compare_to");
  // With compare_to only commits are included by default.
  const staged = latest("include_staged") ?? compareTo === undefined;
  const unstaged = latest("include_unstaged") ?? compareTo === undefined;
  return await GitChanges.open({ path, compareTo, staged, unstaged }, { workspace, signal });
}
