import type { ModelInfo } from "./provider.ts";
import type { ModelNeeds } from "./routing.ts";
import { canStopThinking, isThinking } from "./catalogue/thinking.ts";

/** Why `model` cannot do what `needs` says, as the rest of a sentence that begins with its name; undefined if it can. */
export function unfitness(model: ModelInfo, needs: ModelNeeds): string | undefined {
  const { abilities } = model;
  const lacking = [
    needs.images && !abilities.images && "takes no images",
    needs.tools && !abilities.tools && "calls no tools",
    needs.webSearch && !abilities.search && "cannot search the web: leave out use_websearch",
    thinkingFault(model, needs),
    needs.inputTokens !== undefined && needs.inputTokens >= model.contextTokens &&
    `holds ${model.contextTokens} tokens, and this is about ${needs.inputTokens}`,
  ].filter((fault) => typeof fault === "string");
  return lacking.length === 0 ? undefined : lacking.join("; it ");
}

function thinkingFault(model: ModelInfo, { thinking, webSearch }: ModelNeeds): string | undefined {
  if (!thinking) return undefined;
  if (!model.abilities.thinking) return "has no thinking to steer: leave out thinking_mode";
  if (thinking === true) return undefined;
  if (thinking === "minimal" && model.thinking === "always") {
    return "always thinks and has no dial for it: leave out thinking_mode";
  }
  const wouldThink = isThinking(model.thinking, thinking);
  if (webSearch && model.searchStopsThinking && wouldThink) {
    return `searches the web only while it does not think: leave out thinking_mode${
      canStopThinking(model.thinking) ? ", set it to minimal," : ""
    } or leave out use_websearch`;
  }
  return undefined;
}
