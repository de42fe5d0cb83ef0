import { getLogger } from "@logtape/logtape";
import { CALLS_SERVER } from "../admission/await_call.ts";
import { CallControl } from "../admin/call_control.ts";
import { Telemetry } from "../admin/telemetry.ts";
import { messageOf } from "../base/errors.ts";
import type { Server } from "../call/server.ts";
import { type StatePaths, volatileDir } from "../config/paths.ts";
import type { ProgramSettings, SettingsLoader } from "../config/program_settings.ts";
import type { Settings } from "../config/settings.ts";
import { HandleBudget } from "../edge/handle_budget.ts";
import { StartupQueue } from "../edge/startup_queue.ts";
import { TokenStore } from "../edge/token.ts";
import { checkPeers } from "../edge/exposure.ts";
import { ClockMonitor } from "../observe/clock_monitor.ts";
import { HealthNotes } from "../observe/health_notes.ts";
import { STATE_KEY_BYTES } from "../round_trips/state_seal.ts";
import { SqliteCallJournal } from "../state/call_journal.ts";
import { openCallRecords } from "../state/call_records.ts";
import { HomeLock } from "../state/home_lock.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { ensureStateDir, StateFiles } from "../state/state_files.ts";
import { SqliteTaskStore } from "../state/task_store.ts";
import { keptStateKey } from "../state/state_key.ts";
import { SqliteUsedStateStore } from "../state/used_state_store.ts";
import { sweepSockets, sweepVolatileDirs } from "../state/volatile_sweep.ts";
import { Tracing } from "../tracing/tracing.ts";
import { PeerUsers } from "../transport/peer_user.ts";
import { Admissions } from "./admissions.ts";
import { ConfiguredMounts } from "./configured_mounts.ts";
import { DaemonEvents } from "./daemon_events.ts";
import { DaemonSecrets, openVault } from "./daemon_secrets.ts";
import { LiveSettings } from "./live_settings.ts";
import { openListeners } from "./open_listeners.ts";
import { openOwnServer } from "./own_server.ts";

const log = getLogger(["exai", "daemon"]);

/** What a daemon is started with. */
export interface DaemonOptions {
  settings: Settings;
  paths: StatePaths;
  /** Additional servers, for tests. */
  servers?: readonly Server[];
  /** Faults of what was set up before the daemon, such as its log file, each in a sentence. */
  faults?: () => string[];
  /** Notes about earlier daemons, each in a sentence. */
  notes?: () => readonly string[];
  /** Where the settings come from, to be read again while the daemon runs; left out: they stay as they are. */
  source?: { reader: SettingsLoader; started: ProgramSettings };
  /** Called when a setting has changed. */
  onSettings?(settings: Settings): void;
  /** The lock of the state directory, which the caller releases; left out: the daemon locks it itself. */
  lock?: HomeLock;
}

/**
 * Everything a daemon needs open before its sessions and its router can be made, each closed by `stack`. The order
 * matters: the lock of the state directory, then the address, and only then the databases, which a second daemon must
 * not touch.
 *
 * @throws {ExaiError} `CONFIG`, with what to do: another daemon has the state directory, the address is taken
 */
export async function openParts(options: DaemonOptions, stack: AsyncDisposableStack) {
  const listening = await openDoors(options, stack);
  const storage = await openStorage(options, listening, stack);
  const open = { ...listening, ...storage };
  return { ...open, ...await openServers(options, open, stack) };
}

export type DaemonParts = Awaited<ReturnType<typeof openParts>>;

type OpenListeners = Awaited<ReturnType<typeof openDoors>>;
type OpenStorage = Awaited<ReturnType<typeof openStorage>>;

/** The right to the state directory, and the addresses; requests wait in `startup` until the daemon can answer. */
async function openDoors({ settings, paths, ...given }: DaemonOptions, stack: AsyncDisposableStack) {
  await ensureStateDir(paths);
  const lock = given.lock ?? stack.use(await takeHome(paths));
  const users = stack.use(await PeerUsers.open());
  await checkPeers(settings, users);
  const events = new DaemonEvents();
  const onChange = () => void events.emit("healthChanged");
  const handles = stack.use(HandleBudget.forProcess(onChange));
  const startup = new StartupQueue();
  const listeners = stack.use(
    await openListeners({ settings, paths, handler: startup.handle, handles, onChange }),
  );
  // Disposed before the listeners, which wait for the requests that wait in it.
  stack.use(startup);
  return { paths, lock, users, events, handles, startup, listeners };
}

