import type { ClientProfile } from "../client_profile.ts";

const FILE = "claude_desktop_config.json";

export const claudeDesktop: ClientProfile = {
  id: "claude-desktop",
  title: "Claude Desktop",
  dialect: "other",
  style: "program",
  files: [
    { path: `{data}/Claude/${FILE}`, language: "jsonc", sections: [["mcpServers"]] },
    {
      // As a package of the Microsoft Store, it has a directory of its own.
      path: `{local}/Packages/Claude_*/LocalCache/Roaming/Claude/${FILE}`,
      on: ["windows"],
      language: "jsonc",
      sections: [["mcpServers"]],
    },
  ],
  note: "Quit Claude Desktop and start it again; it reads its file when it starts.",
};
