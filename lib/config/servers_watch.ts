import { isDeepStrictEqual } from "node:util";
import { basename, dirname, join, resolve } from "@std/path";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import type { ServerConfig } from "../base/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { type ConfigFault, readServers, type ServersFile, type ServersOptions } from "./servers.ts";

const logger = getLogger(["exai", "config"]);

/** How long the file must rest before it is read, in milliseconds: editors write it in several steps. */
const SETTLE_MS = 100;

/**
 * How often the file is looked at even if no change was reported, in milliseconds: not every file system reports all,
 * and Deno does not report a new link.
 */
const POLL_MS = 5 * SECOND_MS;

/** What one reading of the file changed; each list holds names of servers. */
export interface ServersChange {
  /** Every server in force, by name. */
  servers: ReadonlyMap<string, ServerConfig>;
  added: string[];
  removed: string[];
  changed: string[];
  unchanged: string[];
  disabled: string[];
  faults: ConfigFault[];
  warnings: ConfigFault[];
}

export interface WatchOptions extends ServersOptions {
  pollMs?: number;
}

/** The mounted servers in force, kept up to date with the file. */
export interface ServersWatch extends AsyncDisposable {
  /** What was read last. */
  readonly current: ServersChange;
  /** Reads the file now, whether it changed or not: what its variables stand for may have. */
  reload(): Promise<ServersChange>;
}

/**
 * Reads the servers in the file at `path` and again whenever it changes. `onChange` hears of each later reading that
 * differs from the one before in a server, a fault or a warning. What is faulty keeps its last good configuration: one
 * server's entry, or all when the file cannot be read or is gone.
 *
 * The file, and the directories on the way to it, need not exist yet.
 */
export async function watchServers(
  path: string,
  onChange: (change: ServersChange) => void,
  options: WatchOptions = {},
): Promise<ServersWatch> {
  const watch = new Watch(resolve(path), onChange, options);
  await watch.reload();
  return watch;
}

const NOTHING: ServersChange = {
  servers: new Map(),
  added: [],
  removed: [],
  changed: [],
  unchanged: [],
  disabled: [],
  faults: [],
  warnings: [],
};

class Watch implements ServersWatch {
  current: ServersChange = NOTHING;
  readonly #path: string;
  readonly #onChange: (change: ServersChange) => void;
  readonly #options: WatchOptions;
  #reading: Promise<unknown> = Promise.resolve();
  #watching: Promise<void> = Promise.resolve();
  #watcher: Deno.FsWatcher | undefined;
  #targets: WatchTargets | undefined;
  readonly #pollMs: number;
  readonly #polling: ReturnType<typeof setInterval>;
  /** Fingerprint of the file as it was read last. */
  #seen = "";
  #settle: ReturnType<typeof setTimeout> | undefined;
  #isFirst = true;
  #isClosed = false;

  constructor(path: string, onChange: (change: ServersChange) => void, options: WatchOptions) {
    this.#path = path;
    this.#onChange = onChange;
    this.#options = options;
    this.#pollMs = options.pollMs ?? POLL_MS;
    this.#polling = setInterval(() => this.#poll(), this.#pollMs);
    Deno.unrefTimer(this.#polling);
  }

  reload(): Promise<ServersChange> {
    const reading = this.#reading.then(() => this.#read());
    this.#reading = reading.catch(() => {});
    return reading;
  }

  async #read(): Promise<ServersChange> {
    this.arm();
    this.#seen = fingerprint(this.#path);
    const file = await readServers(this.#path, this.#options);
    // A file that is gone or empty is most likely being replaced.
    if (file.isBlank && this.current.servers.size > 0) {
      const message = "is gone or empty; its servers stay; to remove them, write {} into it";
      Object.assign(file, { readable: false, faults: [{ path: this.#path, message }] });
    }
    const change = compare(this.current, file);
    const isNews = change.added.length + change.removed.length + change.changed.length > 0 ||
      !isDeepStrictEqual([change.faults, change.warnings], [this.current.faults, this.current.warnings]);
    this.current = change;
    const tell = isNews && !this.#isFirst && !this.#isClosed;
    this.#isFirst = false;
    if (tell) this.#onChange(change);
    return change;
  }

  /** Watches the directory of the file, or the nearest one that exists; again when that is another one than before. */
  arm(): void {
    if (this.#isClosed) return;
    const targets = watchTargets(this.#path);
    if (isDeepStrictEqual(targets, this.#targets)) return;
    this.#watcher?.close();
    this.#targets = targets;
    try {
      this.#watcher = Deno.watchFs([...targets.dirs.keys()], { recursive: false });
      this.#watching = this.#follow(this.#watcher, targets).catch((thrown) => this.#warn(thrown));
      // A directory may have come between the look and the watch.
      this.arm();
    } catch (thrown) {
      this.#warn(thrown);
    }
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

  async #follow(watcher: Deno.FsWatcher, { dirs, names }: WatchTargets): Promise<void> {
    for await (const { kind, paths } of watcher) {
      if (kind === "access") continue;
      if (!paths.some((path) => names.has(basename(path)) || dirs.has(path))) continue;
      this.#scheduleReload();
      // The way to the file may have changed: a directory came or went, or a link points elsewhere.
      this.arm();
    }
  }

  #poll(): void {
    this.arm();
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
  return {
    dirs: new Map(found.map((name): string => dirname(name)).map((name) => [name, stat(name)?.ino ?? null])),
    names: new Set(found.map((name) => basename(name))),
  };
}

/** What changes whenever the file does. */
function fingerprint(path: string): string {
  const info = stat(path);
  return info ? [info.dev, info.ino, info.size, info.mtime?.getTime()].join() : "";
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

/** What `file` changes about `before`; what it holds a fault about stays as it was. */
function compare(before: ServersChange, file: ServersFile): ServersChange {
  const servers = new Map(file.servers);
  const kept = file.readable ? file.faulty : [...before.servers.keys()];
  for (const name of kept) {
    const last = before.servers.get(name);
    if (last) servers.set(name, last);
  }
  const names = [...servers.keys()];
  const old = (name: string) => before.servers.get(name);
  const isSame = (name: string) => isDeepStrictEqual(old(name), servers.get(name));
  return {
    servers,
    added: names.filter((name) => old(name) === undefined),
    removed: [...before.servers.keys()].filter((name) => !servers.has(name)),
    changed: names.filter((name) => old(name) !== undefined && !isSame(name)),
    unchanged: names.filter(isSame),
    disabled: file.readable ? file.disabled : before.disabled,
    faults: file.faults,
    warnings: file.warnings,
  };
}
