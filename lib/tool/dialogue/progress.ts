import type { ToolContext } from "../tool.ts";

/** Tells the caller what is going on; each message counts one up (MCP basic/utilities/progress). */
export function progressSender(context: ToolContext): (message: string) => void {
  let progress = 0;
  return (message) => context.progress({ progress: ++progress, message });
}
