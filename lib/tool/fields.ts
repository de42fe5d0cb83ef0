import * as z from "zod";
import { THINKING_MODES } from "../provider/provider.ts";

/** Longest prompt taken, in characters. */
export const MAX_PROMPT_CHARS = 60_000;

/** Images one call takes. */
const MAX_IMAGES = 5;

/** Text of the caller's own writing. */
export const promptText = z.string().min(1).max(MAX_PROMPT_CHARS);

const stepNumber = z.int().min(1);
const strings = z.array(z.string());

/** How much a caller believes what it found so far, least first. */
const CONFIDENCES = [
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

/** The least severe issue that is to be reported. */
export const severityFilter = z.enum([...SEVERITIES, "all"]).optional();

/** Every tool that remembers. */
export const continuationField = {
  continuation_id: z.string().min(1).optional().describe("thread to continue, as an answer offered it"),
};

/** Every tool that may ask a model. */
export const modelFields = {
  model: z.string().min(1).max(200).optional().describe("name or alias; else chosen for the task"),
  temperature: z.number().min(0).max(1).optional(),
  thinking_mode: z.enum(THINKING_MODES).optional(),
  use_websearch: z.boolean().optional(),
  images: z.array(z.string().min(1)).max(MAX_IMAGES).optional().describe("paths or data: URLs"),
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
  use_assistant_model: z.boolean().default(true).describe("false: end without a model's opinion"),
  ...modelFields,
};

/** What clients of the original daemon send to every tool, also to those that ask no model. */
export const MODEL_FIELD_NAMES: readonly string[] = [...Object.keys(modelFields), "use_assistant_model"];

/** Arguments that say which model is asked, and how. */
export type ModelArgs = z.output<z.ZodObject<typeof modelFields>>;

/** Arguments of one step of any tool. */
export type StepArgs = z.output<z.ZodObject<typeof stepFields>>;

/** Arguments of one step of an investigation. */
export type WorkflowArgs = z.output<z.ZodObject<typeof workflowFields>>;
