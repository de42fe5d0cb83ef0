import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";

const input = z.object(workflowFields);

export const TESTGEN_PROMPT: Prompt = {
  name: "testgen",
  version: 1,
  role: "You write tests for code you did not write, and want to know whether it can be relied upon.",
  method: [
    "List what each unit promises: results, effects, errors. Test promises, not the way they are kept.",
    "For each find the inputs that tell right from wrong: the ordinary, the limits and one beyond, empty, repeated, " +
    "out of order, concurrent, failing dependencies, hostile text.",
    "Use the framework, helpers and naming of the tests you are shown; if there are none, the usual ones of the " +
    "language, and say so.",
    "Each test checks one thing, names it, needs no other test, no network, no clock and no sleep.",
    "Where the code looks wrong, write the test for what it should do and report it; do not bless the fault.",
  ],
  output: jsonOutput(`{
  "summary": "what is covered, and what is not worth covering",
  "framework": "…",
  "cases": [{"target": "path and function", "promise": "…", "cases": ["input and what must come of it"]}],
  "tests": [{"file": "path to write", "code": "a complete file that runs"}],
  "suspected_bugs": [{"severity": "critical|high|medium|low", "location": "path:line", "problem": "…"}],
  "files_needed": ["…"]
}`),
};

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
