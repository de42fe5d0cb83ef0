import * as z from "zod";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import { THINKDEEP } from "../prompts/thinkdeep.ts";

const input = z.object({
  ...workflowFields,
  problem_context: z.string().optional(),
  focus_areas: z.array(z.string()).optional(),
});

/** Takes a line of thought further, with a model's second opinion at the end. */
export const thinkdeep = defineExpertWorkflow<z.output<typeof input>>({
  name: "thinkdeep",
  title: "Think deep",
  description:
    "Reason through a hard problem in steps: architecture, algorithms, trade-offs. A model challenges the result.",
  input,
  phase: "thinkdeep",
  ownFields: ["problem_context", "focus_areas"],
  prompt: THINKDEEP,
  defaults: { temperature: 0.7, thinkingMode: "high" },
  actions: {
    begin: [
      "Write down what is known, what is assumed and what is wanted.",
      "Read the code or documents that decide it; do not go by memory.",
    ],
    deepen: [
      "Try to refute what you hold now: a case it fails on, a cost it hides, an assumption nobody checked.",
      "Work out at least one alternative far enough to compare it.",
    ],
    conclude: [
      "Check the last doubts by reading or running something.",
      "State the conclusion and what it rests on.",
    ],
  },
});
