import { type ClientProfile, dedicatedFile, literal, mcpToolPattern } from "../client_profile.ts";

const names = (server: string) => new RegExp(mcpToolPattern(server));

/** An agent may also list the servers it has, by their names: `mcpServers: [files]`. */
const agentNames = (server: string) =>
  new RegExp(
    `${mcpToolPattern(server)}|^mcpServers:(?:.|\\n(?!---)[ \\t-])*?[\\s,["']${
      literal(server)
    }(?=[\\s,\\]"':]|$)`,
    "m",
  );

/** Files in a directory and in those below it. */
const below = (dir: string) => [`${dir}/*.md`, `${dir}/*/*.md`, `${dir}/*/*/*.md`];

export const claudeCode: ClientProfile = {
  id: "claude-code",
  title: "Claude Code",
  dialect: "claude-code",
  style: "typed",
  files: [
    {
      path: "{claudeState}",
      language: "jsonc",
      sections: [["mcpServers"], ["projects", "*", "mcpServers"]],
    },
    dedicatedFile("{project}/.mcp.json"),
  ],
  rules: [
    {
      paths: [
        "{claude}/settings.json",
        "{claude}/settings.local.json",
        "{project}/.claude/settings.json",
        "{project}/.claude/settings.local.json",
      ],
      under: [
        "permissions",
        "hooks",
        "enabledMcpjsonServers",
        "disabledMcpjsonServers",
        "allowedMcpServers",
        "deniedMcpServers",
      ],
      names,
    },
    {
      paths: ["{claudeState}"],
      under: [
        "allowedTools",
        "enabledMcpjsonServers",
        "disabledMcpjsonServers",
        "enabledMcpServers",
        "disabledMcpServers",
      ],
      names,
    },
    {
      paths: [
        ...below("{claude}/commands"),
        ...below("{project}/.claude/commands"),
        "{claude}/skills/*/SKILL.md",
        "{project}/.claude/skills/*/SKILL.md",
      ],
      names,
    },
    { paths: [...below("{claude}/agents"), ...below("{project}/.claude/agents")], names: agentNames },
  ],
};
