import * as z from "zod";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import text from "../prompts/thinkdeep.md" with { type: "text" };

const input = z.object({
  ...workflowFields,
  problem_context: z.string().optional(),
  focus_areas: z.array(z.string()).optional(),
});

const document = new PromptDocument(text);

export const THINKDEEP_PROMPT = toPrompt(document);

/** Develops a line of reasoning, with a second opinion of a model at the end. */
export const thinkdeep = defineExpertWorkflow<z.output<typeof input>>({
  name: "thinkdeep",
  title: "Think deep",
  description:
    "Reason through a hard problem in steps: architecture, algorithms, trade-offs. A model challenges the result.",
  input,
  phase: "thinkdeep",
  ownFields: ["problem_context", "focus_areas"],
  prompt: THINKDEEP_PROMPT,
  defaults: { temperature: 0.7, thinkingMode: "high" },
  actions: toStepActions(document),
});
