import * as z from "zod";
import { THINKING_MODES } from "../provider/provider.ts";
import { publishAs } from "./schema.ts";

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

const continuationId = z.string().min(1).optional();

/** For tools with threads that are continued by the caller's choice. */
export const continuationField = { continuation_id: continuationId.describe("from an earlier answer") };

/** For tools that may ask a model. */
export const modelFields = {
  model: z.string().min(1).max(200).optional(),
  temperature: z.number().min(0).max(1).optional(),
  thinking_mode: z.enum(THINKING_MODES).optional(),
  use_websearch: z.boolean().optional(),
  images: z.array(z.string().min(1)).max(MAX_IMAGES).optional(),
};

/** For stepwise tools. */
export const stepFields = {
  step: promptText,
  step_number: stepNumber,
  total_steps: stepNumber,
  next_step_required: z.boolean(),
  backtrack_from_step: stepNumber.optional(),
  // Not described: each answer gives it in next_call.
  continuation_id: continuationId,
};

/** An issue; further fields (file, line, remedy) are kept unchanged. */
const issue = z.looseObject({ severity: z.enum(SEVERITIES), description: z.string() }).meta(publishAs({
  type: "object",
  properties: { severity: { type: "string" }, description: { type: "string" } },
}));

/** For stepwise investigations that ask no model. */
export const investigationFields = {
  ...stepFields,
  findings: z.string().max(MAX_PROMPT_CHARS),
  files_checked: strings.optional(),
  relevant_files: strings.optional(),
  relevant_context: strings.optional(),
  issues_found: z.array(issue).optional(),
  confidence: z.enum(CONFIDENCES).optional(),
  hypothesis: z.string().max(MAX_PROMPT_CHARS).optional(),
};

/** For stepwise investigations that a model reviews at the end. */
export const workflowFields = {
  ...investigationFields,
  use_assistant_model: z.boolean().default(true),
  ...modelFields,
};

/** Fields that clients of the original daemon send to every tool, even if it asks no model. */
export const MODEL_FIELD_NAMES: readonly string[] = [...Object.keys(modelFields), "use_assistant_model"];

/** The arguments of {@linkcode modelFields}. */
export type ModelArgs = z.output<z.ZodObject<typeof modelFields>>;

/** The arguments of {@linkcode stepFields}. */
export type StepArgs = z.output<z.ZodObject<typeof stepFields>>;

/** The arguments of {@linkcode investigationFields}. */
export type InvestigationArgs = z.output<z.ZodObject<typeof investigationFields>>;

/** The arguments of {@linkcode workflowFields}. */
export type WorkflowArgs = z.output<z.ZodObject<typeof workflowFields>>;
