import { type ClientProfile, literal } from "../client_profile.ts";

/** Tools are `mcp__server__tool`; other characters than letters, digits, `_` and `-` are `_` in that. */
const names = (server: string) =>
  new RegExp(`\\bmcp__${literal(server.replace(/[^A-Za-z0-9_-]/g, "_"))}(?:__|(?![A-Za-z0-9_-]))`);

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
    { path: "{project}/.mcp.json", language: "jsonc", sections: [["mcpServers"]], isDedicated: true },
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
        "{claude}/agents/*.md",
        "{claude}/commands/*.md",
        "{claude}/skills/*/SKILL.md",
        "{project}/.claude/agents/*.md",
        "{project}/.claude/commands/*.md",
        "{project}/.claude/skills/*/SKILL.md",
      ],
      names,
    },
  ],
};
