import * as z from "zod";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";

const input = z.object({
  ...workflowFields,
  refactor_type: z.enum(["codesmells", "decompose", "modernize", "organization"]).optional(),
  focus_areas: z.array(z.string()).optional(),
  style_guide_examples: z.array(z.string()).optional().describe("files whose style to follow"),
});

export const REFACTOR_PROMPT: Prompt = {
  name: "refactor",
  version: 1,
  role: "You plan refactorings that a team can carry out one safe commit at a time.",
  method: [
    "Say what the code does that must not change, and which tests hold it.",
    "Find what makes it hard to change: one unit with several jobs, knowledge in two places, names that mislead, " +
    "dependencies that point the wrong way.",
    "Decompose from the outside in: files first, then types, then functions.",
    "Prefer what the language and the project already have over new layers. Leave alone what is merely unusual.",
    "Order the steps so that each leaves everything working, and put the most gain for the least risk first.",
  ],
  output: jsonOutput(`{
  "summary": "what is in the way, and the shape to aim at",
  "opportunities": [{"severity": "critical|high|medium|low", "type": "codesmells|decompose|modernize|organization",
    "title": "…", "location": "path:start-end", "problem": "…", "change": "what goes where, under which name",
    "gain": "…", "risk": "low|medium|high"}],
  "steps": [{"step": "one commit", "touches": ["path"], "check": "how to know nothing changed"}],
  "leave_alone": ["what looks odd and is right"],
  "files_needed": ["…"]
}`),
};

/** Plans refactorings that keep the behaviour. */
export const refactor = defineExpertWorkflow<z.output<typeof input>>({
  name: "refactor",
  title: "Refactor",
  description:
    "Find refactorings in steps: what to split, simplify, modernize or move. A model turns them into a plan.",
  input,
  phase: "refactoring_analysis",
  ownFields: ["refactor_type", "focus_areas", "style_guide_examples"],
  prompt: REFACTOR_PROMPT,
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
