import { getLogger } from "@logtape/logtape";
import type { ServerConfig } from "../config/server_config.ts";
import { MIB } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { Accounts } from "../auth/accounts.ts";
import type { Caller } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { isStartedByShim } from "../config/daemon_environment.ts";
import type { StatePaths } from "../config/paths.ts";
import { formatFault } from "../config/servers.ts";
import { type ServersChange, type ServersWatch, watchServers } from "../config/servers_watch.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { SqliteServerLists } from "../state/saved_lists.ts";
import { SqliteSharingEvidence } from "../state/saved_evidence.ts";
import { SqlitePublicNames } from "../state/saved_names.ts";
import { PublicNames } from "../router/public_names.ts";
import { type ToolSets, toolSetsOf } from "../router/tool_set.ts";
import { Governor } from "../process/governor.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { Mounts } from "../upstream/mounts.ts";
import { watchOpens } from "../process/directory_watch.ts";
import { ProcessHost } from "../process/process_host.ts";
import type { TreeUsage } from "../process/process_table.ts";
import type { AdmissionFactory } from "../upstream/process_records.ts";
import { serverIdentity } from "../upstream/server_identity.ts";
import { hasFailed, stateOfStopped } from "../upstream/server_state.ts";
import type { DaemonEvents } from "./daemon_events.ts";
import type { DaemonSecrets } from "./daemon_secrets.ts";
import { ServerLogs } from "./server_logs.ts";
import { SignIns } from "./sign_ins.ts";
import { ServerTroubles } from "./server_troubles.ts";
import { connectUrl } from "../remote/url_transport.ts";

const log = getLogger(["exai", "config"]);

interface ConfiguredMountsOptions extends DatabaseEvents {
  events: DaemonEvents;
  /** Decides when calls may run on each process. */
  admissionFor: AdmissionFactory;
  /** The servers of the catalog that are not mounted. */
  ownServers: readonly string[];
  /** In whose name requests to servers behind URLs are. */
  accounts: Accounts;
  secrets: DaemonSecrets;
}

/** Servers may always send messages of this size, however low the limit for clients is. */
const MIN_MESSAGE_BYTES = 4 * MIB;

/** Before servers are started only to be read: the window that has started the daemon is answered first. */
const READ_DELAY_MS = 200;

/** The mounted servers of `mcp.json`, updated when the file changes. */
export class ConfiguredMounts implements AsyncDisposable {
  /** The tools each client sees. */
  toolSets: ToolSets = toolSetsOf([]);
  /** Identifies this run of the daemon to the servers it starts and connects to. */
  readonly daemonId = crypto.randomUUID();
  /** The names of their tools and prompts in the merged catalog. */
  readonly names: PublicNames;
  /** Who is signed in to them. */
  readonly signIns: SignIns;
  readonly #secrets: DaemonSecrets;
  readonly #events: DaemonEvents;
  readonly #mounts: Mounts;
  readonly #host: ProcessHost;
  readonly #logs: ServerLogs;
  readonly #maxMessageBytes: number;
  readonly #lists: SqliteServerLists | undefined;
  readonly #evidence: SqliteSharingEvidence | undefined;
  readonly #savedNames: SqlitePublicNames;
  readonly #governor: Governor;
  /** Where servers run that are started only to read their lists. */
  readonly #probeDir: string;
  /** Whether servers are read once they are mounted. */
  #isReading = false;
  #readTimer: ReturnType<typeof setTimeout> | undefined;
  #watch: ServersWatch | undefined;

