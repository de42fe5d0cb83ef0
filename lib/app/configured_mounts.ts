import { getLogger } from "@logtape/logtape";
import { join } from "@std/path";
import type { ServerConfig } from "../config/server_config.ts";
import { MIB } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { Caller } from "../call/call.ts";
import type { StatePaths } from "../config/paths.ts";
import { type ConfigFault, formatFault } from "../config/servers.ts";
import { type ServersChange, type ServersWatch, watchServers } from "../config/servers_watch.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { SqliteServerLists } from "../state/saved_lists.ts";
import { type ToolSets, toolSetsOf } from "../router/tool_set.ts";
import { Governor } from "../process/governor.ts";
import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import type { MountedServer } from "../upstream/mounted_server.ts";
import { Mounts } from "../upstream/mounts.ts";
import { ProcessHost } from "../process/process_host.ts";
import type { AdmissionFor } from "../upstream/process_records.ts";
import { connectUrl } from "../remote/url_transport.ts";
import { RotatingFile } from "../state/rotating_file.ts";

const log = getLogger(["exai", "config"]);

interface ConfiguredMountsOptions extends DatabaseEvents {
  /** Decides when calls may run on each process; left out: at once. */
  admissionFor?: AdmissionFor;
}

/** A server may send messages of this size, however small those of clients must be. */
const MIN_MESSAGE_BYTES = 4 * MIB;

/** The mounted servers as `mcp.json` has them, now and whenever it changes. */
export class ConfiguredMounts implements AsyncDisposable {
  /** The lists of some server have changed; set by whoever shows them. */
  onListChanged = () => {};
  /** The servers of these names have come, gone or changed; set by whoever shows them. */
  onServersChanged = (_names: readonly string[]) => {};
  /** Which tools clients see has changed; set by whoever shows them. */
  onToolSetsChanged = (_before: ToolSets) => {};
  /** Which tools clients see. */
  toolSets: ToolSets = toolSetsOf([]);
  /** By which this daemon is known to what it starts and reaches; another at each start. */
  readonly daemonId = crypto.randomUUID();
  readonly #mounts: Mounts;
  readonly #host: ProcessHost;
  readonly #logs: ServerLogs;
  readonly #maxMessageBytes: number;
  readonly #lists: SqliteServerLists | undefined;
  readonly #governor: Governor;
  #watch: ServersWatch | undefined;
  #faults: readonly ConfigFault[] = [];

  private constructor(settings: Settings, paths: StatePaths, hooks: ConfiguredMountsOptions) {
    // A larger message could not be passed on to a client; what a server says of itself must fit all the same.
    this.#maxMessageBytes = Math.max(settings.maxFrameBytes, MIN_MESSAGE_BYTES);
    this.#logs = new ServerLogs(paths.logs, settings.metricsMaxBytes);
    this.#host = new ProcessHost({
      env: Deno.env.toObject(),
      log: (server, text) => this.#logs.append(server, text),
      limits: { maxLineBytes: this.#maxMessageBytes },
    });
    this.#lists = settings.keepLists ? new SqliteServerLists(paths.lists, hooks) : undefined;
    this.#mounts = new Mounts({
      lists: this.#lists,
      connect: (config) => this.#connect(config),
      admissionFor: hooks.admissionFor,
      clientInfo: { name: "exai", version: VERSION },
      log: (server, text) => this.#logs.append(server, text),
      daemonId: this.daemonId,
      onListChanged: () => this.onListChanged(),
      onServersChanged: (names) => this.onServersChanged(names),
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

