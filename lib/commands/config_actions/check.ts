import { counted } from "../../base/text.ts";
import { visible } from "../../base/visible.ts";
import { type ConfigFault, formatFault } from "../../config/config_fault.ts";
import type { Action, CommandResult, Invocation } from "../command.ts";
import { formatTable, MAX_ERROR_CHARS } from "../table.ts";
import { CONFIG_FILES, configFile, type FileReport } from "./config_files.ts";

export const checkConfig: Action = {
  summary: "Read the configuration files and say what is wrong with them, and where",
  forms: [{
    args: "[exai|mcp|models|clink]",
    does: "checks every file, or one; starts no daemon and no server, and reads no secret (doctor does)",
  }],
  exits: { 0: "no file has a fault", 1: "a file has a fault" },
  run: check,
};

async function check({ args: [name], settings }: Invocation): Promise<CommandResult> {
  const files = name === undefined ? Object.values(CONFIG_FILES) : [configFile(name)];
  const reports = await Promise.all(files.map((file) => file.read(settings)));
  return reportOf(reports);
}

/** What was found in the files, with the exit code. */
export function reportOf(reports: readonly FileReport[]): CommandResult {
  const rows = reports.map(({ path, isBlank, holds, faults, warnings }) => [
    verdict(faults.length, warnings.length, isBlank),
    isBlank ? undefined : holds,
    path,
  ]);
  const notes = reports.flatMap(({ faults, warnings }) => [
    ...faults.map((fault) => visible(formatFault(fault), MAX_ERROR_CHARS)),
    ...warnings.map((warning) => `warning: ${visible(formatFault(warning), MAX_ERROR_CHARS)}`),
  ]);
  return {
    text: [formatTable(["RESULT", "HOLDS", "FILE"], rows), ...notes].join("\n\n"),
    json: reports.map(({ path, isBlank, holds, faults, warnings }) => ({
      path,
      is_blank: isBlank,
      holds,
      faults: faults.map(faultJson),
      warnings: warnings.map(faultJson),
    })),
    code: reports.some(({ faults }) => faults.length > 0) ? 1 : 0,
  };
}

function verdict(faults: number, warnings: number, isBlank: boolean): string {
  if (faults > 0) return counted(faults, "fault");
  if (warnings > 0) return counted(warnings, "warning");
  return isBlank ? "none there" : "ok";
}

function faultJson({ line, column, server, key, message }: ConfigFault): Record<string, unknown> {
  return { line, column, server, key, message };
}