/** The files and databases of the state directory. */
async function openStorage(
  { settings, paths }: DaemonOptions,
  { events }: OpenListeners,
  stack: AsyncDisposableStack,
) {
  const files = stack.use(await StateFiles.open(paths, { maxBytes: settings.metricsMaxBytes }));
  const token = await TokenStore.open({
    setting: settings.token,
    path: paths.token,
    graceMs: settings.tokenGraceMs,
  });
  const stateKey = await keptStateKey(paths.stateKey, STATE_KEY_BYTES);
  const notes = new HealthNotes();
  const clock = stack.use(ClockMonitor.ofSystem());
  const hooks: Required<DatabaseEvents> = {
    onChange: () => void events.emit("healthChanged"),
    onQuarantine: (note) => {
      notes.addLasting(note);
      events.emit("healthChanged");
    },
  };
  // Left by a daemon that was killed while git ran.
  await Deno.remove(paths.git, { recursive: true }).catch(() => {});
  await sweepVolatileDirs(paths.home);
  await sweepSockets(paths.home);
  const journal = openJournal(settings, paths, hooks);
  if (journal) stack.use(journal);
  const tasks = stack.use(new SqliteTaskStore(paths.tasks, hooks));
  const usedStates = stack.use(new SqliteUsedStateStore(paths.usedStates, hooks));
  const records = openCallRecords(settings, paths, { now: clock.now, ...hooks });
  if (records) stack.use(records);
  const calls = new CallControl({ store: records, maxBodyChars: settings.callsBodyMaxBytes });
  return { files, token, stateKey, notes, clock, hooks, journal, tasks, usedStates, calls };
}

/** EXAI's own tools and the mounted servers, with what observes and admits their calls. */
async function openServers(
  options: DaemonOptions,
  { events, listeners, files, token, calls, clock, hooks }: OpenListeners & OpenStorage,
  stack: AsyncDisposableStack,
) {
  const { settings, paths } = options;
  const telemetry = new Telemetry({ files, calls, address: listeners.url });
  const tracing = stack.use(await Tracing.open(settings, options.source?.started.meant ?? new Set()));
  telemetry.register(tracing);
  events.on("settingsChanged", (changed) => tracing.setSettings(changed));
  const vault = openVault(settings, paths, hooks);
  const secrets = stack.use(
    new DaemonSecrets({
      vault,
      settings,
      paths,
      commands: options.source?.started.file.secrets ?? new Map(),
    }),
  );
  const own = stack.use(
    await openOwnServer(settings, paths, { clock, telemetry, events, secrets: secrets.punctual, ...hooks }),
  );
  const admissions = new Admissions(settings, hooks.onChange);
  const { ofProcess: admissionFor } = admissions;
  const live = options.source && stack.use(await openLive(options.source, options, { events, token }));
  const mounts = stack.use(
    await ConfiguredMounts.open(
      { ...settings, port: listeners.insteadOfPort === undefined ? settings.port : listeners.port },
      paths,
      {
        events,
        admissionFor,
        ownServers: [own.server.name, CALLS_SERVER],
        accounts: secrets.accounts,
        secrets,
        ...hooks,
      },
    ),
  );
  secrets.onChange = () => void Promise.all([live?.reload(), mounts.readAgain(), own.reload()]);
  if (options.source) readSecretSettings(options.source, secrets, live);
  const recording = [...tracing.policies, telemetry.policy];
  return { telemetry, recording, own, admissions, mounts, live, secrets };
}

/**
 * Has the settings read again with the secrets they name. Only now: a keychain may ask its user, and a program that gives one
 * takes its time, while the first window waits for the daemon.
 */
function readSecretSettings(
  { reader, started }: NonNullable<DaemonOptions["source"]>,
  secrets: DaemonSecrets,
  live: LiveSettings | undefined,
): void {
  reader.secrets = secrets.reader;
  if (started.file.awaitsSecrets) void live?.reload();
}

function openLive(
  { reader, started }: NonNullable<DaemonOptions["source"]>,
  { paths, onSettings }: DaemonOptions,
  { events, token }: { events: DaemonEvents; token: TokenStore },
): Promise<LiveSettings> {
  return LiveSettings.open(reader, started, {
    databaseDir: paths.home,
    onChange: (settings) => {
      onSettings?.(settings);
      token.configure(settings.token).catch((thrown) => log.error("{reason}", { reason: messageOf(thrown) }));
      events.emit("settingsChanged", settings);
    },
  });
}

/** @throws {ExaiError} `CONFIG` when another process has it */
async function takeHome(paths: StatePaths): Promise<HomeLock> {
  return await HomeLock.take(paths, 0);
}

function openJournal(
  settings: Settings,
  paths: StatePaths,
  hooks: DatabaseEvents,
): SqliteCallJournal | undefined {
  if (!settings.journal) return undefined;
  const { journalMaxAgeMs: maxAgeMs, journalMaxBytes: maxChars } = settings;
  return new SqliteCallJournal({
    path: paths.journal,
    tailDir: volatileDir(paths.home),
    maxAgeMs,
    maxChars,
    ...hooks,
  });
}
