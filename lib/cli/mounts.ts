import { getLogger } from "@logtape/logtape";
import { VERSION } from "../base/version.ts";
import type { StatePaths } from "../config/paths.ts";
import { type ConfigFault, formatFault } from "../config/servers.ts";
import { type ServersChange, type ServersWatch, watchServers } from "../config/servers_watch.ts";
import { connect } from "../upstream/connect.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { Mounts } from "../upstream/mounts.ts";

const log = getLogger(["exai", "config"]);

/** The mounted servers as `mcp.json` has them, now and whenever it changes. */
export class ConfiguredMounts implements AsyncDisposable {
  /** The lists of some server have changed; set by whoever shows them. */
  onListChanged = () => {};
  /** Servers have come, gone or changed; set by whoever shows them. */
  onServersChanged = () => {};
  readonly #mounts: Mounts;
  #watch: ServersWatch | undefined;
  #faults: readonly ConfigFault[] = [];

  private constructor() {
    this.#mounts = new Mounts({
      connect,
      clientInfo: { name: "exai", version: VERSION },
      onListChanged: () => this.onListChanged(),
      onServersChanged: () => this.onServersChanged(),
    });
  }

  static async open(path: string): Promise<ConfiguredMounts> {
    const mounts = new ConfiguredMounts();
    mounts.#watch = await watchServers(path, (change) => mounts.#apply(change));
    mounts.#apply(mounts.#watch.current);
    return mounts;
  }

  get servers(): readonly MountedServer[] {
    return this.#mounts.servers;
  }

  /** Memory of a server's process and what it has started, in bytes; undefined where it cannot be told. */
  readonly memoryOf = (_pid: number): Promise<number | undefined> => Promise.resolve(undefined);

  /** What is wrong with the configuration, each in a sentence. */
  faults(): string[] {
    return this.#faults.map(formatFault);
  }

  /** Reads the configuration now. */
  async reload(): Promise<ServersChange> {
    const change = await this.#watch!.reload();
    return change;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#mounts[Symbol.asyncDispose]();
  }

  #apply(change: ServersChange): void {
    this.#faults = change.faults;
    for (const fault of change.faults) log.error("{fault}", { fault: formatFault(fault) });
    for (const warning of change.warnings) log.warning("{warning}", { warning: formatFault(warning) });
    this.#mounts.apply(change);
  }
}

/** Mounts what the configuration at `paths.config` names. */
export function openMounts(paths: StatePaths): Promise<ConfiguredMounts> {
  return ConfiguredMounts.open(paths.config);
}
