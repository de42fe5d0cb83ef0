// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";

/** Gives `server` a tool `sample` that asks its caller's model. */
export function addSampling(server: McpServer): void {
  server.registerTool("sample", {}, async () => {
    const messages = [{ role: "user" as const, content: { type: "text" as const, text: "who?" } }];
    const answer = await server.server.createMessage({ messages, maxTokens: 5 });
    return { content: [answer.content as { type: "text"; text: string }] };
  });
}
