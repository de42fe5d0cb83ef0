import { type JsonObject, textOf } from "../../base/json.ts";
import { AgentOutput, describeUse, objectIn, objectsIn } from "./agent_output.ts";

/** `claude -p --output-format stream-json --verbose`, or `json`. */
export class ClaudeOutput extends AgentOutput {
  protected override takeEvent(event: JsonObject): string | undefined {
    this.session = textOf(event.session_id) ?? this.session;
    switch (event.type) {
      case "system":
        if (event.subtype === "init") {
          this.hasBegun = true;
          this.model = textOf(event.model);
        }
        return event.subtype === "api_retry"
          ? `asks its model again (${textOf(event.error) ?? "no answer"})`
          : undefined;
      case "assistant":
        // What a sub-agent says is no part of the answer.
        return event.parent_tool_use_id ? undefined : this.#takeMessage(objectIn(event.message));
      case "result":
        return this.#takeResult(event);
    }
    return undefined;
  }

  #takeMessage({ content }: JsonObject): string | undefined {
    this.hasBegun = true;
    const parts = objectsIn(content);
    const text = parts.flatMap((part) => part.type === "text" ? textOf(part.text) ?? [] : []).join("\n");
    if (text !== "") this.setText(text);
    const use = parts.find(({ type }) => type === "tool_use");
    return use ? describeUse(use.name, use.input) : text || undefined;
  }

  #takeResult(event: JsonObject): undefined {
    const { result, is_error, errors, total_cost_usd, permission_denials, usage } = event;
    const text = textOf(result);
    if (is_error === true) {
      const reasons = Array.isArray(errors) ? errors.filter((one) => typeof one === "string") : [];
      this.error = reasons.join("; ") || text || textOf(event.subtype) || "it gives no reason";
    } else if (text !== undefined) this.setText(text);
    if (typeof total_cost_usd === "number") this.costUsd = total_cost_usd;
    for (const { tool_name, tool_input } of objectsIn(permission_denials)) {
      this.deny(describeUse(tool_name, tool_input));
    }
    const { input_tokens, output_tokens, cache_read_input_tokens } = objectIn(usage);
    this.usage = { input_tokens, output_tokens, cached_tokens: cache_read_input_tokens };
  }
}
