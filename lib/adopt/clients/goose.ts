import type { ClientProfile } from "../client_profile.ts";

export const goose: ClientProfile = {
  id: "goose",
  title: "Goose",
  dialect: "other",
  style: "goose",
  files: [
    {
      path: "{config}/goose/config.yaml",
      on: ["linux", "darwin"],
      language: "yaml",
      sections: [["extensions"]],
    },
    {
      path: "{data}/Block/goose/config/config.yaml",
      on: ["windows"],
      language: "yaml",
      sections: [["extensions"]],
    },
  ],
};
