import type { JsonObject } from "../../base/json.ts";
import type { RoutedResult } from "../../provider/model_router.ts";
import type { Usage } from "../../provider/provider.ts";
import { shownNames } from "../material/attachment.ts";
import type { Material } from "../material/material_builder.ts";
import type { LoadedDocuments } from "../material/pdf_documents.ts";
import type { FittedHistory } from "./fit_history.ts";
import { type Prompt, promptId } from "./prompt.ts";

/** The answer of a model to the question of a tool. */
export interface ModelReply {
  text: string;
  model: string;
  provider: string;
  usage: JsonObject;
  /** For the metadata: the routing decision, omitted material, the finish reason. */
  facts: JsonObject;
  /** What its thread keeps of it: the text, who said it, which files it was shown. */
  stored: JsonObject;
}

interface ReplyOptions {
  prompt: Prompt;
  material: Material;
  fitted: FittedHistory;
  documents: readonly LoadedDocuments[];
}

/** What the tool gets of `result`: the answer, what its thread keeps, what the metadata say. */
export function toReply(
  result: RoutedResult,
  { prompt, material: { attachments, leftOut }, fitted, documents }: ReplyOptions,
): ModelReply {
  const {
    text,
    model,
    provider,
    usage,
    routing,
    finishReason,
    citations,
    warnings,
    leftOut: leftOutDefault,
  } = result;
  const files = attachments.flatMap(({ path, hash, isNamed }) =>
    path === undefined ? [] : [isNamed ? { path, hash, named: true } : { path, hash }]
  );
  const shown = [
    ...documents.flatMap(({ parts }) => parts.map(({ name }) => name)),
    ...shownNames(attachments),
  ];
  return {
    text,
    model,
    provider,
    usage: describeUsage(usage),
    stored: {
      content: text,
      model,
      provider,
      speaker: routing.chosen,
      files: [...documents.flatMap(({ files }) => files), ...files],
      summary: fitted.summary && { ...fitted.summary },
    },
    facts: {
      prompt: promptId(prompt),
      ...describeBill(result),
      routing: {
        requested: routing.requested,
        chosen: routing.chosen,
        why: routing.why,
        ...(routing.tried.length > 0 ? { tried: routing.tried.map((attempt) => ({ ...attempt })) } : {}),
      },
      ...(shown.length > 0 ? { shown } : {}),
      ...(leftOut.length > 0 ? { not_shown: leftOut.map((one) => ({ ...one })) } : {}),
      ...(fitted.leftOut > 0 ? { thread: describeFit(fitted) } : {}),
      ...(leftOutDefault === undefined ? {} : { default_left_out: leftOutDefault }),
      ...(warnings === undefined ? {} : { warnings: [...warnings] }),
      ...(finishReason === "stop" ? {} : { finish_reason: finishReason }),
      ...(citations && citations.length > 0 ? { citations: citations.map((one) => ({ ...one })) } : {}),
    },
  };
}

/** What an answer cost, if that is known, and the warning of a daily budget, for the metadata. */
export function describeBill(
  { cost, budgetWarning }: Pick<RoutedResult, "cost" | "budgetWarning">,
): JsonObject {
  return {
    ...(cost === undefined ? {} : { cost: { ...cost } }),
    ...(budgetWarning === undefined ? {} : { budget_warning: budgetWarning }),
  };
}

/** What was done to a thread that outgrew the model's window. */
function describeFit({ leftOut, summary, usage, cost }: FittedHistory): JsonObject {
  return {
    exchanges_left_out: leftOut,
    summarised_by: summary?.by,
    summary_usage: usage && describeUsage(usage),
    summary_cost: cost && { ...cost },
  };
}

/** Converts `usage` to the field names of the envelope. */
export function describeUsage(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cached_tokens: usage.cachedTokens,
    reasoning_tokens: usage.reasoningTokens,
    estimated: usage.estimated,
  };
}
