import { delay } from "@std/async/delay";
import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import { isThere } from "../config/path_kind.ts";
import type { StatePaths } from "../config/paths.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { FileLock } from "./file_lock.ts";

const log = getLogger(["exai", "state"]);

const POLL_MS = 50;

/** How often the lock file is checked for being in place, in milliseconds. */
const CHECK_MS = 10 * SECOND_MS;

/** How long to wait for a holder that does not answer: it is starting, stopping, or a command. */
const HOME_WAIT_MS = 20 * SECOND_MS;

/** The holder of a state directory, as its lock file describes it. */
export interface HomeOwner {
  pid?: number;
  version?: string;
}

/**
 * Exclusive use of a state directory: databases, token, logs. Its daemon holds the lock, or a command while no daemon
 * runs.
 */
export class HomeLock implements Disposable {
  readonly #path: string;
  #lock: FileLock;
  #fault: string | undefined;
  #isReleased = false;
  readonly #checkTimer: ReturnType<typeof setInterval>;

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
    this.#checkTimer = setInterval(() => void this.check(), CHECK_MS);
    Deno.unrefTimer(this.#checkTimer);
  }

  /** Why the lock does not exclude other processes, in a sentence; undefined while it does. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Takes the lock again when its file was removed or replaced, as by clean-up programs. */
  async check(): Promise<void> {
    const isInPlace = await this.#lock.isInPlace().catch(() => false);
    if (isInPlace || this.#isReleased) return;
    const again = await FileLock.tryTake(this.#path).catch(() => undefined);
    // Released while the file was checked: another process may be waiting for the lock.
    if (this.#isReleased) return again?.[Symbol.dispose]();
    if (again) {
      log.warning("{path} was removed while in use and has been recreated", { path: this.#path });
      writeHolder(again);
      this.#lock[Symbol.dispose]();
      this.#lock = again;
    } else if (this.#fault === undefined) {
      log.error("{path} was removed while in use, and cannot be taken again", { path: this.#path });
    }
    this.#fault = again
      ? undefined
      : `${this.#path} was removed while in use, and another process has it or it cannot be made; restart this daemon`;
  }

  /**
   * Takes the lock; undefined when another process has it. The directory must exist.
   *
   * @param options as those of {@linkcode FileLock.tryTake}
   * @throws {ExaiError} `CONFIG` when the file system cannot lock
   */
  static async tryTake(
    { home, lock: path }: Pick<StatePaths, "home" | "lock">,
    options: { create?: boolean } = {},
  ): Promise<HomeLock | undefined> {
    let lock: FileLock | undefined;
    try {
      lock = await FileLock.tryTake(path, options);
    } catch (thrown) {
      throw new ExaiError(
        "CONFIG",
        `the state directory ${home} cannot be locked (${
          messageOf(thrown)
        }), and without that two daemons could ` +
          "use it at once; make it writable, or set EXAI_HOME (--home) to a directory on a local disk",
        { cause: thrown },
      );
    }
    if (!lock) return undefined;
    writeHolder(lock);
    return new HomeLock(path, lock);
  }

  /**
   * Takes the lock as soon as it is free.
   *
   * @param probe called with the holder on each attempt that fails; a result other than undefined ends the wait
   * @throws {ExaiError} `CONFIG` naming the holder after `waitMs`
   */
  static async wait<T>(
    paths: Pick<StatePaths, "home" | "lock">,
    probe: (owner: HomeOwner) => Promise<T | undefined>,
    waitMs = HOME_WAIT_MS,
  ): Promise<HomeLock | T> {
    const end = performance.now() + waitMs;
    for (;;) {
      const lock = await HomeLock.tryTake(paths);
      if (lock) return lock;
      const owner = await readOwner(paths.lock);
      const found = await probe(owner);
      if (found !== undefined) return found;
      if (performance.now() >= end) throw heldBy(owner, paths.home, waitMs);
      await delay(POLL_MS);
    }
  }

  /**
   * As {@linkcode HomeLock.wait}, whatever the holder does meanwhile.
   *
   * @throws {ExaiError} `CONFIG` naming the holder after `waitMs`
   */
  static async take(paths: Pick<StatePaths, "home" | "lock">, waitMs: number): Promise<HomeLock> {
    return await HomeLock.wait<never>(paths, () => Promise.resolve(undefined), waitMs);
  }

  /** The process that has the lock, as far as it is known; undefined when none has. */
  static async holder(paths: Pick<StatePaths, "home" | "lock">): Promise<HomeOwner | undefined> {
    // Looking must not make a file, in a home that is being removed either.
    using lock = await FileLock.tryTake(paths.lock, { create: false });
    return lock || !await isThere(paths.lock) ? undefined : await readOwner(paths.lock);
  }

  [Symbol.dispose](): void {
    this.#isReleased = true;
    clearInterval(this.#checkTimer);
    this.#lock[Symbol.dispose]();
  }
}

function writeHolder(lock: FileLock): void {
  try {
    lock.write(JSON.stringify({ pid: Deno.pid, version: VERSION }) + "\n");
  } catch {
    // A full disk: the lock still holds, but other processes cannot name the holder.
  }
}

/** ` (version 1.2.3, process 42)`, as far as it is known. */
export function describeOwner({ pid, version }: HomeOwner): string {
  const facts = [version && `version ${version}`, pid && `process ${pid}`].filter(Boolean);
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

function heldBy(owner: HomeOwner, home: string, waitMs: number): ExaiError {
  const waited = waitMs > 0 ? ` and has not answered for ${Math.round(waitMs / SECOND_MS)} s` : "";
  return new ExaiError(
    "CONFIG",
    `another EXAI process${describeOwner(owner)} uses the state directory ${home}${waited}; ` +
      "end it, or set EXAI_HOME (--home) and EXAI_WS_PORT to run another daemon beside it",
  );
}

/** The holder of the lock at `path`; empty when its file is unreadable, as on Windows while it is locked. */
async function readOwner(path: string): Promise<HomeOwner> {
  try {
    const found: unknown = JSON.parse(await readRegularFile(path));
    if (!isObject(found)) return {};
    return {
      pid: typeof found.pid === "number" ? found.pid : undefined,
      version: typeof found.version === "string" ? found.version : undefined,
    };
  } catch {
    return {};
  }
}
