import type { CommandGroup } from "./command.ts";
import { checkConfig } from "./config_actions/check.ts";
import { editConfig } from "./config_actions/edit.ts";
import { configPaths } from "./config_actions/path.ts";
import { configSchema } from "./config_actions/schema.ts";

export const configCommand: CommandGroup = {
  summary: "Check, find or edit the configuration files, or print their JSON Schemas",
  about: [
    "The files are exai.json (settings), mcp.json (mounted servers), models.json (models) and clink.json (agents).",
  ],
  actions: { check: checkConfig, path: configPaths, schema: configSchema, edit: editConfig },
  fallback: "check",
};
