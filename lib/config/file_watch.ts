import { isDeepStrictEqual } from "node:util";
import { debounce } from "@std/async/debounce";
import { basename, dirname, join, resolve } from "@std/path";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { realPath, realPathOf } from "./real_path.ts";

const logger = getLogger(["exai", "config"]);

// chokidar was considered: under Deno it watches by `Deno.watchFs` too, and cannot leave a directory of databases out.

/** How long the file must be unchanged before it is read, in milliseconds: editors write it in several steps. */
const SETTLE_MS = 100;

/** In place of a fingerprint: the file is read once more at the next poll. */
const UNSETTLED = "unsettled";

/**
 * How often the file is polled in addition, in milliseconds: not every file system reports every change, and Deno does
 * not report a new link.
 */
const POLL_MS = 5 * SECOND_MS;

/** As `POLL_MS`, where a directory is not watched at all. A poll is a few `stat` calls, some tens of microseconds. */
const POLL_UNWATCHED_MS = SECOND_MS;

export interface FileWatchOptions {
  pollMs?: number;
  /**
   * A directory with databases of this process: it is polled every second and never watched.
   *
   * `Deno.watchFs` opens and closes each file an event names (inotify reports names only). SQLite's locks are POSIX
   * locks: they belong to the process and are dropped as soon as it closes any handle of the file. Another process would
   * then take a database in use for an unused one, and its log for a stale one.
   */
  databaseDir?: string;
}

/**
 * Reads a file, or the files of a directory, again whenever one changes; readings never overlap. The path need not exist
 * yet.
 */
export class FileWatch<Reading> implements AsyncDisposable {
  readonly #path: string;
  readonly #read: () => Promise<Reading>;
  #reading: Promise<unknown> = Promise.resolve();
  #watching: Promise<void> = Promise.resolve();
  #watcher: Deno.FsWatcher | undefined;
  #targets: WatchTargets | undefined;
  readonly #databaseDir: string | undefined;
  #pollMs: number;
  #polling: ReturnType<typeof setInterval> | undefined;
  /** Fingerprint of the file at the last reading. */
  #seen = "";
  readonly #settled = debounce(() => {
    this.reload().catch((thrown) => this.#report(thrown));
  }, SETTLE_MS);
  #isClosed = false;

  /** @param read reads the file and applies it; errors are logged, or thrown by {@linkcode reload} if that was called */
  constructor(path: string, read: () => Promise<Reading>, options: FileWatchOptions = {}) {
    this.#path = resolve(path);
    this.#read = read;
    this.#databaseDir = options.databaseDir;
    this.#pollMs = options.pollMs ?? POLL_MS;
    this.#polling = this.#startPolling();
  }

  #startPolling(): ReturnType<typeof setInterval> {
    clearInterval(this.#polling);
    const timer = setInterval(() => this.#poll(), this.#pollMs);
    Deno.unrefTimer(timer);
    return timer;
  }

  /** Whether the file is no longer watched. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Reads the file now, whether it changed or not. */
  reload(): Promise<Reading> {
    const reading = this.#reading.then(() => {
      this.#arm();
      this.#seen = isSettled(this.#path) ? fingerprint(this.#path) : UNSETTLED;
      return this.#read();
    });
    this.#reading = reading.catch(() => {});
    return reading;
  }

  /** Watches the directory of the file, or the nearest one that exists; again when that is another one than before. */
  #arm(): void {
    if (this.#isClosed) return;
    const targets = this.#withoutDatabases(watchTargets(this.#path));
    if (isDeepStrictEqual(targets, this.#targets)) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#targets = targets;
    if (targets.dirs.size === 0) return;
    try {
      this.#watcher = Deno.watchFs([...targets.dirs.keys()], { recursive: false });
      this.#watching = this.#follow(this.#watcher, targets).catch((thrown) => this.#warn(thrown));
      // A directory may have been created since `watchTargets` looked.
      this.#arm();
    } catch (thrown) {
      this.#warn(thrown);
    }
  }

  /** Removes the directory of databases from `targets` and polls more often instead. */
  #withoutDatabases(targets: WatchTargets): WatchTargets {
    const holdsDatabases = (dir: string) =>
      this.#databaseDir !== undefined && isSameDir(dir, this.#databaseDir);
    const dirs = new Map([...targets.dirs].filter(([dir]) => !holdsDatabases(dir)));
    if (dirs.size < targets.dirs.size && this.#pollMs > POLL_UNWATCHED_MS) {
      this.#pollMs = POLL_UNWATCHED_MS;
      this.#polling = this.#startPolling();
    }
    return { ...targets, dirs };
  }

  #warn(thrown: unknown): void {
    const facts = { path: this.#path, reason: messageOf(thrown), seconds: this.#pollMs / SECOND_MS };
    logger.warn("{path} cannot be watched ({reason}); its changes are noticed within {seconds} s", facts);
  }

  #report(thrown: unknown): void {
    logger.error("{path} changed, and taking it over failed: {reason}", {
      path: this.#path,
      reason: messageOf(thrown),
    });
  }

  async #follow(watcher: Deno.FsWatcher, { dirs, names, inside }: WatchTargets): Promise<void> {
    const matters = (path: string) => names.has(basename(path)) || dirs.has(path) || dirname(path) === inside;
    for await (const { kind, paths } of watcher) {
      if (kind === "access" || !paths.some(matters)) continue;
      if (this.#isClosed) return;
      this.#settled();
      // A directory may have been created or removed, or a link may point elsewhere.
      this.#arm();
    }
  }

  #poll(): void {
    this.#arm();
    if (!this.#settled.pending && fingerprint(this.#path) !== this.#seen) this.#settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#polling);
    this.#settled.clear();
    this.#watcher?.close();
    await this.#watching;
    await this.#reading;
  }
}

