import * as z from "zod";
import { READ_ONLY } from "../annotations.ts";
import { promptText } from "../fields.ts";
import { defineTool } from "../tool.ts";

const INSTRUCTIONS = `Examine this claim as if someone you have no wish to please had made it.

1. Restate it so that it could be proved wrong.
2. Look for what speaks against it: facts in the code or the record, cases it leaves out, a simpler explanation.
3. Check what you can check instead of remembering it.
4. Say plainly whether it holds, holds in part, or does not, and why. If you said otherwise before, say which of the \
two is right. Agreeing is fine when the evidence does; politeness is no evidence.`;

/** Returns a claim with instructions to re-examine it, against agreement out of habit. */
export const challenge = defineTool({
  name: "challenge",
  title: "Challenge",
  description:
    "Wraps a claim so that you re-examine it instead of agreeing. Use it when someone questions or disputes " +
    "what was said.",
  input: z.object({ prompt: promptText.describe("the claim, in its own words") }),
  annotations: READ_ONLY,
  run: ({ prompt }) => ({
    status: "challenge_accepted",
    content: { claim: prompt, instructions: INSTRUCTIONS },
  }),
});
