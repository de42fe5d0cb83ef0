import { type ClientFile, type ClientProfile, literal } from "../client_profile.ts";

const FILES: readonly Pick<ClientFile, "path" | "on">[] = [
  { path: "{config}/zed/settings.json", on: ["linux", "darwin"] },
  { path: "{home}/.var/app/dev.zed.Zed/config/zed/settings.json", on: ["linux"] },
  { path: "{data}/Zed/settings.json", on: ["windows"] },
  { path: "{project}/.zed/settings.json" },
];

export const zed: ClientProfile = {
  id: "zed",
  title: "Zed",
  dialect: "other",
  style: "zed",
  files: FILES.map((file): ClientFile => ({ ...file, language: "jsonc", sections: [["context_servers"]] })),
  rules: [{
    paths: FILES.map(({ path }) => path),
    under: ["tool_permissions", "profiles"],
    names: (server) => new RegExp(`^mcp:${literal(server)}:`),
  }],
};
