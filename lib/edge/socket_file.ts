import { dirname } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import { FileLock } from "../state/file_lock.ts";

/** Maximum length of the path of a Unix socket, in bytes: `sun_path` without the terminating zero. */
export const MAX_SOCKET_PATH_BYTES = Deno.build.os === "darwin" ? 103 : 107;

const OWNER_ONLY = 0o600;
const NO_ACCESS_FOR_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const WORLD_WRITABLE = 0o002;
const STICKY = 0o1000;

interface SocketFileOptions {
  path: string;
  /** A separate file that is locked while the socket is used: the system unlocks it when the process ends. */
  lockPath: string;
}

/**
 * The right to listen at a path. The lock belongs to one daemon at a time, so a socket found there is a stale one and can
 * be removed.
 */
export class SocketFile implements AsyncDisposable {
  readonly path: string;
  readonly #lock: FileLock;

  private constructor(path: string, lock: FileLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Locks the path and removes a stale socket.
   *
   * @throws {ExaiError} `CONFIG` when another program uses the path, or other users may write to the directory
   */
  static async claim({ path, lockPath }: SocketFileOptions): Promise<SocketFile> {
    if (new TextEncoder().encode(path).length > MAX_SOCKET_PATH_BYTES) {
      const why = `it is longer than the ${MAX_SOCKET_PATH_BYTES} bytes the system allows`;
      throw unusableSocket(path, { why });
    }
    try {
      await checkDirectory(dirname(path));
      const lock = await FileLock.tryTake(lockPath);
      if (!lock) throw new Error("another daemon listens there");
      try {
        await removeStale(path);
        return new SocketFile(path, lock);
      } catch (thrown) {
        lock[Symbol.dispose]();
        throw thrown;
      }
    } catch (thrown) {
      throw unusableSocket(path, { why: messageOf(thrown), cause: thrown });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path).catch(() => {});
    this.#lock[Symbol.dispose]();
  }
}

/**
 * Calls `bind`, which must create a socket at `path` before it returns, so that only this user can ever connect to it. The
 * umask is that of the process: a file that another thread creates meanwhile is private as well.
 */
export function bindPrivately<T>(path: string, bind: () => T): T {
  const umask = Deno.umask(NO_ACCESS_FOR_OTHERS);
  let bound: T;
  try {
    bound = bind();
  } finally {
    Deno.umask(umask);
  }
  Deno.chmodSync(path, OWNER_ONLY);
  return bound;
}

/**
 * Rejects a directory that other users can write to: they could create the socket first, and clients would trust it. The
 * sticky bit of `/tmp` does not prevent that. In the parent directories it does prevent a replacement of `dir`.
 */
async function checkDirectory(dir: string): Promise<void> {
  for (const path of new Set([dir, await Deno.realPath(dir)])) {
    await checkOwner(path);
    const { mode } = await Deno.stat(path);
    if (mode !== null && (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error(`other users may write to ${path}`);
    }
    for (const above of ancestorsOf(path)) {
      await checkOwner(above);
      const { mode } = await Deno.stat(above);
      if (mode === null || (mode & WORLD_WRITABLE) === 0 || (mode & STICKY) !== 0) continue;
      throw new Error(`other users may write to ${above}, which leads to it`);
    }
  }
}

/** Rejects a path, or a symbolic link, that belongs to another user. */
async function checkOwner(path: string): Promise<void> {
  for (const { uid } of [await Deno.lstat(path), await Deno.stat(path)]) {
    if (uid !== null && uid !== Deno.uid() && uid !== 0) throw new Error(`${path} belongs to user ${uid}`);
  }
}

function ancestorsOf(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [above, ...ancestorsOf(above)];
}

async function removeStale(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch((thrown) => {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  });
  if (!info) return;
  if (!info.isSocket) throw new Error("it is there and is no socket");
  if (info.uid !== null && info.uid !== Deno.uid()) throw new Error(`it belongs to user ${info.uid}`);
  if (await isListening(path)) throw new Error("another program listens there");
  await Deno.remove(path);
}

async function isListening(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (thrown) {
    // Refused: no process listens. Any other error, such as a full queue, comes from a live one.
    return !(thrown instanceof Deno.errors.ConnectionRefused || thrown instanceof Deno.errors.NotFound);
  }
}

function unusableSocket(path: string, { why, cause }: { why: string; cause?: unknown }): ExaiError {
  return new ExaiError("CONFIG", `the socket ${path} cannot be used: ${why}`, { cause });
}
