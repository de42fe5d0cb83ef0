import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { basename, dirname } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { StatePaths } from "../config/paths.ts";
import { whyUntrusted } from "../config/trust.ts";
import { RotatingFile } from "./rotating_file.ts";

const log = getLogger(["exai", "state"]);

const PRIVATE_FILE = 0o600;
const PRIVATE_DIR = 0o700;
const OTHERS = 0o077;
const MAX_SHOWN_CHARS = 120;
const RENAME_ATTEMPTS = 10;
const RENAME_PAUSE_MS = 20;

/** The files a daemon keeps up to date in its state directory. Faults are logged and listed, never thrown. */
export class StateFiles implements AsyncDisposable {
  readonly #paths: StatePaths;
  readonly #metrics: RotatingFile;
  #healthFault: string | undefined;

  private constructor(paths: StatePaths, maxBytes: number) {
    this.#paths = paths;
    this.#metrics = new RotatingFile(paths.metrics, { maxBytes, onFault: report });
  }

  /**
   * Prepares the state directory.
   *
   * @throws {StateDirError} (see {@linkcode ensureStateDir})
   */
  static async open(paths: StatePaths, options: { maxBytes: number }): Promise<StateFiles> {
    await ensureStateDir(paths);
    return new StateFiles(paths, options.maxBytes);
  }

