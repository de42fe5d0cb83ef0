import * as z from "zod";
import { READ_ONLY } from "../annotations.ts";
import { promptId } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { promptText } from "../fields.ts";
import text from "../prompts/challenge.md" with { type: "text" };
import { defineTool } from "../tool.ts";

const document = new PromptDocument(text);

/** Returns a claim with instructions to re-examine it, against agreement out of habit. */
export const challenge = defineTool({
  name: "challenge",
  title: "Challenge",
  description: "Wraps a claim so that you re-examine it instead of agreeing: when what was said is disputed.",
  input: z.object({ prompt: promptText.describe("the claim, in its own words") }),
  annotations: READ_ONLY,
  run: ({ prompt }) => ({
    status: "challenge_accepted",
    content: { claim: prompt, instructions: document.text("Instructions") },
    facts: { prompt: promptId(document) },
  }),
});
