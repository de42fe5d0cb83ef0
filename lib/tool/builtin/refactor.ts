import * as z from "zod";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import { REFACTOR } from "../prompts/refactor.ts";

const input = z.object({
  ...workflowFields,
  refactor_type: z.enum(["codesmells", "decompose", "modernize", "organization"]).optional(),
  focus_areas: z.array(z.string()).optional(),
  style_guide_examples: z.array(z.string()).optional().describe("files whose style to follow"),
});

/** Plans how to reshape code without changing what it does. */
export const refactor = defineExpertWorkflow<z.output<typeof input>>({
  name: "refactor",
  title: "Refactor",
  description:
    "Find refactorings in steps: what to split, simplify, modernize or move. A model turns them into a plan.",
  input,
  phase: "refactoring_analysis",
  ownFields: ["refactor_type", "focus_areas", "style_guide_examples"],
  prompt: REFACTOR,
  defaults: { temperature: 0.2 },
  actions: {
    begin: [
      "Read the code and its tests; say what it must go on doing.",
      "Note what makes it hard to change, with line ranges.",
    ],
    deepen: [
      "Find every user of what you would move or rename.",
      "Look for the same knowledge kept in two places.",
    ],
    conclude: [
      "Order the changes so that each leaves everything working.",
      "Drop what gains less than it risks.",
    ],
  },
});
