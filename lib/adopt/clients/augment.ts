import { type ClientProfile, literal } from "../client_profile.ts";
import { VS_CODE_USER_DIRS } from "./vs_code.ts";

export const augment: ClientProfile = {
  id: "augment",
  title: "Augment",
  dialect: "other",
  style: "plain",
  files: [
    { path: "{home}/.augment/settings.json", language: "jsonc", sections: [["mcpServers"]] },
    { path: "{project}/.augment/settings.json", language: "jsonc", sections: [["mcpServers"]] },
    ...VS_CODE_USER_DIRS.flatMap((dir) => [
      {
        path: `${dir}/globalStorage/augment.vscode-augment/augment-global-state/mcpServers.json`,
        language: "jsonc" as const,
        sections: [[]],
      },
      {
        path: `${dir}/settings.json`,
        language: "jsonc" as const,
        sections: [["augment.advanced", "mcpServers"]],
      },
    ]),
  ],
  rules: [{
    paths: ["{home}/.augment/settings.json", "{project}/.augment/settings.json"],
    under: ["toolPermissions", "tool-permissions"],
    // `tool_server`, and `mcp:server:tool`.
    names: (server) => new RegExp(`(?:^|[_:-])${literal(server)}(?:$|[_:-])`),
  }],
};
