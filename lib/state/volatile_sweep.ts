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

/** A directory that does not say whose it is may be about to; one with tails may be of an older version, and needed. */
const UNSIGNED_KEEP_MS = { empty: MINUTE_MS, withTails: 24 * HOUR_MS };

/**
 * Clears the directories in memory that daemons of this user have left which were killed, whichever home they had. What
 * a home that is still there needs of them goes into that home. The right to `home` is had.
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
      log.debug("{dir} stays: {why}", { dir, why: messageOf(thrown) });
    }
  }
}

/** The sockets of homes whose path is too long for one in them, and their locks. */
const SOCKET_NAME = /^exai-[0-9a-z]{7}\.sock(\.lock)?$/;

/**
 * Removes the sockets daemons of this user have left in the user's directory for sockets. A daemon that lives holds the
 * lock of its own. The right to `home` is had.
 */
export async function sweepSockets(home: string, dir: string | undefined = runtimeDir()): Promise<void> {
  const names = dir === undefined ? [] : await Array.fromAsync(Deno.readDir(dir)).catch(() => []);
  const own = socketName(home);
  const paths = names.filter(({ name }) => SOCKET_NAME.test(name) && !name.startsWith(own))
    .map(({ name }) => join(dir!, name.replace(/\.lock$/, "")));
  for (const path of new Set(paths)) {
    try {
      await clearSocket(path);
    } catch (thrown) {
      log.debug("{path} stays: {why}", { path, why: messageOf(thrown) });
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
  // A relative path leads elsewhere from here.
  if (owner === undefined || !isAbsolute(owner) || volatileName(owner) !== basename(dir)) {
    return clearUnsigned(dir);
  }
  // Ours, from a time when another directory was to be used.
  if (owner === home) return moveTails(dir, home);
  if (!await isOwnDirectory(owner)) {
    if (discardVolatileDir(dir)) {
      log.info("{dir} was left by a daemon whose home {owner} is gone", { dir, owner });
    }
    return;
  }
  const paths = statePaths({ home: owner });
  // A home without one is being made or removed, and not by us.
  if (!await Deno.stat(paths.lock).catch(() => undefined)) return;
  using lock = await HomeLock.tryTake(paths);
  if (!lock) return;
  moveTails(dir, owner);
  log.info("{dir} was left by a daemon that is gone; what it held is in {owner}", { dir, owner });
}

function clearUnsigned(dir: string): void {
  const ageMs = Date.now() - changedAtMs(dir);
  const isEmpty = [...Deno.readDirSync(dir)].length === 0;
  if (ageMs > (isEmpty ? UNSIGNED_KEEP_MS.empty : UNSIGNED_KEEP_MS.withTails)) discardVolatileDir(dir);
}

/**
 * Whether the home is there.
 *
 * @throws what the file system says when that cannot be known, or that it is another user's
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
