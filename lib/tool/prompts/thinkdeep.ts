import { jsonOutput, type Prompt } from "./prompt.ts";

/** For `thinkdeep`: takes someone's reasoning further than they took it. */
export const THINKDEEP: Prompt = {
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
