import { type JsonObject, numberOf, textOf } from "../../base/json.ts";
import { AgentOutput, describeUse, objectIn } from "./agent_output.ts";

/** `opencode run --format json`. */
export class OpencodeOutput extends AgentOutput {
  /** What it has said in this step. */
  #said = "";
  readonly #tokens = { input_tokens: 0, output_tokens: 0, reasoning_tokens: 0, cached_tokens: 0 };

  protected override takeEvent(event: JsonObject): string | undefined {
    this.session = textOf(event.sessionID) ?? this.session;
    const part = objectIn(event.part);
    switch (event.type) {
      case "step_start":
        this.hasBegun = true;
        this.#said = "";
        return undefined;
      case "text":
        this.#said = [this.#said, textOf(part.text) ?? ""].filter((one) => one !== "").join("\n");
        if (this.#said !== "") this.setText(this.#said);
        return textOf(part.text);
      case "tool_use":
        return this.#takeTool(part);
      case "step_finish":
        return this.#takeStepEnd(part);
      case "error": {
        const { name, data } = objectIn(event.error);
        this.error = textOf(objectIn(data).message) ?? textOf(name) ?? "it gives no reason";
        return this.error;
      }
    }
    return undefined;
  }

  #takeTool({ tool, state }: JsonObject): string {
    const { input, status } = objectIn(state);
    const use = describeUse(tool, input);
    if (status === "error" && PERMISSION_TOOLS.includes(textOf(tool) ?? "")) this.deny(use);
    return use;
  }

  #takeStepEnd({ tokens, cost }: JsonObject): undefined {
    const { input, output, reasoning, cache } = objectIn(tokens);
    this.#tokens.input_tokens += numberOf(input) ?? 0;
    this.#tokens.output_tokens += numberOf(output) ?? 0;
    this.#tokens.reasoning_tokens += numberOf(reasoning) ?? 0;
    this.#tokens.cached_tokens += numberOf(objectIn(cache).read) ?? 0;
    this.usage = { ...this.#tokens };
    if (typeof cost === "number") this.costUsd = (this.costUsd ?? 0) + cost;
  }
}

/** Tools that `OPENCODE_PERMISSION` may deny; an error of another is one of its own. */
const PERMISSION_TOOLS = ["edit", "write", "patch", "bash"];
