import { isDeepStrictEqual } from "node:util";
import { resolve } from "@std/path";
import type { ClientToolsConfig } from "./client_tools.ts";
import type { ServerConfig } from "./server_config.ts";
import { FileWatch, type FileWatchOptions } from "./file_watch.ts";
import { type ConfigFault, readServers, type ServersFile, type ServersOptions } from "./servers.ts";

/** What one reading of the file changed; each list holds names of servers. */
export interface ServersChange {
  /** Every server in force, by name. */
  servers: ReadonlyMap<string, ServerConfig>;
  added: string[];
  removed: string[];
  changed: string[];
  unchanged: string[];
  disabled: string[];
  /** Which tools clients see. */
  clients: readonly ClientToolsConfig[];
  faults: ConfigFault[];
  warnings: ConfigFault[];
}

interface WatchOptions extends ServersOptions, FileWatchOptions {}

/** The mounted servers in force, kept up to date with the file. */
export interface ServersWatch extends AsyncDisposable {
  /** What was read last. */
  readonly current: ServersChange;
  /** Reads the file now, whether it changed or not: what its variables stand for may have. */
  reload(): Promise<ServersChange>;
}

/**
 * Reads the servers in the file at `path` and again whenever it changes. `onChange` hears of each later reading that
 * differs from the one before in a server, a fault or a warning. What is faulty keeps its last good configuration: one
 * server's entry, or all when the file cannot be read or is gone.
 *
 * The file, and the directories on the way to it, need not exist yet.
 */
export async function watchServers(
  path: string,
  onChange: (change: ServersChange) => void,
  options: WatchOptions = {},
): Promise<ServersWatch> {
  const watch = new ServersFileWatch(resolve(path), onChange, options);
  await watch.reload();
  return watch;
}

const NOTHING: ServersChange = {
  servers: new Map(),
  added: [],
  removed: [],
  changed: [],
  unchanged: [],
  disabled: [],
  clients: [],
  faults: [],
  warnings: [],
};

class ServersFileWatch implements ServersWatch {
  current: ServersChange = NOTHING;
  readonly #path: string;
  readonly #onChange: (change: ServersChange) => void;
  readonly #options: WatchOptions;
  readonly #file: FileWatch<ServersChange>;
  #isFirst = true;

  constructor(path: string, onChange: (change: ServersChange) => void, options: WatchOptions) {
    this.#path = path;
    this.#onChange = onChange;
    this.#options = options;
    this.#file = new FileWatch(path, () => this.#read(), options);
  }

  reload(): Promise<ServersChange> {
    return this.#file.reload();
  }

  async #read(): Promise<ServersChange> {
    const file = await readServers(this.#path, this.#options);
    // A file that is gone or empty is most likely being replaced.
    if (file.isBlank && this.current.servers.size > 0) {
      const message = "is gone or empty; its servers stay; to remove them, write {} into it";
      Object.assign(file, { readable: false, faults: [{ path: this.#path, message }] });
    }
    const change = compare(this.current, file);
    const isNews = change.added.length + change.removed.length + change.changed.length > 0 ||
      !isDeepStrictEqual(noticed(change), noticed(this.current));
    this.current = change;
    const tell = isNews && !this.#isFirst && !this.#file.isClosed;
    this.#isFirst = false;
    if (tell) this.#onChange(change);
    return change;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

/** What of a reading is news beside its servers. */
function noticed({ clients, faults, warnings }: ServersChange) {
  return [clients, faults, warnings];
}

/** What `file` changes about `before`; what it holds a fault about stays as it was. */
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
    clients: file.readable && !file.clientsFaulty ? file.clients : before.clients,
    faults: file.faults,
    warnings: file.warnings,
  };
}
