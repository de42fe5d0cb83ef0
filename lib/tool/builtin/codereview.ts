import * as z from "zod";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { severityFilter, workflowFields } from "../fields.ts";
import text from "../prompts/codereview.md" with { type: "text" };

const input = z.object({
  ...workflowFields,
  review_type: z.enum(["full", "security", "performance", "quick"]).optional(),
  focus_on: z.string().optional(),
  standards: z.string().optional(),
  severity_filter: severityFilter,
});

const document = new PromptDocument(text);

export const CODEREVIEW_PROMPT = toPrompt(document);

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
  defaults: { temperature: 0.2, thinkingMode: "high" },
  actions: toStepActions(document),
});
