import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import { toPrompt, toStepActions } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import text from "../prompts/testgen.md" with { type: "text" };

const input = z.object(workflowFields);

const document = new PromptDocument(text);

export const TESTGEN_PROMPT = toPrompt(document);

/** Plans and drafts tests. */
export const testgen = defineExpertWorkflow<z.output<typeof input>>({
  name: "testgen",
  title: "Test generation",
  description:
    "Plan tests in steps: promises, edge cases, failures. Step 1 names the code in relevant_files. A model writes them.",
  input,
  phase: "test_analysis",
  ownFields: [],
  prompt: TESTGEN_PROMPT,
  defaults: { temperature: 0.2 },
  check({ step_number, relevant_files = [] }) {
    if (step_number !== 1 || relevant_files.length > 0) return;
    throw new ExaiError("INVALID_PARAMS", "relevant_files is required in step 1: name the code to be tested");
  },
  actions: toStepActions(document),
});
