import { isDeepStrictEqual } from "node:util";
import { basename, dirname, join, resolve } from "@std/path";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";

const logger = getLogger(["exai", "config"]);

/** How long the file must rest before it is read, in milliseconds: editors write it in several steps. */
const SETTLE_MS = 100;

/**
 * How often the file is looked at even if no change was reported, in milliseconds: not every file system reports all,
 * and Deno does not report a new link.
 */
const POLL_MS = 5 * SECOND_MS;

/**
 * As `POLL_MS`, where a directory is not watched at all. Looking is a handful of `stat` calls, some tens of
 * microseconds.
 */
const POLL_UNWATCHED_MS = SECOND_MS;

export interface FileWatchOptions {
  pollMs?: number;
  /**
   * A directory that holds databases of this process: what lies in it is looked at every second, never watched.
   *
   * `Deno.watchFs` opens, and closes, each file an event names to see which it is (inotify reports names only), in a
   * thread of its own. SQLite's locks are POSIX locks, which belong to the process, and which the system drops as soon
   * as the process closes any handle of the file. Another process would then take a database that is in use for one
   * that nobody uses, and its log for a left one.
   */
  databaseDir?: string;
}

/**
 * Has a file, or the files of a directory, read again whenever one changes, one reading after the other. It, and the
 * directories on the way to it, need not exist yet.
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
  /** Fingerprint of the file as it was read last. */
  #seen = "";
  #settle: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /** @param read reads the file and takes over what it says; what it throws is logged, unless `reload` was called */
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
      this.#seen = fingerprint(this.#path);
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
      // A directory may have come between the look and the watch.
      this.#arm();
    } catch (thrown) {
      this.#warn(thrown);
    }
  }

  /** Leaves the directory of the databases out, and sees to it that what lies there is looked at often enough. */
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
      this.#scheduleReload();
      // The way to the file may have changed: a directory came or went, or a link points elsewhere.
      this.#arm();
    }
  }

  #poll(): void {
    this.#arm();
    if (this.#settle === undefined && fingerprint(this.#path) !== this.#seen) this.#scheduleReload();
  }

  #scheduleReload(): void {
    if (this.#isClosed) return;
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => {
      this.#settle = undefined;
      this.reload().catch((thrown) => this.#report(thrown));
    }, SETTLE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#polling);
    clearTimeout(this.#settle);
    this.#watcher?.close();
    await this.#watching;
    await this.#reading;
  }
}

interface WatchTargets {
  /** Directories to watch, with what tells each from a later one of the same name. */
  dirs: Map<string, number | null>;
  /** Names in them that matter. */
  names: Set<string>;
  /** The one of them in which every name does. */
  inside: string | undefined;
}

/** What must be watched to hear of every change of the file at `path`, which may be a link to elsewhere. */
function watchTargets(path: string): WatchTargets {
  let child = path;
  let dir = dirname(path);
  while (!stat(dir)?.isDirectory && dirname(dir) !== dir) {
    child = dir;
    dir = dirname(dir);
  }
  const found = [join(realPath(dir) ?? dir, basename(child))];
  const real = realPath(path);
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
  return (realPath(a) ?? a) === (realPath(b) ?? b);
}

/** What changes whenever the file does, or a file of the directory. */
export function fingerprint(path: string): string {
  const info = stat(path);
  if (!info) return "";
  const { dev, ino, size, mtime, mode, uid, gid } = info;
  // Who may write to it counts: what is not read for that is read once it is closed to others.
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

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}
