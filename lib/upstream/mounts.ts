import { getLogger } from "@logtape/logtape";
import type { ServerConfig } from "../config/server_config.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Implementation } from "../wire/mcp.ts";
import { Semaphore } from "./semaphore.ts";
import type { ListStore } from "./list_store.ts";
import { MountedServer } from "./mounted_server.ts";
import { Pool } from "./pool.ts";
import type { Connect } from "./pool_options.ts";
import type { AdmissionFactory } from "./process_records.ts";

const log = getLogger(["exai", "upstream"]);

/** So many servers are started at once only to see what they show now. */
const MAX_PROBES = 2;

interface MountsOptions {
  connect: Connect;
  /** Who the daemon says it is to the servers it mounts. */
  clientInfo: Implementation;
  /** Which daemon this is, for what it starts and reaches; undefined: none that could be mounted. */
  daemonId?: string;
  /** Keeps what the servers show beyond the life of the daemon. */
  lists?: ListStore;
  /** Decides when calls may run on each process; left out: at once. */
  admissionFor?: AdmissionFactory;
  /** Takes a line for a server's own log file. */
  log?(server: string, text: string): void;
  /** How long after a call what a server says may be about it, in milliseconds. */
  settleMs?: number;
  /** Called when some of the lists of a server have changed; the sessions attached to it have been told. */
  onListChanged(kinds: readonly ListKind[]): void;
  /** Called when the servers of these names have come, gone or changed. */
  onServersChanged(names: readonly string[]): void;
}

/** Which servers a new reading of the configuration adds, takes away and changes. */
interface MountsChange {
  servers: ReadonlyMap<string, ServerConfig>;
  added: readonly string[];
  removed: readonly string[];
  changed: readonly string[];
}

/** Every mounted server. */
export class Mounts implements AsyncDisposable {
  readonly #options: MountsOptions;
  readonly #byName = new Map<string, MountedServer>();
  readonly #retiring = new Map<MountedServer, Promise<void>>();
  readonly #visits = new Semaphore(MAX_PROBES);
  #ordered: readonly MountedServer[] = [];

  constructor(options: MountsOptions) {
    this.#options = options;
  }

  /** The servers in the order of their names, so that the catalog is the same in every run. */
  get servers(): readonly MountedServer[] {
    return this.#ordered;
  }

  /** Those that were taken out or changed, while something runs on them. */
  get retiring(): Iterable<MountedServer> {
    return this.#retiring.keys();
  }

  /** A session is over: what was taken out or changed keeps nothing for it any more. */
  detach(caller: Caller): void {
    for (const server of this.#retiring.keys()) server.detach(caller);
  }

  /**
   * Puts a new configuration in force. What has not changed goes on untouched; calls in flight on what was removed or
   * changed finish on the old instance, and so do tasks whose results somebody wants.
   */
  apply(change: MountsChange): void {
    const { servers, added, removed, changed } = change;
    for (const name of removed) this.#retire(name);
    for (const name of [...added, ...changed]) this.#mount(servers.get(name)!);
    this.#ordered = [...this.#byName.values()].sort((a, b) => a.name < b.name ? -1 : 1);
    const names = [...added, ...removed, ...changed];
    if (names.length > 0) this.#options.onServersChanged(names);
  }

  /** The configuration was read again: servers that rest because they kept failing may start at once. */
  resetBackoff(): void {
    for (const server of this.#ordered) server.resetBackoff();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [...this.#byName.values()];
    this.#byName.clear();
    this.#ordered = [];
    servers.push(...this.#retiring.keys());
    await Promise.all([
      ...this.#retiring.values(),
      ...servers.map((server) => server[Symbol.asyncDispose]()),
    ]);
  }

  #mount(config: ServerConfig): void {
    const { name } = config;
    const server = new MountedServer(config, new Pool({ ...this.#options, name }), {
      lists: this.#options.lists,
      probes: this.#visits,
    });
    // Before it goes: its sessions keep what they are subscribed to. One that was taken out may run tasks still.
    const old = this.#byName.get(name) ?? [...this.#retiring.keys()].findLast((gone) => gone.name === name);
    if (old) server.inherit(old);
    this.#retire(name);
    this.#byName.set(name, server);
    log.info("{server} is mounted", { server: name });
  }

  #retire(name: string): void {
    const server = this.#byName.get(name);
    if (!server) return;
    this.#byName.delete(name);
    log.info("{server} is unmounted", { server: name });
    const retiring = server.retire();
    this.#retiring.set(server, retiring);
    retiring.finally(() => this.#retiring.delete(server));
  }
}
