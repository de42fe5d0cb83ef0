import type { Agents } from "../agent/agents.ts";
import { VERSION } from "../base/version.ts";
import type { Caller, Whereabouts } from "../call/call.ts";
import { type StatePaths, userHome } from "../config/paths.ts";
import { realPath } from "../config/real_path.ts";
import type { SecretReader } from "../config/secrets.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { SqliteSpendingRecords } from "../state/spending_records.ts";
import { openThreadStore } from "../state/sqlite_thread_store.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import type { ClockMonitor } from "../observe/clock_monitor.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import type { SpendingLedger } from "../provider/spending.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import { createExaiServer, type ExaiServer } from "../tool/exai_server.ts";
import type { ToolHost } from "../tool/host.ts";
import type { ToolsMode } from "../tool/window_tools.ts";
import { REVISIONS } from "../wire/mcp.ts";
import type { Telemetry } from "../admin/telemetry.ts";
import type { DaemonEvents } from "./daemon_events.ts";
import { ConfiguredAgents } from "./configured_agents.ts";
import { ConfiguredModels } from "./model_providers.ts";
import { choiceNotes, modelDefaultsOf } from "./model_choice.ts";
import { ModelPresence } from "./model_presence.ts";
import { windowModes } from "./window_modes.ts";
import { UserTools } from "../user_tools/user_tools.ts";
import { sessionWorkspaces } from "../workspace/session_workspace.ts";
import type { OpenWorkspace } from "../workspace/workspace.ts";

/** EXAI's own tools, those the user has written, and their threads. */
export interface OwnServer extends AsyncDisposable {
  readonly server: ExaiServer;
  readonly toolNames: readonly string[];
  /** Names of the tools the user has written. */
  readonly userToolNames: readonly string[];
  /** Faults of the configuration of the tools, each in a sentence. */
  faults(): string[];
  /** What is worth knowing of their configuration and needs no action, each in a sentence. */
  notes(): string[];
  /** The model providers and their state. */
  providers(): readonly ProviderStatus[];
  /** The threads of its tools. */
  readonly threads: ThreadStore;
  /** Reads the configuration now. */
  reload(): Promise<void>;
}

interface OwnServerOptions extends DatabaseEvents {
  clock: Pick<ClockMonitor, "now">;
  /** What the tools show of the daemon. */
  telemetry: Pick<Telemetry, "activity" | "health" | "startedAt">;
  events: DaemonEvents;
  /** Gives the secrets that `models.json` names. */
  secrets?: SecretReader;
}

/** Opens the server of EXAI's own tools. An unusable database is reported as a fault and does not throw. */
export async function openOwnServer(
  settings: Settings,
  paths: StatePaths,
  options: OwnServerOptions,
): Promise<OwnServer> {
  const { telemetry, events, secrets } = options;
  const threads = openThreads(settings, paths, options);
  const spending = new SqliteSpendingRecords(paths.spending, options);
  const configured = await openModels(settings, paths, { events, secrets, ledger: spending });
  const models = configured.router;
  const clink = await ConfiguredAgents.open(paths);
  const userTools = await UserTools.open(paths.tools, {
    databaseDir: paths.home,
    onChange: (tools) => events.emit("userToolsChanged", tools),
  });
  const server = createExaiServer({
    host: new DaemonHost(models, telemetry),
    threads,
    models,
    agents: clink.agents,
    openWorkspace: openWorkspaces(settings, paths),
    disabledTools: settings.disabledTools,
    leanMode: settings.leanMode,
    modeOf: modeOf(settings),
    userTools: userTools.tools,
    modelDefaults: () => modelDefaultsOf(configured.settings),
  });
  const presence = watchPresence(settings, models, { agents: clink.agents, server, events });
  events.on("userToolsChanged", (tools) => {
    server.setUserTools(tools);
    events.emit("serversChanged", [server.name]);
    events.emit("healthChanged");
  });
  return {
    server,
    get toolNames() {
      return server.toolNames;
    },
    get userToolNames() {
      return userTools.tools.map(({ name }) => name);
    },
    providers: () => models.status(),
    threads,
    faults: () => [
      ...[threads.fault, spending.fault].filter((fault) => fault !== undefined),
      ...configured.faults(),
      ...clink.faults(),
      ...userTools.faults(),
      ...models.status().flatMap(breakerFault),
    ],
    notes: () => choiceNotes(configured.settings, { models, toolNames: server.toolNames }),
    reload: async () => void await Promise.all([configured, clink, userTools].map((part) => part.reload())),
    [Symbol.asyncDispose]: async () => {
      presence?.[Symbol.dispose]();
      for (const part of [userTools, clink, configured]) await part[Symbol.asyncDispose]();
      for (const part of [threads, spending]) part[Symbol.dispose]();
    },
  };
}