  /** Mounts what the configuration at `paths.config` names; servers are started when they are needed. */
  static async open(
    settings: Settings,
    paths: StatePaths,
    hooks: ConfiguredMountsOptions = {},
  ): Promise<ConfiguredMounts> {
    const mounts = new ConfiguredMounts(settings, paths, hooks);
    const loginEnv = () => mounts.#host.loginEnv();
    const ownPort = settings.port || undefined;
    mounts.#watch = await watchServers(paths.config, (change) => mounts.#apply(change), {
      loginEnv,
      ownPort,
      databaseDir: paths.home,
    });
    mounts.#apply(mounts.#watch.current);
    return mounts;
  }

  get servers(): readonly MountedServer[] {
    return this.#mounts.servers;
  }

  /** Servers that were taken out of the configuration or changed there, while something runs on them. */
  get retiring(): Iterable<MountedServer> {
    return this.#mounts.retiring;
  }

  /** A session is over: servers that are on their way out keep nothing for it any more. */
  detach(caller: Caller): void {
    this.#mounts.detach(caller);
  }

  /** Memory of each server's process and all it has started, in bytes, by process id. */
  async memory(): Promise<ReadonlyMap<number, number>> {
    const usage = await this.#host.usage();
    return new Map(Array.from(usage, ([pid, { memoryBytes }]) => [pid, memoryBytes]));
  }

  /** What is wrong with the configuration and with servers that keep failing, each in a sentence. */
  faults(): string[] {
    return [
      ...this.#faults.map(formatFault),
      ...this.servers.flatMap(troublesOf),
      ...[this.#lists?.fault ?? []].flat(),
      ...[this.#governor.fault ?? []].flat(),
    ];
  }

  /** Reads the configuration now; servers that rest because they kept failing may start again at once. */
  async reload(): Promise<ServersChange> {
    const change = await this.#watch!.reload();
    this.#mounts.forgive();
    return change;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#governor[Symbol.dispose]();
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#mounts[Symbol.asyncDispose]();
    await this.#host[Symbol.asyncDispose]();
    await this.#logs[Symbol.asyncDispose]();
    this.#lists?.[Symbol.dispose]();
  }

  async #connect(config: ServerConfig): Promise<UpstreamTransport> {
    return config.kind === "stdio" ? await this.#host.spawn(config) : connectUrl(config, {
      maxMessageBytes: this.#maxMessageBytes,
    });
  }

  #apply(change: ServersChange): void {
    const before = this.toolSets;
    this.toolSets = toolSetsOf(change.clients);
    this.#faults = change.faults;
    for (const fault of change.faults) log.error("{fault}", { fault: formatFault(fault) });
    for (const warning of change.warnings) log.warning("{warning}", { warning: formatFault(warning) });
    // The login shell takes its time; the first window need not wait for it.
    if ([...change.servers.values()].some(({ kind }) => kind === "stdio")) void this.#host.loginEnv();
    this.#mounts.apply(change);
    this.onToolSetsChanged(before);
  }
}

/** What is wrong with the processes of a server, each in a sentence. */
function troublesOf({ name, records }: MountedServer): string[] {
  return Array.from(records).flatMap(({ supervisor: { trouble }, admission, where }) => {
    const faults = admission.fault === undefined ? [] : [admission.fault];
    // One that has failed once is started again at once, which is not worth a mention.
    if (!trouble || trouble.failures < 2 || trouble.isCallersFault) return faults;
    const { failures, retryAt, lastError } = trouble;
    const which = where === undefined ? name : `${name} ${where}`;
    const until = retryAt.toISOString();
    return [
      `server ${which} failed ${failures} times in a row and rests until ${until}: ${lastError}`,
      ...faults,
    ];
  });
}

/** What the servers write to stderr: a rotated file for each in the directory of the logs. */
class ServerLogs implements AsyncDisposable {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #files = new Map<string, RotatingFile>();

  constructor(dir: string, maxBytes: number) {
    this.#dir = dir;
    this.#maxBytes = maxBytes;
  }

  append(server: string, text: string): void {
    let file = this.#files.get(server);
    if (!file) {
      file = new RotatingFile(join(this.#dir, `server-${server}.log`), { maxBytes: this.#maxBytes });
      this.#files.set(server, file);
    }
    file.append(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#files.values(), (file) => file[Symbol.asyncDispose]()));
  }
}
