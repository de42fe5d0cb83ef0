import * as z from "zod";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import { DEBUG } from "../prompts/debug.ts";

const input = z.object(workflowFields);

/** Finds the root cause of a fault. */
export const debug = defineExpertWorkflow<z.output<typeof input>>({
  name: "debug",
  title: "Debug",
  description:
    "Find a root cause in steps: evidence, hypotheses, elimination. A model confirms or corrects it.",
  input,
  phase: "investigation",
  ownFields: [],
  prompt: DEBUG,
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