function openWorkspaces({ allowedDirs }: Settings, { home, git }: StatePaths): OpenWorkspace {
  return sessionWorkspaces({ allowedDirs, deniedDirs: [home], gitDir: git });
}

async function openModels(
  settings: Settings,
  paths: StatePaths,
  { events, ...parts }: { events: DaemonEvents; ledger: SpendingLedger; secrets?: SecretReader },
): Promise<ConfiguredModels> {
  const models = await ConfiguredModels.open(settings, paths, {
    onChange: () => events.emit("modelsChanged"),
    ...parts,
  });
  events.on("settingsChanged", (changed) => models.setSettings(changed));
  return models;
}

/** Which of the tools each window sees, by the setting `exai`. */
function modeOf({ ownTools }: Settings): (caller: Caller) => ToolsMode {
  const modes = windowModes(ownTools, { home: userHome(), realPath });
  return ({ client, cwd }) => modes({ client: client?.name, cwd });
}

/** Lists of windows in the mode `auto` change when a model comes or goes. */
function watchPresence(
  { ownTools }: Settings,
  models: ModelRouter,
  { agents, server, events }: { agents: Agents; server: ExaiServer; events: DaemonEvents },
): ModelPresence | undefined {
  if (!ownTools.some(({ mode }) => mode === "auto")) return undefined;
  const presence = new ModelPresence(models, {
    agents,
    onTurn: () => events.emit("serversChanged", [server.name]),
  });
  events.on("modelsChanged", () => presence.check());
  return presence;
}

function openThreads(
  settings: Settings,
  { database }: StatePaths,
  { clock, onChange, onQuarantine }: Pick<OwnServerOptions, "clock" | "onChange" | "onQuarantine">,
): ReturnType<typeof openThreadStore> {
  return openThreadStore({
    path: database,
    timeoutMs: settings.conversationTimeoutMs,
    now: clock.now,
    maxTurns: settings.maxConversationTurns,
    onChange,
    onQuarantine,
  });
}

/** The fault of a provider whose breaker is open. */
function breakerFault({ name, reason, circuitOpenForMs }: ProviderStatus): string[] {
  return circuitOpenForMs === undefined ? [] : [`provider ${name} is not asked: ${reason}`];
}

class DaemonHost implements ToolHost {
  readonly version = VERSION;
  readonly runtime = `deno ${Deno.version.deno}`;
  readonly pid = Deno.pid;
  readonly revisions = REVISIONS;
  readonly #models: ModelRouter;
  readonly #telemetry: OwnServerOptions["telemetry"];

  constructor(models: ModelRouter, telemetry: OwnServerOptions["telemetry"]) {
    this.#models = models;
    this.#telemetry = telemetry;
  }

  get startedAtMs() {
    return this.#telemetry.startedAt.getTime();
  }

  health() {
    return this.#telemetry.health();
  }

  async recentErrors(caller: Whereabouts, maxLines: number) {
    return await this.#telemetry.activity.recentErrors(await caller.identity(), maxLines);
  }

  async activity(caller: Whereabouts, maxLines: number) {
    return await this.#telemetry.activity.calls(await caller.identity(), maxLines);
  }

  providers() {
    return this.#models.status();
  }

  ensureProvidersFresh(maxAgeMs: number) {
    return this.#models.ensureFresh(maxAgeMs);
  }

  refreshProviders() {
    return this.#models.refresh();
  }
}
