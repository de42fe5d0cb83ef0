import * as z from "zod";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import text from "../prompts/analyze.md" with { type: "text" };

const input = z.object({
  ...workflowFields,
  analysis_type: z.enum(["architecture", "performance", "security", "quality", "general"]).optional(),
  output_format: z.enum(["summary", "detailed", "actionable"]).optional(),
});

const document = new PromptDocument(text);

export const ANALYZE_PROMPT = toPrompt(document);

/** Assesses the structure and quality of a code base. */
export const analyze = defineExpertWorkflow<z.output<typeof input>>({
  name: "analyze",
  title: "Analyze",
  description:
    "Understand a code base in steps: structure, patterns, performance, security, quality. A model assesses it.",
  input,
  phase: "analysis",
  ownFields: ["analysis_type", "output_format"],
  prompt: ANALYZE_PROMPT,
  defaults: { temperature: 0.2 },
  actions: toStepActions(document),
});
