import { type ClientProfile, mcpToolPattern } from "../client_profile.ts";

export const codex: ClientProfile = {
  id: "codex",
  title: "Codex CLI",
  dialect: "codex",
  style: "plain",
  files: [
    { path: "{codex}/config.toml", language: "toml", sections: [["mcp_servers"]] },
    { path: "{project}/.codex/config.toml", language: "toml", sections: [["mcp_servers"]] },
  ],
  rules: [{
    // Hooks, in files of their own or in the configuration.
    paths: ["{codex}", "{project}/.codex"].flatMap((dir) => [`${dir}/hooks.json`, `${dir}/config.toml`]),
    names: (server) => new RegExp(mcpToolPattern(server)),
  }],
};
