import type { CommandGroup } from "./command.ts";
import { checkConfig } from "./config/check.ts";
import { editConfig } from "./config/edit.ts";
import { configPaths } from "./config/path.ts";
import { configSchema } from "./config/schema.ts";

export const configCommand: CommandGroup = {
  summary: "Check, find or edit the configuration files, or print their JSON Schemas",
  about: ["The files are exai.json (settings), mcp.json (mounted servers) and models.json (models)."],
  actions: { check: checkConfig, path: configPaths, schema: configSchema, edit: editConfig },
  fallback: "check",
};
