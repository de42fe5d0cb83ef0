import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { Semaphore } from "../base/semaphore.ts";
import { SECOND_MS } from "../base/units.ts";
import { FileLock } from "./file_lock.ts";

/** Pauses between attempts at a lock that another process has. */
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 50;

/** What waits in this process for the lock of each file, in order: only the first of them polls. */
const queues = new Map<string, Semaphore>();

/** How {@linkcode exclusively} waits. */
interface Waiting {
  /** How long another process may have the lock, in milliseconds. */
  waitMs: number;
  /** What is locked, for the error. */
  what: string;
}

/**
 * Does `work` while no other process, and nothing else in this one, does any under the lock of the file at `path`. The
 * system releases the lock when the process ends, however that happens.
 *
 * @throws {ExaiError} `TIMEOUT` when another process does not get done, `CONFIG` when the file cannot be locked
 */
export async function exclusively<T>(path: string, { waitMs, what }: Waiting, work: () => Promise<T>) {
  let queue = queues.get(path);
  if (!queue) queues.set(path, queue = new Semaphore(1));
  return await queue.run(async () => {
    using _lock = await takeLock(path, { waitMs, what });
    return await work();
  });
}

async function takeLock(path: string, { waitMs, what }: Waiting): Promise<FileLock> {
  const untilMs = performance.now() + waitMs;
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    const lock = await FileLock.tryTake(path).catch((thrown) => {
      throw new ExaiError("CONFIG", `${path} cannot be locked: ${messageOf(thrown)}`, { cause: thrown });
    });
    if (lock) return lock;
    if (performance.now() >= untilMs) {
      const waited = Math.round(waitMs / SECOND_MS);
      throw new ExaiError(
        "TIMEOUT",
        `another EXAI process has been changing ${what} for ${waited} s; try again`,
      );
    }
    await delay(pauseMs * (0.5 + Math.random()));
  }
}
