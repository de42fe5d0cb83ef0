import { isDeepStrictEqual } from "node:util";
import { type ConfigWatch, watchConfig } from "./config_watch.ts";
import type { ClientToolsConfig, ServerConfig } from "./server_config.ts";
import type { FileWatchOptions } from "./file_watch.ts";
import {
  catalogName,
  type ConfigFault,
  readServers,
  type ServersFile,
  type ServersOptions,
} from "./servers.ts";

/** An entry of `mcp.json` with a fault. */
export interface FaultyEntry {
  /** The server's name in the catalog; its title where that makes no name. */
  name: string;
  faults: readonly ConfigFault[];
  /** Whether the server still runs as an earlier reading of the file had it. */
  isKept: boolean;
}

/** The servers in force after a reading, and what it changed; each list holds names of servers. */
export interface ServersChange {
  /** Every server in force, by name. */
  servers: ReadonlyMap<string, ServerConfig>;
  added: string[];
  removed: string[];
  changed: string[];
  unchanged: string[];
  disabled: readonly string[];
  faulty: readonly FaultyEntry[];
  /** Which tools clients see. */
  clients: readonly ClientToolsConfig[];
  faults: ConfigFault[];
  warnings: ConfigFault[];
}

interface WatchOptions extends ServersOptions, FileWatchOptions {}

export type ServersWatch = ConfigWatch<ServersChange>;

const NOTHING: ServersChange = {
  servers: new Map(),
  added: [],
  removed: [],
  changed: [],
  unchanged: [],
  disabled: [],
  faulty: [],
  clients: [],
  faults: [],
  warnings: [],
};

/**
 * Reads the servers in the file at `path` and again whenever it changes. `onChange` is called after each later reading
 * that differs from the one before in a server, a client, a fault or a warning. A faulty entry keeps its last good
 * configuration, and so do all servers when the file cannot be read or is gone.
 */
export function watchServers(
  path: string,
  onChange: (change: ServersChange) => void,
  options: WatchOptions = {},
): Promise<ServersWatch> {
  return watchConfig(path, {
    ...options,
    initial: NOTHING,
    read: async (path, before) => compare(before, await readAfter(path, before, options)),
    newsOf: ({ servers, clients, faults, warnings }) => [servers, clients, faults, warnings],
    onChange,
  });
}

async function readAfter(
  path: string,
  { servers }: ServersChange,
  options: ServersOptions,
): Promise<ServersFile> {
  const file = await readServers(path, options);
  if (!file.isBlank || servers.size === 0) return file;
  // A file that is gone or empty is most likely being replaced.
  const message = "is gone or empty; its servers stay; to remove them, write {} into it";
  return { ...file, readable: false, faults: [{ path, message }] };
}

/** The servers in force after `file` was read, compared with `before`; a server with a fault stays as it was. */
function compare(before: ServersChange, file: ServersFile): ServersChange {
  const servers = new Map(file.servers);
  const kept = file.readable ? file.faulty : [...before.servers.keys()];
  for (const name of kept) {
    const last = before.servers.get(name);
    if (last) servers.set(name, last);
  }
  const names = [...servers.keys()];
  const old = (name: string) => before.servers.get(name);
  const isSame = (name: string) => isDeepStrictEqual(old(name), servers.get(name));
  return {
    servers,
    added: names.filter((name) => old(name) === undefined),
    removed: [...before.servers.keys()].filter((name) => !servers.has(name)),
    changed: names.filter((name) => old(name) !== undefined && !isSame(name)),
    unchanged: names.filter(isSame),
    disabled: file.readable ? file.disabled : before.disabled,
    faulty: file.readable ? faultyEntries(file, servers) : before.faulty,
    clients: file.readable && !file.clientsFaulty ? file.clients : before.clients,
    faults: file.faults,
    warnings: file.warnings,
  };
}

/** The entries of `file` with a fault, in its order; `servers` are those in force. */
function faultyEntries(
  { faults, faulty }: ServersFile,
  servers: ReadonlyMap<string, ServerConfig>,
): FaultyEntry[] {
  const byTitle = Map.groupBy(faults, ({ server }) => server);
  byTitle.delete(undefined);
  return Array.from(byTitle, ([title, faults]) => {
    const name = catalogName(title!) ?? title!;
    return { name, faults, isKept: faulty.includes(name) && servers.has(name) };
  });
}
