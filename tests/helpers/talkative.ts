// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { addSampling } from "./asking_tool.ts";

/** Tools that ask, log and tell progress, each naming whoever called. */
export function talkative(server: McpServer, n: number): void {
  server.registerTool("process", {}, () => ({ content: [{ type: "text", text: String(n) }] }));
  server.registerTool("ask", {}, async () => {
    const answer = await server.server.elicitInput({
      message: "who are you?",
      requestedSchema: { type: "object", properties: { name: { type: "string" } } },
    });
    return { content: [{ type: "text", text: String(answer.content?.name) }] };
  });
  addSampling(server);
  server.registerTool("tell", { inputSchema: { who: z.string() } }, async ({ who }, extra) => {
    const progressToken = extra._meta?.progressToken;
    for (let progress = 1; progress <= 3; progress++) {
      await server.server.sendLoggingMessage({ level: "info", data: who });
      if (progressToken === undefined) continue;
      await extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken, progress, message: who },
      });
    }
    return { content: [{ type: "text", text: who }] };
  });
}
