import type { JsonObject } from "../../base/json.ts";
import { nearestEffort } from "../catalogue/thinking.ts";
import type { ModelInfo, ThinkingMode } from "../provider.ts";
import { type Dialect, windowOf } from "./dialect.ts";

/** GLM of Z.AI and Zhipu (https://docs.z.ai/api-reference/llm/chat-completion). */
export const GLM: Dialect = {
  maxTokensField: "max_tokens",
  // The last event of a stream always has the usage; stream_options is not a documented field.
  asksForUsage: false,
  fetchesImages: true,
  hasJsonMode: true,
  thinking,
  // search-prime is the engine Z.AI documents; search_result adds the sources as the answer's web_search field.
  webSearch: () => ({
    tools: [{
      type: "web_search",
      web_search: { enable: true, search_engine: "search-prime", search_result: true },
    }],
  }),
  describe: (listed) => ({ contextTokens: windowOf(listed) }),
};

/**
 * Every model takes the switch (https://docs.z.ai/guides/capabilities/thinking-mode); since GLM-5.2 `reasoning_effort`
 * sets the effort while it is on.
 */
function thinking(model: ModelInfo, mode: ThinkingMode | undefined): JsonObject {
  const control = model.thinking;
  if (mode === undefined || control === "none" || control === "always") return {};
  if (control === "switch") return { thinking: { type: mode === "minimal" ? "disabled" : "enabled" } };
  const effort = nearestEffort(control, mode);
  if (effort === "none") return { thinking: { type: "disabled" } };
  return { thinking: { type: "enabled" }, reasoning_effort: effort };
}
