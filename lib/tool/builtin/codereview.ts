import * as z from "zod";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";
import { CODEREVIEW } from "../prompts/codereview.ts";

const input = z.object({
  ...workflowFields,
  review_type: z.enum(["full", "security", "performance", "quick"]).optional(),
  focus_on: z.string().optional(),
  standards: z.string().optional(),
  severity_filter: severityFilter,
});

/** Reviews code: the caller reads it, a model checks what the caller found. */
export const codereview = defineExpertWorkflow<z.output<typeof input>>({
  name: "codereview",
  title: "Code review",
  description:
    "Review code in steps for bugs, security, performance and maintainability. A model reviews it too.",
  input,
  phase: "code_review",
  ownFields: ["review_type", "focus_on", "standards", "severity_filter"],
  prompt: CODEREVIEW,
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
