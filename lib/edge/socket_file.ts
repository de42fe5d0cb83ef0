import { dirname } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import { FileLock } from "../state/file_lock.ts";

/** Longest path a Unix socket can have, in bytes: `sun_path` less the zero that ends it. */
export const MAX_SOCKET_PATH_BYTES = Deno.build.os === "darwin" ? 103 : 107;

const OWNER_ONLY = 0o600;
const OTHERS_NOTHING = 0o077;
const OTHERS_WRITE = 0o022;
const EVERYBODY_WRITES = 0o002;
const STICKY = 0o1000;

interface SocketFileOptions {
  path: string;
  /** A file of its own, locked for as long as the socket is used: the system frees it when its holder dies. */
  lockPath: string;
}

/**
 * The right to listen at a path. Whoever holds the lock is the one daemon whose socket it is, so what a dead one left
 * there is removed, and a live one's never.
 */
export class SocketFile implements AsyncDisposable {
  readonly path: string;
  readonly #lock: FileLock;

  private constructor(path: string, lock: FileLock) {
    this.path = path;
    this.#lock = lock;
  }

  /** @throws {ExaiError} `CONFIG`: another daemon's, something else's, or a directory others may write to */
  static async claim({ path, lockPath }: SocketFileOptions): Promise<SocketFile> {
    if (new TextEncoder().encode(path).length > MAX_SOCKET_PATH_BYTES) {
      throw refusal(path, `it is longer than the ${MAX_SOCKET_PATH_BYTES} bytes the system allows`);
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
      throw refusal(path, messageOf(thrown), thrown);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path).catch(() => {});
    this.#lock[Symbol.dispose]();
  }
}

/**
 * Makes a socket at `path` that nobody but the user can connect to, from the moment it is there: `bind` makes it before
 * it returns. The umask holds for the whole process; a file another thread makes meanwhile is private too, no worse.
 */
export function bindPrivately<T>(path: string, bind: () => T): T {
  const umask = Deno.umask(OTHERS_NOTHING);
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
 * In a directory others can write to they could put their own socket there before ours, which clients would then take
 * for ours; the sticky bit, as /tmp has it, does not help against that. The same holds for what leads there, where the
 * sticky bit keeps others from replacing a directory that is ours.
 */
async function checkDirectory(dir: string): Promise<void> {
  for (const place of new Set([dir, await Deno.realPath(dir)])) {
    await checkOwner(place);
    const { mode } = await Deno.stat(place);
    if (mode !== null && (mode & OTHERS_WRITE) !== 0) throw new Error(`other users may write to ${place}`);
    for (const above of ancestorsOf(place)) {
      await checkOwner(above);
      const { mode } = await Deno.stat(above);
      if (mode === null || (mode & EVERYBODY_WRITES) === 0 || (mode & STICKY) !== 0) continue;
      throw new Error(`other users may write to ${above}, which leads to it`);
    }
  }
}

/** Refuses what belongs to another user, a symbolic link among it. */
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
    // Nobody listens: refused. Anything else, as a full queue, is a sign of life.
    return !(thrown instanceof Deno.errors.ConnectionRefused || thrown instanceof Deno.errors.NotFound);
  }
}

function refusal(path: string, why: string, cause?: unknown): ExaiError {
  return new ExaiError("CONFIG", `the socket ${path} cannot be used: ${why}`, { cause });
}
