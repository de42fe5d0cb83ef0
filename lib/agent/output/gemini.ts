import { type JsonObject, textOf } from "../../base/json.ts";
import { AgentOutput, describeUse, objectIn } from "./agent_output.ts";

/** `gemini --output-format stream-json`. */
export class GeminiOutput extends AgentOutput {
  /** What it has said since its last use of a tool. */
  #said = "";
  #toolByCall = new Map<string, string>();

  protected override takeEvent(event: JsonObject): string | undefined {
    switch (event.type) {
      case "init":
        this.hasBegun = true;
        this.session = textOf(event.session_id);
        this.model = textOf(event.model);
        return undefined;
      case "message":
        return event.role === "assistant" ? this.#takeMessage(event) : undefined;
      case "tool_use": {
        this.#said = "";
        const use = describeUse(event.tool_name, event.parameters);
        this.#toolByCall.set(textOf(event.tool_id) ?? "", use);
        return use;
      }
      case "tool_result":
        return this.#takeToolResult(event);
      case "error":
        return textOf(event.message);
      case "result":
        return this.#takeResult(event);
    }
    return undefined;
  }

  #takeMessage({ content, delta }: JsonObject): string | undefined {
    this.#said = delta === true ? this.#said + (textOf(content) ?? "") : textOf(content) ?? "";
    if (this.#said.trim() !== "") this.setText(this.#said);
    return "answers";
  }

  #takeToolResult({ tool_id, status, error }: JsonObject): undefined {
    const use = this.#toolByCall.get(textOf(tool_id) ?? "");
    const isDenied = status === "error" && objectIn(error).type === "policy_violation";
    if (isDenied && use !== undefined) this.deny(use);
  }

  #takeResult({ status, error, stats }: JsonObject): undefined {
    if (status === "error") this.error = textOf(objectIn(error).message) ?? "it gives no reason";
    const { input_tokens, output_tokens, cached, models } = objectIn(stats);
    this.usage = { input_tokens, output_tokens, cached_tokens: cached };
    // The one that answered is named last: a small one may have chosen it.
    this.model = Object.keys(objectIn(models)).at(-1) ?? this.model;
  }
}
