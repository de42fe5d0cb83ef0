import { type StatePaths, volatileDir } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { ClockMonitor } from "../observe/clock_monitor.ts";
import { SqliteCallJournal } from "../state/call_journal.ts";
import type { HandleBudget } from "../edge/handle_budget.ts";
import type { PeerUsers } from "../transport/peer_user.ts";
import { Admissions } from "./admissions.ts";
import { CallControl } from "../admin/call_control.ts";
import { openCallRecords } from "../state/call_records_file.ts";
import type { Listeners } from "../edge/listeners.ts";
import type { HomeLock } from "../state/home_lock.ts";
import { ConfiguredMounts } from "./configured_mounts.ts";
import { HealthNotes, openClock } from "../observe/health_notes.ts";
import { openOwnServer, type OwnServer } from "./own_server.ts";
import { StateFiles } from "../state/state_files.ts";
import { TokenStore } from "../edge/token.ts";
import { sweepSockets, sweepVolatileDirs } from "../state/volatile_sweep.ts";

/** What must be open before the daemon can be put together, and closed after it. */
export interface DaemonParts {
  lock: HomeLock;
  token: TokenStore;
  own: OwnServer;
  files: StateFiles;
  mounts: ConfiguredMounts;
  journal: SqliteCallJournal | undefined;
  callControl: CallControl;
  clock: ClockMonitor;
  notes: HealthNotes;
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

/** What the databases call: a fault has come or gone, a file was put aside. */
interface DatabaseHooks {
  onchange(): void;
  onaside(note: string): void;
}

/** Opens them, each to be closed by `stack`. */
export async function openParts(
  { settings, paths }: { settings: Settings; paths: StatePaths },
  opened: Opened,
): Promise<DaemonParts> {
  const { health, stack } = opened;
  const files = stack.use(await StateFiles.open(paths, { maxBytes: settings.metricsMaxBytes }));
  const token = await TokenStore.open({
    setting: settings.token,
    path: paths.token,
    graceMs: settings.tokenGraceMs,
  });
  const notes = new HealthNotes();
  const hooks: DatabaseHooks = {
    onchange: () => health.changed(),
    onaside: (note) => {
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
  const callControl = new CallControl({ store: calls, maxBodyChars: settings.callsBodyMaxBytes });
  return { ...opened, token, own, files, mounts, journal, callControl, clock, notes, admissions };
}

function openJournal(
  settings: Settings,
  paths: StatePaths,
  hooks: DatabaseHooks,
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
