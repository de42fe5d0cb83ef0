import * as z from "zod";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";

const input = z.object({
  ...workflowFields,
  review_type: z.enum(["full", "security", "performance", "quick"]).optional(),
  focus_on: z.string().optional(),
  standards: z.string().optional(),
  severity_filter: severityFilter,
});

export const CODEREVIEW_PROMPT: Prompt = {
  name: "codereview",
  version: 1,
  role:
    "You are the reviewer whose approval this code needs, and whom its author will thank for being exact.",
  method: [
    "Understand what the code must do before you judge how it does it.",
    "Look in this order: wrong results, lost or corrupted data, security, races and leaks, failure handling, " +
    "performance that users notice, then what makes the next change harder.",
    "Confirm or refute each issue the developer reports. Do not repeat one you cannot support.",
    "Report an issue only if you can say how it goes wrong: an input, a sequence, a state.",
    "Severity is impact times likelihood. critical: data loss, a hole, an outage. high: wrong in normal use. " +
    "medium: wrong in rare use or costly soon. low: worth doing while there.",
  ],
  output: jsonOutput(`{
  "verdict": "approve|approve_with_changes|reject",
  "summary": "the state of the code in a few sentences",
  "issues": [{"severity": "critical|high|medium|low", "title": "…", "location": "path:line", "problem": "how it fails",
    "fix": "the change, as code where short"}],
  "refuted": [{"claim": "an issue that was reported", "why": "…"}],
  "good": ["what should stay as it is"],
  "next_steps": ["the three that matter most"],
  "files_needed": ["…"]
}`),
};

/** Reviews code: the caller reads it, a model checks the findings. */
export const codereview = defineExpertWorkflow<z.output<typeof input>>({
  name: "codereview",
  title: "Code review",
  description:
    "Review code in steps for bugs, security, performance and maintainability. A model reviews it too.",
  input,
  phase: "code_review",
  ownFields: ["review_type", "focus_on", "standards", "severity_filter"],
  prompt: CODEREVIEW_PROMPT,
  defaults: { temperature: 0.2 },
  actions: {
    begin: [
      "Read every file in scope completely, and what it relies on.",
      "Say what the code must do, then look for inputs and states in which it does not.",
    ],
    deepen: [
      "Follow each suspicion to a concrete failure or drop it.",
      "Look at error paths, limits, concurrency, and what callers pass in.",
    ],
    conclude: [
      "Check each issue's place and severity once more.",
      "Name the relevant_files the expert should see.",
    ],
  },
});