  /** Why files cannot be written now, each in a sentence. */
  faults(): string[] {
    return [this.#healthFault, this.#metrics.fault].filter((fault) => fault !== undefined);
  }

  /** Appends one line to `metrics.jsonl`. */
  appendMetrics(line: string): void {
    this.#metrics.append(line);
  }

  /** Replaces `health.json`. */
  async writeHealth(text: string): Promise<void> {
    const before = this.#healthFault;
    try {
      await writePrivateFile(this.#paths.health, text);
      this.#healthFault = undefined;
      if (before !== undefined) report(undefined);
    } catch (thrown) {
      this.#healthFault = `${this.#paths.health} cannot be written: ${messageOf(thrown)}`;
      if (before === undefined) report(this.#healthFault);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#metrics[Symbol.asyncDispose]();
  }
}

function report(fault: string | undefined): void {
  if (fault === undefined) log.info("the state directory can be written again");
  else log.error("{fault}; calls continue without it", { fault });
}

/**
 * Creates the state directory, for this user alone, or checks the existing one.
 *
 * @throws {StateDirError} when it cannot be created, belongs to another user, or is open to others and holds other
 * files too
 */
export async function ensureStateDir(paths: StatePaths): Promise<void> {
  const { home } = paths;
  try {
    await Deno.mkdir(home, { recursive: true, mode: PRIVATE_DIR });
    const info = await Deno.stat(home);
    if (!info.isDirectory) throw new Error("it is no directory");
    if (Deno.build.os !== "windows") await checkPrivacy(paths, info);
  } catch (thrown) {
    throw unusable(home, thrown);
  }
}

/**
 * Checks that the state directory, if it exists, is a directory, so that a missing file in it means only that.
 *
 * @throws {StateDirError} when it cannot exist at this path
 */
export async function checkStateDir({ home }: Pick<StatePaths, "home">): Promise<void> {
  try {
    if (!(await Deno.stat(home)).isDirectory) throw new Error("it is no directory");
  } catch (thrown) {
    // It is created when needed.
    if (!(thrown instanceof Deno.errors.NotFound)) throw unusable(home, thrown);
  }
}

/** The state directory cannot be used, so neither can any file in it. */
export class StateDirError extends ExaiError {
  constructor(message: string, cause: unknown) {
    super("CONFIG", message, { cause });
  }
}

function unusable(home: string, thrown: unknown): StateDirError {
  const shown = home.length > MAX_SHOWN_CHARS ? `${home.slice(0, MAX_SHOWN_CHARS)}...` : home;
  // Errors of the file system repeat the path at full length.
  const why = messageOf(thrown).replaceAll(home, shown);
  const advice = "set EXAI_HOME (--home) to another directory";
  return new StateDirError(`the state directory ${shown} cannot be used: ${why}; ${advice}`, thrown);
}

async function checkPrivacy(paths: StatePaths, info: Deno.FileInfo): Promise<void> {
  if (info.uid !== null && info.uid !== Deno.uid()) {
    throw new Error(`it belongs to user ${info.uid}, and this program runs as user ${Deno.uid()}`);
  }
  // A user who may write to the parent directory could replace it.
  const distrust = whyUntrusted(paths.home, { around: true });
  if (distrust !== undefined) throw new Error(distrust);
  if (info.mode === null || (info.mode & OTHERS) === 0) return;
  // Closing a directory with other files, such as a home or a shared one, would lock out their users.
  if (!await holdsOnlyOurFiles(paths)) {
    const mode = (info.mode & 0o777).toString(8);
    throw new Error(
      `it is open to other users (mode ${mode}) and holds other files, so it is not closed to them`,
    );
  }
  await Deno.chmod(paths.home, PRIVATE_DIR);
}

/** Whether all files of the directory are EXAI's, or one is that only EXAI creates. */
export async function holdsOnlyOurFiles(paths: StatePaths): Promise<boolean> {
  const names = (await Array.fromAsync(Deno.readDir(paths.home))).map(({ name }) => name);
  const known = Object.values(paths).map((path) => basename(path));
  const unmistakable = [paths.database, paths.health].map((path) => basename(path));
  return names.every((name) => known.includes(name)) || names.some((name) => unmistakable.includes(name));
}

let writes = 0;

/**
 * Replaces the file at `path` atomically, readable by this user alone. A reader sees the old text or the new one.
 *
 * @throws what the file system says; no temporary file is left
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.${Deno.pid}.${writes++}.tmp`;
  try {
    await Deno.writeTextFile(fresh, text, { createNew: true, mode: PRIVATE_FILE });
    await replace(fresh, path);
  } catch (thrown) {
    await Deno.remove(fresh).catch(() => {});
    throw thrown;
  }
}

/** Where {@linkcode writeDurably} writes a new text before it is in its place. */
function freshPath(path: string): string {
  return `${path}.tmp`;
}

/**
 * As {@linkcode writePrivateFile}, and on the disk before this resolves: it outlives a failure of the machine. Only under
 * a lock of the caller's: a text that a killed process has left half-written is overwritten, so that none pile up.
 *
 * @throws what the file system says; the file is as it was then
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  await writeAhead(path, text);
  await replace(freshPath(path), path);
  await syncDir(dirname(path));
}

/**
 * Writes as much as {@linkcode writeDurably} of `text` would, and leaves the file at `path` as it is: what cannot be written
 * is found before something is done that must be written.
 *
 * @throws what the file system says
 */
export async function checkDurable(path: string, text: string): Promise<void> {
  await writeAhead(path, text);
  await Deno.remove(freshPath(path)).catch(() => {});
}

async function writeAhead(path: string, text: string): Promise<void> {
  const fresh = freshPath(path);
  // What a killed process left may be anything, such as a file that others can read.
  await Deno.remove(fresh).catch(() => {});
  try {
    using file = await Deno.open(fresh, { write: true, createNew: true, mode: PRIVATE_FILE });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.sync();
  } catch (thrown) {
    await Deno.remove(fresh).catch(() => {});
    throw thrown;
  }
}

/** Has the system write down which files a directory holds. Windows does so by itself. */
async function syncDir(dir: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using opened = await Deno.open(dir);
  // Some file systems cannot, and the file itself is on the disk.
  await opened.sync().catch(() => {});
}

/** Renames over `path`; retried on Windows, where that fails while a reader has it open. */
async function replace(fresh: string, path: string): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await Deno.rename(fresh, path);
    } catch (thrown) {
      if (Deno.build.os !== "windows" || attempt === RENAME_ATTEMPTS) throw thrown;
      await delay(RENAME_PAUSE_MS * attempt);
    }
  }
}
