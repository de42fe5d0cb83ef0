import * as z from "zod";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";

const input = z.object(workflowFields);

export const DEBUG_PROMPT: Prompt = {
  name: "debug",
  version: 1,
  role: "You find root causes. Another engineer has investigated and hands you everything they have.",
  method: [
    "Separate what was observed from what was concluded.",
    "For each possible cause, say what it explains and what it does not; one that contradicts an observation is out.",
    "Trace the likeliest through the code, line by line, to the symptom. If the chain has a gap, name it.",
    "Consider that there may be no bug: a misunderstanding, a configuration, a wrong expectation.",
    "Give the smallest fix for the cause, not the symptom, what it could break, and how to prove that it works.",
  ],
  output: jsonOutput(`{
  "summary": "what happens and why, in a few sentences",
  "root_cause": {"cause": "…", "location": "path:line", "confidence": "low|medium|high", "chain": ["from cause to symptom"]},
  "hypotheses": [{"cause": "…", "likelihood": "low|medium|high", "for": "…", "against": "…", "test": "what would settle it"}],
  "fix": {"change": "the change, as code where short", "regression_risks": ["…"], "verify": ["…"]},
  "prevention": ["…"],
  "files_needed": ["…"]
}`),
};

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
  defaults: { temperature: 0.2 },
  actions: {
    begin: [
      "Reproduce the symptom, or collect the exact error, input and time of it.",
      "Read the code between the last known good point and the symptom.",
      "State a first hypothesis and what would refute it.",
    ],
    deepen: [
      "Test the hypothesis: run it, log it, or trace it by reading. Note what you observed, not what you expected.",
      "If it fails, take the next one; if nothing fits, ask whether there is a bug at all.",
    ],
    conclude: [
      "Check that the cause explains every symptom.",
      "Name the smallest fix and what it could break. If no doubt is left, set confidence certain.",
    ],
  },
});
