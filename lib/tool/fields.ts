import * as z from "zod";
import { THINKING_MODES } from "../provider/provider.ts";

/** The longest prompt, in characters. */
export const MAX_PROMPT_CHARS = 60_000;

/** Images per call. */
const MAX_IMAGES = 5;

/** A text written by the caller. */
export const promptText = z.string().min(1).max(MAX_PROMPT_CHARS);

const stepNumber = z.int().min(1);
const strings = z.array(z.string());

/** The caller's confidence in its findings, lowest first. */
const CONFIDENCES = [
  "exploring",
  "low",
  "medium",
  "high",
  "very_high",
  "almost_certain",
  "certain",
] as const;

/** The severity of an issue, highest first. */
export const SEVERITIES = ["critical", "high", "medium", "low"] as const;

/** The lowest severity to report. */
export const severityFilter = z.enum([...SEVERITIES, "all"]).optional();

/** For tools with threads. */
export const continuationField = {
  continuation_id: z.string().min(1).optional().describe("thread to continue, as an answer offered it"),
};

/** For tools that may ask a model. */
export const modelFields = {
  model: z.string().min(1).max(200).optional().describe("name or alias; else chosen for the task"),
  temperature: z.number().min(0).max(1).optional(),
  thinking_mode: z.enum(THINKING_MODES).optional(),
  use_websearch: z.boolean().optional(),
  images: z.array(z.string().min(1)).max(MAX_IMAGES).optional().describe("paths or data: URLs"),
};

/** For stepwise tools. */
export const stepFields = {
  step: promptText.describe("this step in words"),
  step_number: stepNumber,
  total_steps: stepNumber.describe("estimate, may change"),
  next_step_required: z.boolean(),
  backtrack_from_step: stepNumber.optional().describe("drop this step and later ones first"),
  ...continuationField,
};

/** An issue; further fields (file, line, remedy) are kept unchanged. */
const issue = z.looseObject({ severity: z.enum(SEVERITIES), description: z.string() });

/** For stepwise investigations. */
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

/** Fields that clients of the original daemon send to every tool, even if it asks no model. */
export const MODEL_FIELD_NAMES: readonly string[] = [...Object.keys(modelFields), "use_assistant_model"];

/** The arguments of {@linkcode modelFields}. */
export type ModelArgs = z.output<z.ZodObject<typeof modelFields>>;

/** The arguments of {@linkcode stepFields}. */
export type StepArgs = z.output<z.ZodObject<typeof stepFields>>;

/** The arguments of {@linkcode workflowFields}. */
export type WorkflowArgs = z.output<z.ZodObject<typeof workflowFields>>;
