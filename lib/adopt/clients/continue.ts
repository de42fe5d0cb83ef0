import type { ClientProfile } from "../client_profile.ts";

/** Continue; each file below `mcpServers` holds a block of the same form. */
export const continueDev: ClientProfile = {
  id: "continue",
  title: "Continue",
  dialect: "other",
  style: "plain",
  files: [
    { path: "{home}/.continue/config.yaml", language: "yaml", sections: [["mcpServers"]] },
    { path: "{project}/.continue/mcpServers/*.yaml", language: "yaml", sections: [["mcpServers"]] },
  ],
};
