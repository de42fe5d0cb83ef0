import { type ClientProfile, literal } from "../client_profile.ts";

const names = (server: string) => new RegExp(`(?:^|[^\\w-])(?:mcp_)?${literal(server)}(?:__|_[a-z*]|\\()`);

export const gemini: ClientProfile = {
  id: "gemini",
  title: "Gemini CLI",
  dialect: "gemini",
  style: "gemini",
  files: [
    { path: "{gemini}/settings.json", language: "jsonc", sections: [["mcpServers"]] },
    { path: "{project}/.gemini/settings.json", language: "jsonc", sections: [["mcpServers"]] },
  ],
  rules: [
    {
      paths: ["{gemini}/settings.json", "{project}/.gemini/settings.json"],
      under: ["allowed", "excluded", "exclude", "core", "allowMCPServers", "excludeMCPServers", "coreTools"],
      names,
    },
    { paths: ["{gemini}/mcp-server-enablement.json"], under: [""] },
    {
      paths: ["{gemini}/policies/*.toml", "{project}/.gemini/policies/*.toml"],
      names: (server) => new RegExp(`["'](?:mcp_)?${literal(server)}(?:["']|__|_)`),
    },
  ],
};
