import type { JsonObject } from "../base/json.ts";

/** The hints of {@linkcode ToolAnnotations}. */
export const ANNOTATION_HINTS = [
  "readOnlyHint",
  "destructiveHint",
  "idempotentHint",
  "openWorldHint",
] as const;

/** Hints for clients about what a tool does (MCP server/tools, `ToolAnnotations`). */
export interface ToolAnnotations
  extends JsonObject, Partial<Record<typeof ANNOTATION_HINTS[number], boolean>> {}

/** For tools that only read, and only the daemon's own state. */
export const READ_ONLY: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };

/**
 * For tools that send requests to models: they change nothing here, but each call costs money. Left out, `openWorldHint`
 * is true.
 */
export const ASKS_MODELS: ToolAnnotations = { destructiveHint: false };

/** For stepwise tools that ask no model: repeating a step replaces it. */
export const STEPWISE: ToolAnnotations = {
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
