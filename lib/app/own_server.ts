import { VERSION } from "../base/version.ts";
import type { Whereabouts } from "../call/call.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { openThreadStore } from "../state/sqlite_thread_store.ts";
import type { ThreadStore } from "../state/thread_store.ts";
import type { ClockWatch } from "../observe/clock_watch.ts";
import type { ProviderStatus } from "../provider/status.ts";
import type { ModelRouter } from "../provider/routing.ts";
import { createExaiServer, type ExaiServer } from "../tool/exai_server.ts";
import type { ToolHost } from "../tool/host.ts";
import { REVISIONS } from "../wire/mcp.ts";
import type { Observation } from "../admin/observation.ts";
import { ConfiguredModels } from "./model_providers.ts";
import { UserTools } from "../user_tools/user_tools.ts";
import { sessionWorkspaces } from "../workspace/session_workspace.ts";

/** EXAI's own tools, those the user has written, and the threads they remember. */
export interface OwnServer extends AsyncDisposable {
  readonly server: ExaiServer;
  readonly toolNames: readonly string[];
  /** Names of the tools the user has written. */
  readonly userToolNames: readonly string[];
  /** The tools on offer have changed; set by whoever shows them. */
  onToolsChanged: () => void;
  /** Says what watches the daemon; its tools show it. Called before the first call. */
  observe(observation: ToolObservation): void;
  /** What is wrong with the files that configure the tools, each in a sentence. */
  faults(): string[];
  /** The providers of models, and how they fare. */
  providers(): readonly ProviderStatus[];
  /** The threads its tools remember. */
  readonly threads: ThreadStore;
  /** Reads those files now. */
  reload(): Promise<void>;
}

/** What the tools show of the daemon. */
type ToolObservation = Pick<Observation, "health" | "recorder" | "startedAt" | "changed">;

/** What the server is told and tells while it runs. */
interface OwnServerOptions extends DatabaseEvents {
  clock?: Pick<ClockWatch, "now">;
}

/** Opens the server of EXAI's own tools. A database of threads that cannot be used is a fault of it, not an error. */
export async function openOwnServer(
  settings: Settings,
  paths: StatePaths,
  { clock, onchange, onquarantine }: OwnServerOptions = {},
): Promise<OwnServer> {
  const threads = openThreads(settings, paths, { clock, onchange, onquarantine });
  const configured = await ConfiguredModels.open(settings, paths);
  const models = configured.router;
  const host = new DaemonHost(models);
  const { disabledTools, leanMode, allowedDirs } = settings;
  const openWorkspace = sessionWorkspaces({ allowedDirs, deniedDirs: [paths.home], gitDir: paths.git });
  let offerUserTools = () => {};
  const onUserTools = () => offerUserTools();
  const userTools = await UserTools.open(paths.tools, { databaseDir: paths.home, onchange: onUserTools });
  const server = createExaiServer({
    host,
    threads,
    models,
    openWorkspace,
    disabledTools,
    leanMode,
    userTools: userTools.tools,
  });
  offerUserTools = () => {
    server.setUserTools(userTools.tools);
    own.onToolsChanged();
    host.observation?.changed();
  };
  const own: OwnServer = {
    server,
    get toolNames() {
      return server.toolNames;
    },
    get userToolNames() {
      return userTools.tools.map(({ name }) => name);
    },
    onToolsChanged: () => {},
    observe: (observation) => {
      host.observation = observation;
      configured.onChanged = () => observation.changed();
    },
    providers: () => models.status(),
    threads,
    faults: () => [
      ...(threads.fault === undefined ? [] : [threads.fault]),
      ...configured.faults(),
      ...userTools.faults(),
      ...models.status().flatMap(restOf),
    ],
    reload: async () => {
      await Promise.all([configured.reload(), userTools.reload()]);
    },
    [Symbol.asyncDispose]: async () => {
      await userTools[Symbol.asyncDispose]();
      await configured[Symbol.asyncDispose]();
      threads[Symbol.dispose]();
    },
  };
  return own;
}

function openThreads(
  settings: Settings,
  { database }: StatePaths,
  { clock, onchange, onquarantine }: OwnServerOptions,
): ReturnType<typeof openThreadStore> {
  return openThreadStore({
    path: database,
    timeoutMs: settings.conversationTimeoutMs,
    now: clock?.now,
    maxTurns: settings.maxConversationTurns,
    onchange,
    onquarantine,
  });
}

/** A provider that keeps failing is left alone for a while. */
function restOf({ name, reason, restsForMs }: ProviderStatus): string[] {
  return restsForMs === undefined ? [] : [`provider ${name} is not asked: ${reason}`];
}

class DaemonHost implements ToolHost {
  readonly version = VERSION;
  readonly runtime = `deno ${Deno.version.deno}`;
  readonly pid = Deno.pid;
  readonly revisions = REVISIONS;
  observation: ToolObservation | undefined;
  readonly #models: ModelRouter;

  constructor(models: ModelRouter) {
    this.#models = models;
  }

  get startedAtMs() {
    return this.observation?.startedAt.getTime() ?? Date.now();
  }

  health() {
    return this.observation?.health() ?? {};
  }

  async recentErrors(caller: Whereabouts, maxLines: number) {
    return await this.observation?.recorder.recentErrors(await caller.identity(), maxLines) ?? [];
  }

  async activity(caller: Whereabouts, maxLines: number) {
    return await this.observation?.recorder.activity(await caller.identity(), maxLines) ?? [];
  }

  providers() {
    return this.#models.status();
  }

  providersListed(maxAgeMs: number) {
    return this.#models.listed(maxAgeMs);
  }

  refreshProviders() {
    return this.#models.refresh();
  }
}
