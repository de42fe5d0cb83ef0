import type { JsonObject } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import { askDaemon } from "../client/daemon_client.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { EXIT } from "./exit_codes.ts";
import { MAX_ERROR_CHARS } from "./table.ts";

export const reloadCommand: Action = {
  summary:
    "Have the running daemon read exai.json, mcp.json, models.json, clink.json and your own tools again",
  forms: [{
    args: "",
    does: "reads the configuration again and prints what is wrong with it; " +
      "servers that back off after failures may start at once",
  }],
  exits: { 1: "a file of configuration has a fault, which is printed" },
  run: reload,
};

async function reload({ settings }: Invocation): Promise<CommandResult> {
  const change = await askDaemon(settings, "/reload", "POST");
  const lines = (["added", "changed", "removed", "unchanged"] as const)
    .map((what) => [what, change[what] as string[]] as const)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.map((name) => visible(name)).join(", ")}`);
  const tools = change.tools as string[];
  if (lines.length === 0) lines.push("mcp.json names no server");
  if (tools.length > 0) lines.push(`your own tools: ${tools.map((name) => visible(name)).join(", ")}`);
  const faults = (change.faults as JsonObject[]).map((fault) => visible(String(fault), MAX_ERROR_CHARS));
  const warnings = (change.warnings as JsonObject[]).map((warning) =>
    `warning: ${visible(String(warning), MAX_ERROR_CHARS)}`
  );
  return {
    text: [...lines, ...warnings, ...faults].join("\n"),
    code: faults.length > 0 ? EXIT.no : EXIT.done,
    json: change,
  };
}
