import * as z from "zod";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import text from "../prompts/debug.md" with { type: "text" };

const input = z.object(workflowFields);

const document = new PromptDocument(text);

export const DEBUG_PROMPT = toPrompt(document);

/** Finds the root cause of a bug. */
export const debug = defineExpertWorkflow<z.output<typeof input>>({
  name: "debug",
  title: "Debug",
  description:
    "Find a root cause in steps: evidence, hypotheses, elimination. A model confirms or corrects it.",
  input,
  phase: "investigation",
  ownFields: [],
  prompt: DEBUG_PROMPT,
  defaults: { temperature: 0.2, thinkingMode: "high" },
  actions: toStepActions(document),
});
