import { delay } from "@std/async/delay";
import { getLogger } from "@logtape/logtape";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { StatePaths } from "../config/paths.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { FileLock } from "./file_lock.ts";

const log = getLogger(["exai", "state"]);

const POLL_MS = 50;

/** How often it is looked whether the lock still keeps others out, in milliseconds. */
const LOOK_MS = 10 * SECOND_MS;

/** How long a holder of the home that does not answer is waited for: it is starting, stopping, or a command. */
const HOME_WAIT_MS = 20 * SECOND_MS;

/** What the holder of a home says of itself. */
export interface HomeOwner {
  pid?: number;
  version?: string;
}

/**
 * The right to use what is in a state directory: databases, token, logs. One process has it, the daemon, or a command
 * while no daemon runs.
 */
export class HomeLock implements Disposable {
  readonly #path: string;
  #lock: FileLock;
  #fault: string | undefined;
  #isOver = false;
  readonly #looking: ReturnType<typeof setInterval>;

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
    this.#looking = setInterval(() => void this.look(), LOOK_MS);
    Deno.unrefTimer(this.#looking);
  }

  /** What is wrong with it, in a sentence; undefined while it keeps others out. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Takes the lock again when its file was removed or replaced, as programs that tidy up do. */
  async look(): Promise<void> {
    const isInPlace = await this.#lock.isInPlace().catch(() => false);
    if (isInPlace || this.#isOver) return;
    const again = await FileLock.tryTake(this.#path).catch(() => undefined);
    // It was given back meanwhile, and somebody else may be waiting for it.
    if (this.#isOver) return again?.[Symbol.dispose]();
    if (again) {
      log.warning("{path} was removed while in use and has been made again", { path: this.#path });
      sign(again);
      this.#lock[Symbol.dispose]();
      this.#lock = again;
    } else if (this.#fault === undefined) {
      log.error("{path} was removed while in use, and cannot be had again", { path: this.#path });
    }
    this.#fault = again
      ? undefined
      : `${this.#path} was removed while in use, and another process has it or it cannot be made; restart this daemon`;
  }

  /**
   * Takes it, or gives undefined when another process has it. The directory must be there.
   *
   * @throws {ExaiError} `CONFIG` when the file system cannot say who has it
   */
  static async tryTake(
    { home, lock: path }: Pick<StatePaths, "home" | "lock">,
  ): Promise<HomeLock | undefined> {
    let lock: FileLock | undefined;
    try {
      lock = await FileLock.tryTake(path);
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
    sign(lock);
    return new HomeLock(path, lock);
  }

  /**
   * Takes it as soon as it is free.
   *
   * @param answer asked each time it is not; what it gives ends the waiting
   * @throws {ExaiError} `CONFIG` naming the holder after `waitMs`
   */
  static async wait<T>(
    paths: Pick<StatePaths, "home" | "lock">,
    answer: (owner: HomeOwner) => Promise<T | undefined>,
    waitMs = HOME_WAIT_MS,
  ): Promise<HomeLock | T> {
    const end = performance.now() + waitMs;
    for (;;) {
      const lock = await HomeLock.tryTake(paths);
      if (lock) return lock;
      const owner = await readOwner(paths.lock);
      const answered = await answer(owner);
      if (answered !== undefined) return answered;
      if (performance.now() >= end) throw heldBy(owner, paths.home, waitMs);
      await delay(POLL_MS);
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearInterval(this.#looking);
    this.#lock[Symbol.dispose]();
  }
}

function sign(lock: FileLock): void {
  try {
    lock.write(JSON.stringify({ pid: Deno.pid, version: VERSION }) + "\n");
  } catch {
    // A full disk: the lock holds all the same, only others cannot say whose it is.
  }
}

/** "(version 1.2.3, process 42)", as far as it is known. */
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

/** Who has locked the file; empty where that cannot be read, as on Windows while it is locked. */
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
