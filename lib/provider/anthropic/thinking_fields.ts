import type { JsonObject } from "../../base/json.ts";
import { ownItems } from "../api/message_parts.ts";
import { budgetOf, nearestEffort } from "../catalogue/thinking.ts";
import type { Effort, ProviderRequest } from "../provider.ts";

interface ThinkingFields {
  thinking?: JsonObject;
  effort?: Effort;
}

/** The smallest budget the API takes, and what is left for the answer at least. */
const MIN_TOKENS = 1024;

/** What the model says of its thoughts. The newer models would leave them out, and nothing would show that they think. */
const DISPLAY = "summarized";

/**
 * The fields that set the thinking (https://platform.claude.com/docs/en/build-with-claude/thinking). Models before 4.6
 * take a budget; the newer ones decide by themselves how long they think, by an effort.
 *
 * @param maxTokens the limit on the answer, in which the thoughts count
 */
export function toThinking(request: ProviderRequest, maxTokens: number): ThinkingFields {
  const { model: { thinking: control, thinkingBudget }, thinkingMode: mode } = request;
  if (mode === undefined || control === "none" || control === "always") return {};
  if (control === "switch") return { thinking: { type: mode === "minimal" ? "disabled" : "adaptive" } };
  const effort = nearestEffort(control, mode);
  if (effort === "none") return { thinking: { type: "disabled" } };
  if (thinkingBudget === undefined) {
    // The least the models take that cannot stop: no thoughts before the answer, only between the calls of tools.
    if (effort === "minimal") return { thinking: { type: "between_tools" }, effort: "low" };
    return { thinking: { type: "adaptive", display: DISPLAY }, effort };
  }
  const budget = Math.min(Math.max(budgetOf(effort, thinkingBudget), MIN_TOKENS), maxTokens - MIN_TOKENS);
  if (budget < MIN_TOKENS || wantsSignedThoughts(request)) return {};
  return { thinking: { type: "enabled", budget_tokens: budget, display: DISPLAY } };
}

/** Whether the results of tools are sent to a model that would want the thoughts of its calls back, and they are lost. */
function wantsSignedThoughts({ messages, model }: ProviderRequest): boolean {
  if (messages.at(-1)?.role !== "tool") return false;
  const calling = messages.findLast((message) => message.role === "assistant");
  return ownItems(calling, model) === undefined;
}
