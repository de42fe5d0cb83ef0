import type { JsonObject } from "../../base/json.ts";
import type { AgentFormat } from "../../config/clink_keys.ts";
import { AgentOutput, bounded } from "./agent_output.ts";
import { ClaudeOutput } from "./claude.ts";
import { CodexOutput } from "./codex.ts";
import { GeminiOutput } from "./gemini.ts";
import { OpencodeOutput } from "./opencode.ts";

export { AgentOutput, bounded };

/** Any program: all it prints is its answer. */
class TextOutput extends AgentOutput {
  #printed = "";

  override take(line: string): string | undefined {
    this.hasBegun = true;
    this.#printed += `${line}\n`;
    // Cut now and then, as cutting costs time for each line.
    if (this.#printed.length > 1_000_000) this.#printed = bounded(this.#printed);
    return line.trim() || undefined;
  }

  override finish(): void {
    this.setText(this.#printed.trim());
  }

  protected override takeEvent(_event: JsonObject): string | undefined {
    return undefined;
  }
}

const OUTPUTS = {
  claude: ClaudeOutput,
  codex: CodexOutput,
  gemini: GeminiOutput,
  opencode: OpencodeOutput,
  text: TextOutput,
} as const satisfies Record<AgentFormat, unknown>;

/** Reads the output of one run of an agent. */
export function readOutput(format: AgentFormat): AgentOutput {
  return new OUTPUTS[format]();
}
