import { type ClientFile, type ClientProfile, literal } from "../client_profile.ts";

const FILES = [
  "{opencode}/opencode.json",
  "{opencode}/opencode.jsonc",
  "{opencode}/config.json",
  "{project}/opencode.json",
  "{project}/opencode.jsonc",
  "{project}/.opencode/opencode.json",
  "{project}/.opencode/opencode.jsonc",
];

/** Tools are `server_tool`; other characters than letters, digits, `_` and `-` are `_` in that. */
const names = (server: string) =>
  new RegExp(`(?:^|["'\\s])${literal(server.replace(/[^A-Za-z0-9_-]/g, "_"))}_`, "m");

export const opencode: ClientProfile = {
  id: "opencode",
  title: "opencode",
  dialect: "opencode",
  style: "opencode",
  files: FILES.map((path): ClientFile => ({ path, language: "jsonc", sections: [["mcp"]] })),
  rules: [
    { paths: FILES, under: ["tools", "permission", "permissions"], names },
    {
      paths: ["agent", "agents"].flatMap((
        dir,
      ) => [`{opencode}/${dir}/*.md`, `{project}/.opencode/${dir}/*.md`]),
      names,
    },
  ],
};
