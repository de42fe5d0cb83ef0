import { type JsonObject, textOf } from "../../base/json.ts";
import { AgentOutput, objectIn, objectsIn } from "./agent_output.ts";

/** `codex exec --json`. */
export class CodexOutput extends AgentOutput {
  protected override takeEvent(event: JsonObject): string | undefined {
    switch (event.type) {
      case "thread.started":
        this.hasBegun = true;
        this.session = textOf(event.thread_id);
        return undefined;
      case "turn.started":
        this.hasBegun = true;
        return undefined;
      case "item.started":
      case "item.completed":
        return this.#takeItem(objectIn(event.item), event.type === "item.completed");
      case "turn.completed": {
        const { input_tokens, output_tokens, cached_input_tokens, reasoning_output_tokens } = objectIn(
          event.usage,
        );
        this.usage = {
          input_tokens,
          output_tokens,
          cached_tokens: cached_input_tokens,
          reasoning_tokens: reasoning_output_tokens,
        };
        // An error before it was overcome.
        this.error = undefined;
        return undefined;
      }
      case "turn.failed":
        this.error = textOf(objectIn(event.error).message) ?? "its turn failed";
        return undefined;
      case "error":
        this.error = textOf(event.message);
        return this.error;
    }
    return undefined;
  }

  #takeItem(item: JsonObject, isDone: boolean): string | undefined {
    switch (item.type) {
      case "agent_message":
        if (isDone && textOf(item.text)) this.setText(String(item.text));
        return textOf(item.text);
      case "command_execution": {
        const command = textOf(item.command) ?? "a command";
        if (item.status === "declined") this.deny(command);
        return isDone ? undefined : `runs ${command}`;
      }
      case "file_change": {
        const paths = objectsIn(item.changes).map(({ path }) => path).join(", ");
        // A change fails in a sandbox that lets it read only.
        if (item.status === "failed") this.deny(`change ${paths}`);
        return isDone && item.status !== "failed" ? `changed ${paths}` : undefined;
      }
      case "mcp_tool_call":
        return isDone ? undefined : `calls ${[item.server, item.tool].filter(textOf).join("/")}`;
      case "web_search":
        return `searches the web for ${textOf(item.query) ?? "something"}`;
      case "reasoning":
        return isDone ? textOf(item.text) : undefined;
    }
    return undefined;
  }
}
