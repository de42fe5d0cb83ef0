import { type ClientProfile, dedicatedFile, literal } from "../client_profile.ts";

export const copilotCli: ClientProfile = {
  id: "copilot-cli",
  title: "Copilot CLI",
  dialect: "copilot-cli",
  style: "copilot",
  files: [
    dedicatedFile("{copilot}/mcp-config.json"),
    dedicatedFile("{project}/.github/mcp.json"),
  ],
  rules: [{
    // `server(tool)`, and settings that name servers.
    paths: [
      "{copilot}/permissions-config.json",
      "{copilot}/settings.json",
      "{copilot}/config.json",
      "{project}/.github/copilot/settings.json",
    ],
    under: [""],
    names: (server) => new RegExp(`^${literal(server)}(?:\\(|:|$)`),
  }],
};
