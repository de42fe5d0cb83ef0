import { deadline } from "@std/async/deadline";

const LOCK_WAIT_MS = 500;
/** Attempts at a lock whose file another process keeps removing. */
const MAX_ATTEMPTS = 10;

/**
 * An exclusive lock (`flock`) on its own file. The system releases it when the holder ends, however that happens;
 * the file stays and means nothing by itself.
 */
export class FileLock implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #isReleased = false;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Takes the lock; undefined when another process has it.
   *
   * @param options `create`: whether the file is made where there is none, which is the default; without it there is no
   * lock then
   * @throws what the file system says when the file cannot be created or locked
   */
  static async tryTake(
    path: string,
    { create = true }: { create?: boolean } = {},
  ): Promise<FileLock | undefined> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      await requireRegularFile(path);
      const file = await openFile(path, create);
      if (!file) return undefined;
      try {
        const isOurs = await tryLock(file);
        // A lock on a file that was removed since it was opened excludes no other process.
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

  /** Whether the locked file is still the one at its path; otherwise the lock excludes no other process. */
  async isInPlace(): Promise<boolean> {
    return await isStillAt(this.#path, this.#file);
  }

  /** Replaces the text of the file, which describes the holder to people and to waiting processes. */
  write(text: string): void {
    this.#file.truncateSync(0);
    this.#file.writeSync(new TextEncoder().encode(text));
  }

  [Symbol.dispose](): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    // Closing is not enough: a child process that is just being started holds the descriptor too, until it executes
    // its program.
    try {
      this.#file.unlockSync();
    } catch {
      // Windows may not know the lock any more; with the file it is released in any case.
    } finally {
      this.#file.close();
    }
  }
}

/** Undefined where there is none, and none is to be made. */
async function openFile(path: string, create: boolean): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { create, write: true, mode: 0o600 });
  } catch (thrown) {
    if (!create && thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
}

/** Opening a named pipe to write would wait for a reader, and a device is not ours to lock. */
async function requireRegularFile(path: string): Promise<void> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (info && !info.isFile) throw new Error(`${path} is no regular file; remove it`);
}

/** Locks `file` for this process; false when another has it. */
async function tryLock(file: Deno.FsFile): Promise<boolean> {
  if ("tryLock" in file) return await file.tryLock(true);
  // Deno before 2.8 can only wait for a lock; a free one is granted at once.
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
