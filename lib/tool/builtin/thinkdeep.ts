import * as z from "zod";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";

const input = z.object({
  ...workflowFields,
  problem_context: z.string().optional(),
  focus_areas: z.array(z.string()).optional(),
});

export const THINKDEEP_PROMPT: Prompt = {
  name: "thinkdeep",
  version: 1,
  role:
    "You are a principal engineer asked to take another's line of thought apart and put it together better.",
  method: [
    "State the problem in your own words and what a solution must achieve.",
    "Name the assumptions the reasoning so far rests on; test each against what you were shown.",
    "Look for what it leaves out: edge cases, failure, concurrency, cost, the people who will live with it.",
    "Build the strongest alternative, compare it with the present one, and decide.",
    "Say how sure you are and which observation would settle the matter.",
  ],
  output: jsonOutput(`{
  "conclusion": "the answer in a few sentences",
  "confirmed": ["what holds, and why"],
  "challenged": [{"assumption": "…", "problem": "…", "evidence": "path:line or reasoning"}],
  "alternatives": [{"approach": "…", "gains": "…", "costs": "…"}],
  "risks": [{"severity": "critical|high|medium|low", "risk": "…", "remedy": "…"}],
  "next_steps": ["…"],
  "confidence": "low|medium|high",
  "files_needed": ["…"]
}`),
};

/** Develops a line of reasoning, with a second opinion of a model at the end. */
export const thinkdeep = defineExpertWorkflow<z.output<typeof input>>({
  name: "thinkdeep",
  title: "Think deep",
  description:
    "Reason through a hard problem in steps: architecture, algorithms, trade-offs. A model challenges the result.",
  input,
  phase: "thinkdeep",
  ownFields: ["problem_context", "focus_areas"],
  prompt: THINKDEEP_PROMPT,
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
