import { type ClientProfile, literal, namedOrMeant } from "../client_profile.ts";

/** Tools are `mcp_server_tool`, `server__tool` in older rules; hooks match them by patterns. */
const names = (server: string) =>
  new RegExp(
    `(?:^|[^\\w-])(?:(?:mcp_)?${literal(server)}(?:__|_[\\w.*([\\\\]|\\()|${
      namedOrMeant(server, { prefix: "mcp__?", end: "_" })
    })`,
  );

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
      under: [
        "allowed",
        "excluded",
        "exclude",
        "core",
        "allowMCPServers",
        "excludeMCPServers",
        "coreTools",
        "hooks",
        "agents",
      ],
      names,
    },
    { paths: ["{gemini}/agents/*.md", "{project}/.gemini/agents/*.md"], names },
    { paths: ["{gemini}/mcp-server-enablement.json"], under: [""] },
    {
      paths: ["{gemini}/policies/*.toml", "{project}/.gemini/policies/*.toml"],
      names: (server) => new RegExp(`["'](?:mcp_)?${literal(server)}(?:["']|__|_)`),
    },
  ],
};
