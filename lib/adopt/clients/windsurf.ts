import { type ClientProfile, dedicatedFile } from "../client_profile.ts";

export const windsurf: ClientProfile = {
  id: "windsurf",
  title: "Windsurf",
  dialect: "other",
  style: "windsurf",
  files: [
    dedicatedFile("{home}/.codeium/windsurf/mcp_config.json"),
    dedicatedFile("{home}/.codeium/windsurf-next/mcp_config.json"),
    dedicatedFile("{home}/.codeium/mcp_config.json"),
  ],
};
