import * as z from "zod";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";
import { ANALYZE } from "../prompts/analyze.ts";

const input = z.object({
  ...workflowFields,
  analysis_type: z.enum(["architecture", "performance", "security", "quality", "general"]).optional(),
  output_format: z.enum(["summary", "detailed", "actionable"]).optional(),
});

/** Says what a body of code is, how it hangs together, and where it will hurt. */
export const analyze = defineExpertWorkflow<z.output<typeof input>>({
  name: "analyze",
  title: "Analyze",
  description:
    "Understand a code base in steps: structure, patterns, performance, security, quality. A model assesses it.",
  input,
  phase: "analysis",
  ownFields: ["analysis_type", "output_format"],
  prompt: ANALYZE,
  defaults: { temperature: 0.2 },
  actions: {
    begin: [
      "Find the entry points, the parts and what each is for.",
      "Note which files decide the question and read them first.",
    ],
    deepen: [
      "Follow one typical operation through all parts it touches.",
      "Look at what you have not opened yet and may contradict you: configuration, tests, generated code.",
    ],
    conclude: ["Check each finding at its place in the code.", "Rank the findings by what they will cost."],
  },
});