interface WatchTargets {
  /** Directories to watch, each with its inode, which distinguishes it from a later one of the same name. */
  dirs: Map<string, number | null>;
  /** Names in them that matter. */
  names: Set<string>;
  /** The directory in which every name matters. */
  inside: string | undefined;
}

/** What to watch for changes of the file at `path`, which may be a link. */
function watchTargets(path: string): WatchTargets {
  let child = path;
  let dir = dirname(path);
  while (!stat(dir)?.isDirectory && dirname(dir) !== dir) {
    child = dir;
    dir = dirname(dir);
  }
  const found = [join(realPath(dir), basename(child))];
  const real = realPathOf(path);
  if (real !== undefined) found.push(real);
  const inside = real !== undefined && stat(real)?.isDirectory ? real : undefined;
  const watched = [...found.map((name): string => dirname(name)), ...(inside === undefined ? [] : [inside])];
  return {
    dirs: new Map(watched.map((name) => [name, stat(name)?.ino ?? null])),
    names: new Set(found.map((name) => basename(name))),
    inside,
  };
}

/** Whether both names lead to the same directory, by links or mounts. */
function isSameDir(a: string, b: string): boolean {
  const [one, other] = [stat(a), stat(b)];
  if (one?.ino && other?.ino) return one.ino === other.ino && one.dev === other.dev;
  return realPath(a) === realPath(b);
}

/** A text that changes whenever the file, or a file of the directory, does; empty when there is none. */
export function fingerprint(path: string): string {
  const info = stat(path);
  if (!info) return "";
  const { dev, ino, size, mtime, mode, uid, gid } = info;
  // The mode and owner count: a file refused because others may write to it is read once that is corrected.
  const own = [dev, ino, size, mtime?.getTime(), mode, uid, gid].join();
  return info.isDirectory ? [own, ...fingerprintsIn(path)].join("\n") : own;
}

function fingerprintsIn(dir: string): string[] {
  try {
    const files = Array.from(Deno.readDirSync(dir)).filter(({ isDirectory }) => !isDirectory);
    return files.map(({ name }) => `${name} ${fingerprint(join(dir, name))}`).sort();
  } catch {
    return [];
  }
}

/** Whether a further change shows in the file's times: what changes twice within one tick of their clock has one time. */
function isSettled(path: string): boolean {
  const changedAt = stat(path)?.mtime?.getTime();
  return changedAt === undefined || Math.abs(Date.now() - changedAt) > SETTLE_MS;
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
