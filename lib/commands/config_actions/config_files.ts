import { UsageError } from "../../base/errors.ts";
import { ownEntry } from "../../base/json.ts";
import { didYouMean } from "../../base/suggest.ts";
import { counted, quoteName } from "../../base/text.ts";
import { clinkJsonSchema, readClink } from "../../config/clink_file.ts";
import type { ConfigFault } from "../../config/config_fault.ts";
import { readModels } from "../../config/models_file.ts";
import { isThere } from "../../config/path_kind.ts";
import { type StatePaths, statePaths } from "../../config/paths.ts";
import { environment } from "../../config/process_variables.ts";
import { readServers } from "../../config/servers.ts";
import { serversJsonSchema } from "../../config/servers.ts";
import type { Settings } from "../../config/settings.ts";
import { readSettingsFile } from "../../config/settings_file.ts";
import { settingsJsonSchema } from "../../config/settings_schema.ts";

/** What is in one configuration file. */
export interface FileReport {
  path: string;
  /** Whether there is nothing to read. */
  isBlank: boolean;
  /** What it says, in a phrase. */
  holds: string;
  faults: readonly ConfigFault[];
  warnings: readonly ConfigFault[];
}

/** One of the files that the user writes. */
interface ConfigFile {
  pathIn(paths: StatePaths): string;
  read(settings: Settings): Promise<FileReport>;
  schema?(): unknown;
  /** What a new one begins with. */
  skeleton: string;
}

/** The files of the configuration, by the name a command calls them by. */
export const CONFIG_FILES: Readonly<Record<string, ConfigFile>> = {
  exai: {
    pathIn: ({ settings }) => settings,
    read: async (settings) => {
      const { values, ...file } = await readSettingsFile(statePaths(settings).settings, environment());
      return { ...file, holds: counted(values.size, "setting") };
    },
    schema: settingsJsonSchema,
    skeleton: "{\n}\n",
  },
  mcp: {
    pathIn: ({ config }) => config,
    read: async (settings) => {
      const { config: path } = statePaths(settings);
      const { servers, disabled, faulty, faults, warnings, isBlank } = await readServers(path, {
        ownPort: settings.port || undefined,
      });
      const parts = [
        counted(servers.size, "server"),
        ...(disabled.length > 0 ? [`${disabled.length} switched off`] : []),
        ...(faulty.length > 0 ? [`${faulty.length} faulty`] : []),
      ];
      return { path, isBlank, holds: parts.join(", "), faults, warnings };
    },
    schema: serversJsonSchema,
    skeleton: '{\n  "mcpServers": {}\n}\n',
  },
  models: {
    pathIn: ({ models }) => models,
    read: async (settings) => {
      const { models: path } = statePaths(settings);
      const { providers, models, faults } = await readModels(path, environment());
      const holds = `${counted(providers.length, "provider")}, ${counted(models.length, "model")}`;
      return { path, isBlank: !await isThere(path), holds, faults, warnings: [] };
    },
    skeleton: "{\n}\n",
  },
  clink: {
    pathIn: ({ clink }) => clink,
    read: async (settings) => {
      const { clink: path } = statePaths(settings);
      const { agents, roles, faults, isBlank } = await readClink(path, environment());
      const holds = `${counted(agents.length, "agent")}, ${counted(roles.length, "role")}`;
      return { path, isBlank, holds, faults, warnings: [] };
    },
    schema: clinkJsonSchema,
    skeleton: '{\n  "agents": {}\n}\n',
  },
};

/**
 * The file that a word names; `mcp.json` is `mcp`.
 *
 * @throws {UsageError} with the nearest name
 */
export function configFile(name: string): ConfigFile {
  const file = ownEntry(CONFIG_FILES, name.replace(/\.json$/, ""));
  if (file) return file;
  const names = Object.keys(CONFIG_FILES);
  throw new UsageError(
    `${quoteName(name)} is no configuration file${didYouMean(name, names)}; there are: ${names.join(", ")}`,
  );
}
