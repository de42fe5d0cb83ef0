import { type ClientProfile, dedicatedFile } from "../client_profile.ts";

/** AI Assistant, Junie and GitHub Copilot in the IDEs of JetBrains. */
export const jetbrains: ClientProfile = {
  id: "jetbrains",
  title: "JetBrains",
  dialect: "other",
  style: "plain",
  files: [
    // AI Assistant since 2025.3.
    dedicatedFile("{home}/.ai/mcp/mcp.json"),
    dedicatedFile("{project}/.ai/mcp/mcp.json"),
    dedicatedFile("{home}/.junie/mcp/mcp.json"),
    dedicatedFile("{project}/.junie/mcp/mcp.json"),
    dedicatedFile("{config}/github-copilot/intellij/mcp.json", {
      section: "servers",
      on: ["linux", "darwin"],
    }),
    dedicatedFile("{local}/github-copilot/intellij/mcp.json", { section: "servers", on: ["windows"] }),
    // AI Assistant before that: the IDE writes it when it ends, over what others have written.
    {
      path: "{data}/JetBrains/*/options/llm.mcpServers.xml",
      language: "jetbrains-xml",
      sections: [["mcpServers"]],
    },
  ],
};
