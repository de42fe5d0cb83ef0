import type { ClientProfile } from "../client_profile.ts";

export const codex: ClientProfile = {
  id: "codex",
  title: "Codex CLI",
  dialect: "codex",
  style: "plain",
  files: [
    { path: "{codex}/config.toml", language: "toml", sections: [["mcp_servers"]] },
    { path: "{project}/.codex/config.toml", language: "toml", sections: [["mcp_servers"]] },
  ],
};
