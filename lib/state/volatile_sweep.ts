import { getLogger } from "@logtape/logtape";
import { basename, isAbsolute, join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { HOUR_MS, MINUTE_MS } from "../base/units.ts";
import {
  runtimeDir,
  socketName,
  statePaths,
  volatileBases,
  volatileDir,
  volatileName,
  volatilePrefix,
} from "../config/paths.ts";
import { changedAtMs, discardVolatileDir, homeOf, moveTails, volatileDirs } from "./volatile_dir.ts";
import { FileLock } from "./file_lock.ts";
import { HomeLock } from "./home_lock.ts";

const log = getLogger(["exai", "state"]);

/**
 * How long a directory that names no home is kept, in milliseconds: an empty one may be in the making, and one with
 * tails may belong to an older version.
 */
const UNSIGNED_MAX_AGE_MS = { empty: MINUTE_MS, withTails: 24 * HOUR_MS };

/**
 * Clears the volatile directories that killed daemons of this user left, whatever their homes. Tails that an existing
 * home needs are moved into it. The caller holds the lock of `home`.
 */
export async function sweepVolatileDirs(
  home: string,
  bases: readonly string[] = volatileBases(),
): Promise<void> {
  const own = volatileDir(home);
  for (const dir of bases.flatMap((base) => volatileDirs(base, volatilePrefix()))) {
    if (dir === own) continue;
    try {
      await clear(dir, home);
    } catch (thrown) {
      log.debug("{dir} is kept: {why}", { dir, why: messageOf(thrown) });
    }
  }
}

/** Sockets of homes whose own path would be too long for a socket, and their locks. */
const SOCKET_NAME = /^exai-[0-9a-z]{7}\.sock(\.lock)?$/;

/**
 * Removes the sockets that ended daemons of this user left in the user's runtime directory. A running daemon holds the
 * lock of its socket. The caller holds the lock of `home`.
 */
export async function sweepSockets(home: string, dir: string | undefined = runtimeDir()): Promise<void> {
  if (dir === undefined) return;
  const entries = await Array.fromAsync(Deno.readDir(dir)).catch(() => []);
  const own = socketName(home);
  const paths = entries.filter(({ name }) => SOCKET_NAME.test(name) && !name.startsWith(own))
    .map(({ name }) => join(dir, name.replace(/\.lock$/, "")));
  for (const path of new Set(paths)) {
    try {
      await clearSocket(path);
    } catch (thrown) {
      log.debug("{path} is kept: {why}", { path, why: messageOf(thrown) });
    }
  }
}

async function clearSocket(path: string): Promise<void> {
  for (const part of [path, `${path}.lock`]) {
    const info = await Deno.lstat(part).catch(() => undefined);
    if (info && info.uid !== Deno.uid()) return;
  }
  using lock = await FileLock.tryTake(`${path}.lock`);
  if (!lock) return;
  await Deno.remove(path).catch(() => {});
  await Deno.remove(`${path}.lock`);
  log.info("{path} was left by a daemon that is gone", { path });
}

async function clear(dir: string, home: string): Promise<void> {
  const owner = homeOf(dir);
  // A relative path would be resolved against another working directory.
  if (owner === undefined || !isAbsolute(owner) || volatileName(owner) !== basename(dir)) {
    return clearUnsigned(dir);
  }
  // Of this home, from before the preferred base directory changed.
  if (owner === home) return moveTails(dir, home);
  if (!await isOwnDirectory(owner)) {
    if (discardVolatileDir(dir)) {
      log.info("{dir} was left by a daemon whose home {owner} is gone", { dir, owner });
    }
    return;
  }
  const paths = statePaths({ home: owner });
  // A home without a lock file is being created or removed, and one that is removed meanwhile must not get one.
  using lock = await HomeLock.tryTake(paths, { create: false });
  if (!lock) return;
  moveTails(dir, owner);
  log.info("{dir} was left by a daemon that is gone; what it held is in {owner}", { dir, owner });
}

function clearUnsigned(dir: string): void {
  const ageMs = Date.now() - changedAtMs(dir);
  const isEmpty = [...Deno.readDirSync(dir)].length === 0;
  if (ageMs > (isEmpty ? UNSIGNED_MAX_AGE_MS.empty : UNSIGNED_MAX_AGE_MS.withTails)) discardVolatileDir(dir);
}

/**
 * Whether the home exists.
 *
 * @throws what the file system says when that is unknown, or that it belongs to another user
 */
async function isOwnDirectory(path: string): Promise<boolean> {
  try {
    const { isDirectory, uid } = await Deno.stat(path);
    if (isDirectory && uid !== null && uid !== Deno.uid()) throw new Error(`${path} belongs to user ${uid}`);
    return isDirectory;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return false;
    throw thrown;
  }
}
