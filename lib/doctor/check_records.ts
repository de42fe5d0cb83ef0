import type { StatePaths } from "../config/paths.ts";
import { describeUncleanExit } from "../state/crash_reports.ts";
import { type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** How the file of every SQLite database begins (sqlite.org/fileformat2.html, 1.3). */
const HEADER = "SQLite format 3\0";

/** What the daemons before this one have left: reports of crashes, databases that could not be read. */
export async function checkRecords({ paths, daemon }: Installation): Promise<Finding[]> {
  const isStopped = (await daemon).is === "stopped";
  const killed = isStopped ? await describeUncleanExit(paths.health) : [];
  const foreign = isStopped ? await notDatabases(paths) : [];
  const list = (dir: string) =>
    Array.fromAsync(Deno.readDir(dir), ({ name }) => name).catch((): string[] => []);
  const crashes = (await list(paths.crashes)).filter((name) => /^crash-.*\.json$/.test(name)).sort();
  const damaged = (await list(paths.home)).filter((name) => name.includes(".damaged-")).sort();
  return [
    ...killed.map((what) =>
      warning(
        "daemon-killed",
        what,
        "the system or somebody has ended it, or the machine went down; logs/daemon.log, and on Linux `journalctl -k`, " +
          "say more (memory that ran out?). The next daemon goes on where it stopped",
      )
    ),
    ...(crashes.length === 0 ? [] : [warning(
      "crash-reports",
      `the daemon has met ${crashes.length} errors it did not expect; the last is in ${paths.crashes}/${
        crashes.at(-1)
      }`,
      "report it with that file, secrets are taken out of it; then delete it",
    )]),
    ...foreign.map((path) =>
      warning(
        "database-unreadable",
        `${path} is no database: it was damaged, or something else was written there`,
        "nothing has to be done: the daemon moves it aside when it starts, and begins a new one",
      )
    ),
    ...(damaged.length === 0 ? [] : [warning(
      "damaged-databases",
      `databases were damaged and moved aside in ${paths.home}: ${damaged.join(", ")}`,
      "nothing has to be done; `sqlite3 FILE .recover` shows what can still be read, and the files may be deleted",
    )]),
  ];
}

/** Databases that are none, while no daemon has them open. */
async function notDatabases(paths: StatePaths): Promise<string[]> {
  const { database, journal, calls, lists, sharing, names } = paths;
  const found = await Promise.all([database, journal, calls, lists, sharing, names].map(async (path) => {
    const info = await Deno.lstat(path).catch(() => undefined);
    // An empty one is made anew; a directory or a pipe is not opened.
    if (!info || info.isFile && info.size === 0) return [];
    return info.isFile && await beginningOf(path) === HEADER ? [] : [path];
  }));
  return found.flat();
}

async function beginningOf(path: string): Promise<string | undefined> {
  try {
    using file = await Deno.open(path);
    const bytes = new Uint8Array(HEADER.length);
    const count = await file.read(bytes);
    return new TextDecoder("latin1").decode(bytes.subarray(0, count ?? 0));
  } catch {
    // Whether it may be read is another check's.
    return HEADER;
  }
}
