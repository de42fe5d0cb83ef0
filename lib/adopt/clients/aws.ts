import { type ClientProfile, dedicatedFile, literal, type RuleSource } from "../client_profile.ts";

/** Agents name a server as `@server`, and a tool as `@server/tool`. */
const agents = (...dirs: string[]): RuleSource => ({
  paths: dirs.flatMap((dir) => [`${dir}/*.json`, `${dir}/*.md`]),
  names: (server) => new RegExp(`@${literal(server)}(?![\\w-])`),
});

export const kiro: ClientProfile = {
  id: "kiro",
  title: "Kiro",
  dialect: "kiro",
  style: "plain",
  files: [
    dedicatedFile("{home}/.kiro/settings/mcp.json"),
    dedicatedFile("{project}/.kiro/settings/mcp.json"),
  ],
  rules: [agents("{home}/.kiro/agents", "{project}/.kiro/agents")],
};

export const amazonQ: ClientProfile = {
  id: "amazon-q",
  title: "Amazon Q",
  dialect: "amazon-q",
  style: "plain",
  files: [dedicatedFile("{home}/.aws/amazonq/mcp.json"), dedicatedFile("{project}/.amazonq/mcp.json")],
  rules: [agents("{home}/.aws/amazonq/cli-agents", "{project}/.amazonq/cli-agents")],
};
