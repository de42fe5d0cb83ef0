import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";
import { GitChanges } from "../material/git_changes.ts";
import type { ToolContext } from "../tool.ts";
import type { WorkflowRun } from "../workflow.ts";

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

export const PRECOMMIT_PROMPT: Prompt = {
  name: "precommit",
  version: 1,
  role: "You decide whether a change to a repository is fit to be committed as it is.",
  method: [
    "Read the diff as a whole: what does it mean to do, and does it do that and nothing else?",
    "For each hunk ask what relied on the old behaviour: callers, stored data, tests, configuration, docs.",
    "Look for what a diff does not show: a caller not updated, a migration not written, a test not added, a new file " +
    "not added to version control.",
    "Look for what must not be committed: secrets, debug output, disabled tests, unrelated edits, generated files.",
    "Judge only the change and what it touches; leave older faults alone unless the change makes them worse.",
  ],
  output: jsonOutput(`{
  "verdict": "commit|fix_first",
  "summary": "what the change does, in two sentences",
  "issues": [{"severity": "critical|high|medium|low", "title": "…", "location": "path:line", "problem": "…", "fix": "…",
    "blocks_commit": true}],
  "missing": ["tests, docs, migrations, call sites that should be part of this change"],
  "regression_risks": [{"area": "…", "why": "…", "check": "how to find out"}],
  "commit_message": "a message that says why",
  "files_needed": ["…"]
}`),
};

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
  defaults: { temperature: 0.2 },
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
  actions: {
    begin: [
      "Read the diff of every file in changes, and the code around each hunk.",
      "Say what the change means to do.",
    ],
    deepen: [
      "Find what relied on the old behaviour: callers, data, tests, configuration, docs.",
      "Look for what is missing from the change and for what does not belong in it.",
    ],
    conclude: [
      "Run the tests that cover the change, if you can.",
      "Check that nothing secret or temporary is in it.",
    ],
  },
  async material({ steps }: WorkflowRun<PrecommitArgs>, context: ToolContext) {
    await using changes = await openChanges(steps, context);
    return await changes?.material() ?? { documents: [], leftOut: [], files: [] };
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
