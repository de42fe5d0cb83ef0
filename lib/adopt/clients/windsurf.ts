import type { ClientFile, ClientProfile } from "../client_profile.ts";

const file = (path: string): ClientFile => ({
  path,
  language: "jsonc",
  sections: [["mcpServers"]],
  isDedicated: true,
});

export const windsurf: ClientProfile = {
  id: "windsurf",
  title: "Windsurf",
  dialect: "other",
  style: "windsurf",
  files: [
    file("{home}/.codeium/windsurf/mcp_config.json"),
    file("{home}/.codeium/windsurf-next/mcp_config.json"),
    file("{home}/.codeium/mcp_config.json"),
  ],
};
