import { UsageError } from "../../base/errors.ts";
import { visibleJson } from "../../base/visible.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { configFile } from "./config_files.ts";

export const configSchema: Action = {
  summary: "Print the JSON Schema of a configuration file, for completion and checks in an editor",
  forms: [{ args: "[mcp|exai|clink]", does: "the schema of mcp.json, or of another file" }],
  run: schema,
};

// deno-lint-ignore require-await -- every command is asynchronous
async function schema({ args: [name = "mcp"] }: Invocation): Promise<CommandResult> {
  const json = configFile(name).schema?.();
  if (json === undefined) {
    throw new UsageError("models.json has no JSON Schema; mcp, exai and clink have one");
  }
  return { text: visibleJson(json, 2), json };
}
