import { type ClientFile, type ClientProfile, dedicatedFile } from "../client_profile.ts";
import { VS_CODE_USER_DIRS } from "./vs_code.ts";

const dirs = [...VS_CODE_USER_DIRS, "{data}/Cursor/User", "{data}/Windsurf/User"];

const storage = (extension: string, file: string): ClientFile[] =>
  dirs.map((dir) => dedicatedFile(`${dir}/globalStorage/${extension}/settings/${file}`));

export const cline: ClientProfile = {
  id: "cline",
  title: "Cline",
  dialect: "cline",
  style: "plain",
  files: [
    ...storage("saoudrizwan.claude-dev", "cline_mcp_settings.json"),
    dedicatedFile("{home}/.cline/data/settings/cline_mcp_settings.json"),
  ],
};

export const roo: ClientProfile = {
  id: "roo",
  title: "Roo Code",
  dialect: "roo",
  style: "plain",
  files: [
    ...storage("rooveterinaryinc.roo-cline", "mcp_settings.json"),
    ...storage("kilocode.kilo-code", "mcp_settings.json"),
    dedicatedFile("{project}/.roo/mcp.json"),
  ],
};
