import { type ClientFile, type ClientProfile, literal } from "../client_profile.ts";

const PRODUCTS = ["Code", "Code - Insiders", "VSCodium"];

/** The directories of user settings: of the products, of a Flatpak, and of the part that runs on a remote machine. */
export const VS_CODE_USER_DIRS: readonly string[] = [
  ...PRODUCTS.map((product) => `{data}/${product}/User`),
  "{home}/.var/app/com.visualstudio.code/config/Code/User",
  "{home}/.var/app/com.vscodium.codium/config/VSCodium/User",
  "{home}/.vscode-server/data/User",
  "{home}/.vscode-server-insiders/data/User",
];

const servers = (path: string): ClientFile => ({
  path,
  language: "jsonc",
  sections: [["servers"], ["mcpServers"]],
  isDedicated: true,
});

const settings = (path: string, ...around: string[]): ClientFile => ({
  path,
  language: "jsonc",
  sections: [[...around, "mcp", "servers"], [...around, "mcp.servers"]],
});

export const vsCode: ClientProfile = {
  id: "vscode",
  title: "VS Code",
  dialect: "other",
  style: "typed",
  files: [
    ...VS_CODE_USER_DIRS.flatMap((dir) => [
      servers(`${dir}/mcp.json`),
      servers(`${dir}/profiles/*/mcp.json`),
      settings(`${dir}/settings.json`),
      settings(`${dir}/profiles/*/settings.json`),
    ]),
    servers("{project}/.vscode/mcp.json"),
    settings("{project}/.vscode/settings.json"),
    settings("{project}/*.code-workspace", "settings"),
  ],
  rules: [
    {
      // Sets of tools, agents and prompts name tools as `server/tool` or `mcp_server_tool`.
      paths: [
        ...VS_CODE_USER_DIRS.map((dir) => `${dir}/prompts/*.md`),
        ...VS_CODE_USER_DIRS.map((dir) => `${dir}/prompts/*.toolsets.jsonc`),
        "{project}/.github/agents/*.md",
        "{project}/.github/chatmodes/*.md",
        "{project}/.github/prompts/*.md",
      ],
      names: (server) =>
        new RegExp(`(?:["'\\s,[]|^)(?:${literal(server)}/|mcp_${literal(server)}_)[\\w*]`, "m"),
    },
    {
      paths: VS_CODE_USER_DIRS.map((dir) => `${dir}/settings.json`),
      under: ["chat.mcp.serverSampling", "chat.tools.eligibleForAutoApproval"],
      names: (server) => new RegExp(`(?:^|[/:. ])${literal(server)}(?:$|[/:.])`),
    },
  ],
  note: "VS Code keeps in its own database which tools you have allowed; it asks once more for those.",
};
