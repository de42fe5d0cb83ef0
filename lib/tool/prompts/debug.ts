import { jsonOutput, type Prompt } from "./prompt.ts";

/** For `debug`: from symptom to cause. */
export const DEBUG: Prompt = {
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
