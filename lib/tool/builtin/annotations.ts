import type { ToolAnnotations } from "../tool.ts";

/** A tool that only looks, and only at the daemon itself. */
export const READ_ONLY: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };
