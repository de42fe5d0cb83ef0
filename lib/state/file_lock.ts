import { deadline } from "@std/async/deadline";

const LOCK_WAIT_MS = 500;
/** How often a lock is tried whose file somebody else removes at the same moment. */
const MAX_ATTEMPTS = 10;

/**
 * An exclusive lock on a file of its own. The system frees it when its holder ends, however that happens; the file stays
 * and means nothing by itself.
 */
export class FileLock implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #isFree = false;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Takes the lock, or gives undefined when another has it.
   *
   * @throws what the file system says when the file cannot be made or locked
   */
  static async tryTake(path: string): Promise<FileLock | undefined> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      await refuseOther(path);
      const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
      try {
        const isOurs = await tryLock(file);
        // A lock on a file that was removed meanwhile keeps nobody out.
        if (isOurs && await isStillAt(path, file)) return new FileLock(path, file);
        file.close();
        if (!isOurs) return undefined;
      } catch (thrown) {
        closeQuietly(file);
        throw thrown;
      }
    }
    return undefined;
  }

  /** Whether the file that is locked is still the one at its path: once it is not, the lock keeps nobody out. */
  async isInPlace(): Promise<boolean> {
    return await isStillAt(this.#path, this.#file);
  }

  /** Replaces what the file says about the holder, for people and for those who wait. */
  write(text: string): void {
    this.#file.truncateSync(0);
    this.#file.writeSync(new TextEncoder().encode(text));
  }

  [Symbol.dispose](): void {
    if (this.#isFree) return;
    this.#isFree = true;
    // To close it is not enough: a child that is being started at this moment has the file too, until it is another
    // program.
    try {
      this.#file.unlockSync();
    } finally {
      this.#file.close();
    }
  }
}

/** Opening a named pipe to write waits for a reader, who may never come; a device is nobody's to lock. */
async function refuseOther(path: string): Promise<void> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info && !info.isFile) throw new Error(`${path} is no regular file; remove it`);
}

/** Locks `file` for this process alone; false when another has it. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  if ("tryLock" in file) return await file.tryLock(true);
  // Deno before 2.8 can only wait for a lock: one that is free comes at once.
  return await deadline((file as Deno.FsFile).lock(true), LOCK_WAIT_MS).then(() => true, () => false);
}

async function isStillAt(path: string, file: Deno.FsFile): Promise<boolean> {
  if (Deno.build.os === "windows") return true;
  const own = await file.stat();
  const found = await Deno.stat(path).catch(() => undefined);
  return found?.ino === own.ino && found?.dev === own.dev;
}

function closeQuietly(file: Deno.FsFile): void {
  try {
    file.close();
  } catch {
    // It is closed.
  }
}
