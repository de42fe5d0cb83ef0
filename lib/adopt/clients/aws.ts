import type { ClientFile, ClientProfile } from "../client_profile.ts";

const file = (path: string): ClientFile => ({
  path,
  language: "jsonc",
  sections: [["mcpServers"]],
  isDedicated: true,
});

export const kiro: ClientProfile = {
  id: "kiro",
  title: "Kiro",
  dialect: "kiro",
  style: "plain",
  files: [file("{home}/.kiro/settings/mcp.json"), file("{project}/.kiro/settings/mcp.json")],
};

export const amazonQ: ClientProfile = {
  id: "amazon-q",
  title: "Amazon Q",
  dialect: "amazon-q",
  style: "plain",
  files: [file("{home}/.aws/amazonq/mcp.json"), file("{project}/.amazonq/mcp.json")],
};
