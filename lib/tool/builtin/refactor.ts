import * as z from "zod";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import text from "../prompts/refactor.md" with { type: "text" };

const input = z.object({
  ...workflowFields,
  refactor_type: z.enum(["codesmells", "decompose", "modernize", "organization"]).optional(),
  focus_areas: z.array(z.string()).optional(),
  style_guide_examples: z.array(z.string()).optional().describe("files whose style to follow"),
});

const document = new PromptDocument(text);

export const REFACTOR_PROMPT = toPrompt(document);

/** Plans refactorings that keep the behaviour. */
export const refactor = defineExpertWorkflow<z.output<typeof input>>({
  name: "refactor",
  title: "Refactor",
  description:
    "Find refactorings in steps: what to split, simplify, modernize or move. A model turns them into a plan.",
  input,
  phase: "refactoring_analysis",
  ownFields: ["refactor_type", "focus_areas", "style_guide_examples"],
  prompt: REFACTOR_PROMPT,
  defaults: { temperature: 0.2 },
  actions: toStepActions(document),
});
