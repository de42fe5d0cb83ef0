import { jsonOutput, type Prompt } from "./prompt.ts";

/** For `analyze`: what a body of code is and where it will hurt. */
export const ANALYZE: Prompt = {
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
