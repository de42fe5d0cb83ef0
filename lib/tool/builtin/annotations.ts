import type { ToolAnnotations } from "../tool.ts";

/** A tool that only looks, and only at the daemon itself. */
export const READ_ONLY: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };

/** A tool that asks models: it changes nothing here, and costs money each time. */
export const ASKS_MODELS: ToolAnnotations = {
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: true,
};
