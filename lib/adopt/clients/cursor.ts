import { type ClientProfile, dedicatedFile, literal } from "../client_profile.ts";

export const cursor: ClientProfile = {
  id: "cursor",
  title: "Cursor",
  dialect: "other",
  style: "plain",
  files: [
    dedicatedFile("{home}/.cursor/mcp.json"),
    dedicatedFile("{project}/.cursor/mcp.json"),
  ],
  rules: [
    {
      // `server:tool` and `server:*`.
      paths: ["{home}/.cursor/permissions.json", "{project}/.cursor/permissions.json"],
      under: ["mcpAllowlist"],
      names: (server) => new RegExp(`^${literal(server)}(?::|$)`),
    },
    {
      paths: [
        "{home}/.cursor/cli-config.json",
        "{config}/cursor/cli-config.json",
        "{project}/.cursor/cli.json",
      ],
      under: ["permissions"],
      names: (server) => new RegExp(`^Mcp\\(\\s*${literal(server)}\\s*[:)]`, "i"),
    },
  ],
};
