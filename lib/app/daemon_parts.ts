import { type StatePaths, volatileDir } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { ClockWatch } from "../observe/clock_watch.ts";
import { SqliteCallJournal } from "../state/call_journal.ts";
import type { HandleBudget } from "../edge/handle_budget.ts";
import type { PeerUsers } from "../transport/peer_user.ts";
import { Admissions } from "./admissions.ts";
import { CallControl } from "../admin/call_control.ts";
import { openCallRecords } from "../state/call_records.ts";
import type { Listeners } from "../edge/listeners.ts";
import type { HomeLock } from "../state/home_lock.ts";
import type { DatabaseEvents } from "../state/resilient_database.ts";
import { ConfiguredMounts } from "./configured_mounts.ts";
import { Notes, openClock } from "../observe/notes.ts";
import { openOwnServer, type OwnServer } from "./own_server.ts";
import { StateFiles } from "../state/state_files.ts";
import { TokenKeeper } from "../edge/token.ts";
import { sweepSockets, sweepVolatileDirs } from "../state/volatile_sweep.ts";

/** What must be open before the daemon can be put together, and closed after it. */
export interface DaemonParts {
  lock: HomeLock;
  token: TokenKeeper;
  own: OwnServer;
  files: StateFiles;
  mounts: ConfiguredMounts;
  journal: SqliteCallJournal | undefined;
  desk: CallControl;
  clock: ClockWatch;
  notes: Notes;
  front: Listeners;
  users: PeerUsers;
  handles: HandleBudget;
  admissions: Admissions;
  stack: AsyncDisposableStack;
  /** Told when something is the matter with a file or with handles: health is to be written anew. */
  health: { changed(): void };
}

/** What is open before the databases are. */
type Opened = Pick<DaemonParts, "lock" | "front" | "users" | "handles" | "health" | "stack">;

/** Opens them, each to be closed by `stack`. */
export async function openParts(
  { settings, paths }: { settings: Settings; paths: StatePaths },
  opened: Opened,
): Promise<DaemonParts> {
  const { health, stack } = opened;
  const files = stack.use(await StateFiles.open(paths, { maxBytes: settings.metricsMaxBytes }));
  const token = await TokenKeeper.open({
    setting: settings.token,
    path: paths.token,
    graceMs: settings.tokenGraceMs,
  });
  const notes = new Notes();
  const hooks: Required<DatabaseEvents> = {
    onchange: () => health.changed(),
    onquarantine: (note) => {
      notes.addLasting(note);
      health.changed();
    },
  };
  // What a daemon left that was killed while git ran.
  await Deno.remove(paths.git, { recursive: true }).catch(() => {});
  const clock = stack.use(openClock());
  const own = stack.use(await openOwnServer(settings, paths, { clock, ...hooks }));
  const admissions = new Admissions(settings, hooks.onchange);
  const { ofProcess: admissionFor } = admissions;
  const mounts = stack.use(await ConfiguredMounts.open(settings, paths, { ...hooks, admissionFor }));
  await sweepVolatileDirs(paths.home);
  await sweepSockets(paths.home);
  const journal = openJournal(settings, paths, hooks);
  if (journal) stack.use(journal);
  const calls = openCallRecords(settings, paths, { now: clock.now, ...hooks });
  if (calls) stack.use(calls);
  const desk = new CallControl({ store: calls, maxBodyChars: settings.callsBodyMaxBytes });
  return { ...opened, token, own, files, mounts, journal, desk, clock, notes, admissions };
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
