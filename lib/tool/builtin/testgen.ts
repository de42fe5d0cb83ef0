import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import { TESTGEN } from "../prompts/testgen.ts";

const input = z.object(workflowFields);

/** Plans and drafts tests. */
export const testgen = defineExpertWorkflow<z.output<typeof input>>({
  name: "testgen",
  title: "Test generation",
  description:
    "Plan tests in steps: promises, edge cases, failures. Step 1 names the code in relevant_files. A model writes them.",
  input,
  phase: "test_analysis",
  ownFields: [],
  prompt: TESTGEN,
  defaults: { temperature: 0.2 },
  check({ step_number, relevant_files = [] }) {
    if (step_number !== 1 || relevant_files.length > 0) return;
    throw new ExaiError("INVALID_PARAMS", "relevant_files is required in step 1: name the code to be tested");
  },
  actions: {
    begin: [
      "Read the code under test completely; list what each function promises.",
      "Find the existing tests, their framework and their helpers.",
    ],
    deepen: [
      "For each promise find the inputs that tell right from wrong, and the ways it can fail.",
      "Note what is hard to test and why.",
    ],
    conclude: [
      "Check that no promise is without a case.",
      "Name an existing test in relevant_files as a pattern.",
    ],
  },
});