  private constructor(settings: Settings, paths: StatePaths, options: ConfiguredMountsOptions) {
    this.#events = options.events;
    this.#secrets = options.secrets;
    // A larger message could not be forwarded to a client.
    this.#maxMessageBytes = Math.max(settings.maxFrameBytes, MIN_MESSAGE_BYTES);
    this.#probeDir = paths.probes;
    this.#logs = new ServerLogs(paths.logs, settings.metricsMaxBytes);
    this.#host = new ProcessHost({
      env: Deno.env.toObject(),
      login: isStartedByShim() ? Deno.env.toObject() : undefined,
      log: (server, text) => this.#logs.append(server, text),
      limits: { maxLineBytes: this.#maxMessageBytes },
      wrapperDir: settings.resolveWrappers ? paths.home : undefined,
    });
    this.#lists = settings.keepLists ? new SqliteServerLists(paths.lists, options) : undefined;
    if (settings.learnSharing) this.#evidence = new SqliteSharingEvidence(paths.sharing, options);
    const inspector = { files: (pid: number) => this.#host.files(pid), watchOpens };
    this.#savedNames = new SqlitePublicNames(paths.names, options);
    this.names = new PublicNames({ store: this.#savedNames, ownServers: options.ownServers });
    const { events, accounts } = options;
    this.signIns = new SignIns({
      events,
      accounts,
      servers: () => this.servers,
      readLists: (servers) => this.#mounts.prepare(this.#probeDir, servers),
    });
    this.#mounts = new Mounts({
      lists: this.#lists,
      learning: settings.learnSharing ? { store: this.#evidence, inspector } : undefined,
      connect: (config, signal) => this.#connect(config, signal),
      admissionFor: options.admissionFor,
      clientInfo: { name: "exai", version: VERSION },
      log: (server, text) => this.#logs.append(server, text),
      daemonId: this.daemonId,
      onListChanged: () => this.#events.emit("listsChanged"),
      onProcessEvent: (...event) => this.#events.emit("processEvent", ...event),
      onServersChanged: (names) => this.#events.emit("serversChanged", names),
    });
    const { upstreamMemory, upstreamProcesses, upstreamMemoryLimitMib } = settings;
    this.#governor = new Governor({
      memoryBytes: upstreamMemory === "auto" ? Deno.systemMemoryInfo().total / 2 : upstreamMemory,
      processes: upstreamProcesses,
      memoryLimitBytes: upstreamMemoryLimitMib * MIB,
      usage: () => this.#host.usage(),
      servers: () => this.servers,
    });
    this.#governor.start();
  }

  /** Mounts the servers of the configuration at `paths.config`; they are started when they are needed. */
  static async open(
    settings: Settings,
    paths: StatePaths,
    options: ConfiguredMountsOptions,
  ): Promise<ConfiguredMounts> {
    const mounts = new ConfiguredMounts(settings, paths, options);
    const loginEnv = () => mounts.#host.loginEnv();
    const ownPort = settings.port || undefined;
    mounts.#watch = await watchServers(paths.config, (change) => mounts.#apply(change), {
      loginEnv,
      ownPort,
      secrets: options.secrets.punctual,
      databaseDir: paths.home,
    });
    mounts.#apply(mounts.#watch.current);
    return mounts;
  }

  get servers(): readonly MountedServer[] {
    return this.#mounts.servers;
  }

  /** The servers as windows see them. */
  get shown(): Server[] {
    return this.signIns.shown(this.servers);
  }

  /** Servers that were removed from the configuration or changed, while calls still run on them. */
  get retiring(): Iterable<MountedServer> {
    return this.#mounts.retiring;
  }

  /** Releases what removed servers hold for a session that has ended. */
  detach(caller: Caller): void {
    this.#mounts.detach(caller);
  }

  /** Memory and processes of each server's process tree, by the id of its root. */
  readonly usage = (): Promise<ReadonlyMap<number, TreeUsage>> => this.#host.usage();

  /** The process beside the daemon that ends servers if the daemon is killed, while there is one. */
  get guardPid(): number | undefined {
    return this.#host.guardPid;
  }

  /** What runs in place of a configured wrapper (`npx`), for people, by process id. */
  get programs(): ReadonlyMap<number, string> {
    return new Map(
      Array.from(this.#host.running).flatMap(({ pid, runs }) => runs === undefined ? [] : [[pid, runs]]),
    );
  }

  /** What the configuration says now: entries with a fault, servers that are switched off. */
  get configured(): ServersChange {
    return this.#watch!.current;
  }

  /** What is wrong with the servers, and which windows it concerns. */
  readonly troubles = new ServerTroubles({
    servers: () => this.servers,
    configured: () => this.configured,
    hadTool: (server, tool) =>
      this.names.historyOf("tools", tool).server === server ||
      this.#lists?.toolNames(server).includes(tool) === true,
  });

  /** Faults of the configuration and of servers that keep failing, each in a sentence. */
  faults(): string[] {
    return [
      ...this.configured.faults.map(formatFault),
      ...this.servers.flatMap(troublesOf),
      ...[this.#lists?.fault ?? [], this.#evidence?.fault ?? [], this.#savedNames.fault ?? []].flat(),
      ...[this.#governor.fault ?? []].flat(),
    ];
  }

  /** From now on the lists of servers of which none are kept are read once they are mounted. */
  async startReading(): Promise<void> {
    await Deno.mkdir(this.#probeDir, { recursive: true, mode: 0o700 }).catch(() => {});
    this.#isReading = true;
    this.#prepare();
  }

  #prepare(): void {
    if (!this.#isReading) return;
    clearTimeout(this.#readTimer);
    this.#readTimer = setTimeout(() => void this.#mounts.prepare(this.#probeDir), READ_DELAY_MS);
  }

  /** Reads the configuration now, with the secrets that there are. */
  async readAgain(): Promise<void> {
    await this.#watch?.reload();
  }

  /** Reads the configuration now, and resets the backoff of failing servers. */
  async reload(): Promise<ServersChange> {
    // Asking the login shell is slow, so it is asked again only for what it lacked.
    if (this.configured.faulty.some(({ faults }) => faults.some(({ unset }) => unset))) {
      this.#host.forgetLoginEnv();
    }
    const change = await this.#watch!.reload();
    this.#host.forgetPrograms();
    this.#mounts.resetBackoff();
    this.#prepare();
    return change;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#governor[Symbol.dispose]();
    clearTimeout(this.#readTimer);
    this.#isReading = false;
    await this.#watch?.[Symbol.asyncDispose]();
    await this.signIns[Symbol.asyncDispose]();
    await this.#mounts[Symbol.asyncDispose]();
    await this.#host[Symbol.asyncDispose]();
    await this.#logs[Symbol.asyncDispose]();
    this.#lists?.[Symbol.dispose]();
    this.#evidence?.[Symbol.dispose]();
    this.#savedNames[Symbol.dispose]();
  }

  async #connect(config: ServerConfig, signal: AbortSignal): Promise<UpstreamTransport> {
    return config.kind === "stdio" ? await this.#host.spawn(config, signal) : connectUrl(config, {
      maxMessageBytes: this.#maxMessageBytes,
      authorization: this.#secrets.authorizationOf(config, this.signIns.authorizationOf(config)),
    });
  }

  #apply(change: ServersChange): void {
    const before = this.toolSets;
    this.toolSets = toolSetsOf(change.clients);
    for (const fault of change.faults) log.error("{fault}", { fault: formatFault(fault) });
    for (const warning of change.warnings) log.warning("{warning}", { warning: formatFault(warning) });
    // Reading the environment of the login shell is slow; it is done before the first session needs it.
    if ([...change.servers.values()].some(({ kind }) => kind === "stdio")) void this.#host.loginEnv();
    const servers = Array.from(
      change.servers,
      ([name, config]) => ({ name, identity: serverIdentity(config) }),
    );
    const unmounted = [...change.disabled, ...change.faulty.map(({ name }) => name)];
    this.names.configure(servers, unmounted);
    this.#mounts.apply(change);
    this.#secrets.keepHelpersOf(change.servers);
    this.#prepare();
    this.#events.emit("toolSetsChanged", { before, now: this.toolSets });
    this.#events.emit("configurationRead");
  }
}

/** Faults of the processes of a server, each in a sentence. */
function troublesOf({ name, records }: MountedServer): string[] {
  return Array.from(records).flatMap((record) => {
    const { admission, where } = record;
    const faults = admission.fault === undefined ? [] : [admission.fault];
    const state = stateOfStopped(record);
    // A single failure is followed by an immediate restart and is not reported.
    if (!hasFailed(state) || state.failures < 2 || state.isCallersFault) return faults;
    const { failures, retryAt, lastError } = state;
    const which = where === undefined ? name : `${name} ${where}`;
    const until = retryAt.toISOString();
    return [
      `server ${which} failed ${failures} times in a row and rests until ${until}: ${lastError}`,
      ...faults,
    ];
  });
}
