import * as z from "zod";
import { jsonOutput, type Prompt } from "../dialogue/prompt.ts";
import { defineExpertWorkflow } from "../expert_workflow.ts";
import { workflowFields } from "../fields.ts";

const input = z.object({
  ...workflowFields,
  analysis_type: z.enum(["architecture", "performance", "security", "quality", "general"]).optional(),
  output_format: z.enum(["summary", "detailed", "actionable"]).optional(),
});

export const ANALYZE_PROMPT: Prompt = {
  name: "analyze",
  version: 1,
  role: "You are a software architect who reads a code base to tell its owners what they have.",
  method: [
    "Work out what the code is for, its parts, and how data and control pass between them.",
    "Judge it against that purpose and its likely future, not against a textbook.",
    "Check what the developer found; add what is missing and correct what is wrong.",
    "Prefer the few findings that decide how the code can grow, scale or be operated over many small ones.",
    "For each finding say what it costs to leave it and what it costs to change it.",
  ],
  output: jsonOutput(`{
  "summary": "what this code is and the state it is in",
  "structure": [{"part": "…", "purpose": "…", "depends_on": ["…"]}],
  "findings": [{"severity": "critical|high|medium|low", "title": "…", "location": "path:line", "evidence": "…",
    "impact": "…", "recommendation": "…", "effort": "low|medium|high"}],
  "strengths": ["…"],
  "next_steps": ["most valuable first"],
  "files_needed": ["…"]
}`),
};

/** Assesses the structure and quality of a code base. */
export const analyze = defineExpertWorkflow<z.output<typeof input>>({
  name: "analyze",
  title: "Analyze",
  description:
    "Understand a code base in steps: structure, patterns, performance, security, quality. A model assesses it.",
  input,
  phase: "analysis",
  ownFields: ["analysis_type", "output_format"],
  prompt: ANALYZE_PROMPT,
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
