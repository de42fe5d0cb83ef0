import * as z from "zod";

/** Longest prompt taken, in characters. */
export const MAX_PROMPT_CHARS = 60_000;

/** Text of the caller's own writing. */
export const promptText = z.string().min(1).max(MAX_PROMPT_CHARS);

const stepNumber = z.int().min(1);
const strings = z.array(z.string());

/** How much a caller believes what it found so far, least first. */
export const CONFIDENCES = [
  "exploring",
  "low",
  "medium",
  "high",
  "very_high",
  "almost_certain",
  "certain",
] as const;

/** How bad an issue is, worst first. */
export const SEVERITIES = ["critical", "high", "medium", "low"] as const;

/** Every tool that remembers. */
export const continuationField = {
  continuation_id: z.string().min(1).optional().describe("thread to continue, as an answer offered it"),
};

/** Every tool that works in steps. */
export const stepFields = {
  step: promptText.describe("this step in words"),
  step_number: stepNumber,
  total_steps: stepNumber.describe("estimate, may change"),
  next_step_required: z.boolean(),
  backtrack_from_step: stepNumber.optional().describe("drop this step and later ones first"),
  ...continuationField,
};

/** An issue; what else the caller says of it (file, line, remedy) is kept as it is. */
const issue = z.looseObject({ severity: z.enum(SEVERITIES), description: z.string() });

/** Every tool that investigates in steps. */
export const workflowFields = {
  ...stepFields,
  findings: z.string().max(MAX_PROMPT_CHARS).describe("what this step found, with evidence"),
  files_checked: strings.optional(),
  relevant_files: strings.optional(),
  relevant_context: strings.optional().describe("functions, classes"),
  issues_found: z.array(issue).optional(),
  confidence: z.enum(CONFIDENCES).optional(),
  hypothesis: z.string().max(MAX_PROMPT_CHARS).optional(),
};

/** Arguments of one step of any tool. */
export type StepArgs = z.output<z.ZodObject<typeof stepFields>>;

/** Arguments of one step of an investigation. */
export type WorkflowArgs = z.output<z.ZodObject<typeof workflowFields>>;
