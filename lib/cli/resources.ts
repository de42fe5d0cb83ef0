import { type StatePaths, volatileDir } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { ClockWatch } from "../observe/clock_watch.ts";
import { SqliteCallJournal } from "../store/call_journal.ts";
import type { PeerUsers } from "../transport/peer_user.ts";
import { CallDesk } from "./call_desk.ts";
import { openCallRecords } from "./call_records_file.ts";
import type { FrontDoors } from "./front_doors.ts";
import { ConfiguredMounts } from "./mounts.ts";
import { Notes, openClock } from "./notes.ts";
import { openOwnServer, type OwnServer } from "./own_server.ts";
import { StateFiles } from "./state_files.ts";
import { TokenKeeper } from "./token.ts";
import { sweepVolatileDirs } from "./volatile_sweep.ts";

/** What must be open before the daemon can be put together, and closed after it. */
export interface Resources {
  token: TokenKeeper;
  own: OwnServer;
  files: StateFiles;
  mounts: ConfiguredMounts;
  journal: SqliteCallJournal | undefined;
  desk: CallDesk;
  clock: ClockWatch;
  notes: Notes;
  front: FrontDoors;
  users: PeerUsers;
  stack: AsyncDisposableStack;
  /** What the databases call when something is the matter with them: health is to be written anew. */
  hooks: DatabaseHooks;
}

/** What the databases call: a fault has come or gone, a file was put aside. */
interface DatabaseHooks {
  onchange(): void;
  onaside(note: string): void;
}

/** Opens them, each to be closed by `stack`. */
export async function openResources(
  { settings, paths }: { settings: Settings; paths: StatePaths },
  { front, users, stack }: Pick<Resources, "front" | "users" | "stack">,
): Promise<Resources> {
  const files = stack.use(await StateFiles.open(paths, { maxBytes: settings.metricsMaxBytes }));
  const token = await TokenKeeper.open({
    setting: settings.token,
    path: paths.token,
    graceMs: settings.tokenGraceMs,
  });
  const notes = new Notes();
  const hooks: DatabaseHooks = {
    // Nobody keeps health before there is a daemon.
    onchange: () => {},
    onaside: (note) => {
      notes.addLasting(note);
      hooks.onchange();
    },
  };
  // As they stand then, not now.
  const late: DatabaseHooks = { onchange: () => hooks.onchange(), onaside: (note) => hooks.onaside(note) };
  const clock = stack.use(openClock());
  const own = stack.use(await openOwnServer(settings, paths, { clock, ...late }));
  const mounts = stack.use(await ConfiguredMounts.open(settings, paths, late));
  await sweepVolatileDirs(paths.home);
  const journal = openJournal(settings, paths, late);
  if (journal) stack.use(journal);
  const calls = openCallRecords(settings, paths, { now: clock.now, ...late });
  if (calls) stack.use(calls);
  const desk = new CallDesk({ store: calls, maxBodyChars: settings.callsBodyMaxBytes });
  return { token, own, files, mounts, journal, desk, clock, notes, front, users, stack, hooks };
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
