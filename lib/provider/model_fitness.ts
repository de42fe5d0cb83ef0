import { canStopThinking, isThinking } from "./catalogue/thinking.ts";
import type { ChatRequest, ModelInfo } from "./provider.ts";
import type { ModelNeeds } from "./model_router.ts";

/** Why `model` cannot do what `needs` says, as the rest of a sentence that begins with its name; undefined if it can. */
export function unmetNeeds(model: ModelInfo, needs: ModelNeeds): string | undefined {
  const { abilities } = model;
  const thinking = thinkingFault(model, needs);
  const lacking = [
    needs.images && !abilities.images && "takes no images",
    needs.tools && !abilities.tools && "calls no tools",
    needs.webSearch && !abilities.search && "cannot search the web: leave out use_websearch",
    thinking && `${thinking.fault}: ${thinking.remedy}`,
    needs.inputTokens !== undefined && needs.inputTokens >= model.contextTokens &&
    `holds ${model.contextTokens} tokens, and this is about ${needs.inputTokens}`,
  ].filter((fault) => typeof fault === "string");
  return lacking.length === 0 ? undefined : lacking.join("; it ");
}

/**
 * `request` as `model` can take it: nobody asked for what is only a default, so one the model cannot do beside the rest
 * is no reason to refuse. It is left out, and `leftOut` says so in a sentence.
 */
export function applyDefaults(
  request: ChatRequest,
  model: ModelInfo,
): { request: ChatRequest; leftOut?: string } {
  const { defaultThinkingMode, ...rest } = request;
  if (defaultThinkingMode === undefined || request.thinkingMode !== undefined) return { request: rest };
  const { webSearch } = request;
  const unfit = thinkingFault(model, { thinking: defaultThinkingMode, webSearch });
  if (unfit === undefined) return { request: { ...rest, thinkingMode: defaultThinkingMode } };
  const leftOut =
    `thinking_mode ${defaultThinkingMode}, the default of the tool: ${model.name} ${unfit.fault}`;
  return { request: rest, leftOut };
}

interface ThinkingFault {
  /** What the model cannot do, as the rest of a sentence that begins with its name. */
  fault: string;
  /** What to do about it. */
  remedy: string;
}

function thinkingFault(model: ModelInfo, { thinking, webSearch }: ModelNeeds): ThinkingFault | undefined {
  if (!thinking) return undefined;
  if (!model.abilities.thinking) {
    return { fault: "has no thinking to steer", remedy: "leave out thinking_mode" };
  }
  if (thinking === true) return undefined;
  if (thinking === "minimal" && model.thinking === "always") {
    return { fault: "always thinks and has no dial for it", remedy: "leave out thinking_mode" };
  }
  const wouldThink = isThinking(model.thinking, thinking);
  if (webSearch && model.searchStopsThinking && wouldThink) {
    const stop = canStopThinking(model.thinking) ? ", set it to minimal," : "";
    const remedy = `leave out thinking_mode${stop} or leave out use_websearch`;
    return { fault: "searches the web only while it does not think", remedy };
  }
  return undefined;
}
