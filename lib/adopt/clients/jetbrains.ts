import type { ClientFile, ClientProfile } from "../client_profile.ts";

const json = (path: string, section: string, on?: ClientFile["on"]): ClientFile => ({
  path,
  on,
  language: "jsonc",
  sections: [[section]],
  isDedicated: true,
});

/** AI Assistant, Junie and GitHub Copilot in the IDEs of JetBrains. */
export const jetbrains: ClientProfile = {
  id: "jetbrains",
  title: "JetBrains",
  dialect: "other",
  style: "plain",
  files: [
    // AI Assistant since 2025.3.
    json("{home}/.ai/mcp/mcp.json", "mcpServers"),
    json("{project}/.ai/mcp/mcp.json", "mcpServers"),
    json("{home}/.junie/mcp/mcp.json", "mcpServers"),
    json("{project}/.junie/mcp/mcp.json", "mcpServers"),
    json("{config}/github-copilot/intellij/mcp.json", "servers", ["linux", "darwin"]),
    json("{local}/github-copilot/intellij/mcp.json", "servers", ["windows"]),
    // AI Assistant before that: the IDE writes it when it ends, over what others have written.
    {
      path: "{data}/JetBrains/*/options/llm.mcpServers.xml",
      language: "jetbrains-xml",
      sections: [["mcpServers"]],
    },
  ],
};
