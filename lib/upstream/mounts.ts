import { getLogger } from "@logtape/logtape";
import { isAbsolute } from "@std/path";
import { onlyAccount } from "../config/account_choice.ts";
import { type ServerConfig, usesWorkspace } from "../config/server_config.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Implementation } from "../wire/mcp.ts";
import type { ListStore } from "./list_store.ts";
import { listReader } from "./lists/list_reader.ts";
import { ListsInMemory } from "./lists/lists_in_memory.ts";
import { ProbeQueue } from "./lists/probe_queue.ts";
import { MountedServer } from "./mounted_server.ts";
import { type Learning, learnSharing } from "./sharing/decide_share.ts";
import type { Connect } from "./start_instance.ts";
import type { AdmissionFactory, ProcessEventListener } from "./process_records.ts";

const log = getLogger(["exai", "upstream"]);

interface MountsOptions {
  connect: Connect;
  /** How the daemon identifies itself to the servers it mounts. */
  clientInfo: Implementation;
  /** Identifies this daemon to what it mounts; undefined: it cannot be mounted itself. */
  daemonId?: string;
  /** Keeps lists across restarts of the daemon; left out: none are kept. */
  lists?: ListStore;
  /** Decides when calls may run on each process; left out: at once. */
  admissionFor?: AdmissionFactory;
  /** With what the sharing of servers in no table is learned; left out: it is not. */
  learning?: Learning;
  /** Takes text for a server's own log file. */
  log?(server: string, text: string): void;
  /** How long after a call a message of its server may still be about it, in milliseconds. */
  settleMs?: number;
  /** Called when some of the lists of a server have changed; the sessions attached to it have been notified. */
  onListChanged(kinds: readonly ListKind[]): void;
  /** Called when a process of a server fails or shows that it works. */
  onProcessEvent?: ProcessEventListener;
  /** Called when the servers of these names were added, removed or changed. */
  onServersChanged(names: readonly string[]): void;
}

/** Which servers a new configuration adds, removes and changes. */
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
  readonly #probes = new ProbeQueue();
  #ordered: readonly MountedServer[] = [];

  constructor(options: MountsOptions) {
    this.#options = { ...options, lists: options.lists ?? new ListsInMemory() };
  }

  /** The servers in the order of their names, so that the catalog does not depend on the order in the file. */
  get servers(): readonly MountedServer[] {
    return this.#ordered;
  }

  /** Servers that were removed or changed, while calls or tasks run on them. */
  get retiring(): Iterable<MountedServer> {
    return this.#retiring.keys();
  }

  /** Forgets a session that has ended, on servers that are being retired. */
  detach(caller: Caller): void {
    for (const server of this.#retiring.keys()) server.detach(caller);
  }

  /**
   * Applies a new configuration. Unchanged servers are not touched; calls in flight on a removed or changed server, and
   * tasks whose results are not fetched yet, finish on the old instance.
   */
  apply(change: MountsChange): void {
    const { servers, added, removed, changed } = change;
    for (const name of removed) this.#retire(name);
    for (const name of [...added, ...changed]) this.#mount(servers.get(name)!);
    this.#ordered = [...this.#byName.values()].sort((a, b) => a.name < b.name ? -1 : 1);
    const names = [...added, ...removed, ...changed];
    if (names.length > 0) this.#options.onServersChanged(names);
  }

  /**
   * Reads the lists of the servers of which none are kept, few at a time, and lets the servers go. One that needs a
   * window's directory is read on behalf of the first window that has one: {@linkcode Server.prepare}.
   *
   * @param dir where they run meanwhile: an empty directory, as a server may look through what it finds
   * @returns resolves when that has ended, in whatever way
   */
  async prepare(dir: string, servers: readonly MountedServer[] = this.#ordered): Promise<void> {
    const reader = listReader(dir);
    const independent = servers.filter(({ config }) => !needsWindow(config));
    await Promise.all(independent.map((server) => server.prepare(reader)));
  }

  /** Forgets past failures of every server: it may start at once. */
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
    const { learning } = this.#options;
    const sharing = learning && learnSharing(config, learning);
    const server = new MountedServer(config, { ...this.#options, probes: this.#probes, sharing });
    // Before it is retired: sessions keep their subscriptions. A removed one may still run tasks.
    const old = this.#byName.get(name) ??
      [...this.#retiring.keys()].findLast((removed) => removed.name === name);
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

/** Whether only a window can say where the server runs, or as whom it is signed in to. */
function needsWindow(config: ServerConfig): boolean {
  return usesWorkspace(config) || config.kind !== "stdio" && onlyAccount(config) === undefined ||
    config.kind === "stdio" && config.cwd !== undefined && !isAbsolute(config.cwd);
}
