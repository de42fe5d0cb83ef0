import { delay } from "@std/async/delay";
import { resolve } from "@std/path/resolve";
import { resolvedWithin, withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { counted } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import { isAlive } from "../state/live_process.ts";
import { askDaemon, isDaemonRunning } from "../client/daemon_client.ts";
import { isLocal } from "../client/daemon_url.ts";
import { parseObject } from "../client/frames.ts";
import { isNoDaemon, LinkError } from "../client/link_target.ts";
import { readOwnFile } from "../client/own_files.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { describeOwner, HomeLock, type HomeOwner } from "../state/home_lock.ts";
import type { CommandProgress } from "./progress.ts";

/** How a daemon is stopped. */
interface StopOptions {
  /** How long to wait for its end; undefined: as long as its calls may take to end, and somewhat more. */
  timeoutMs: number | undefined;
  /** Whether it is killed then. */
  force: boolean;
  progress: CommandProgress;
}

/** A daemon that has been stopped. */
export interface StoppedDaemon {
  pid: number | undefined;
  /** How many of its calls ran when it was asked to stop. */
  calls: number;
  isKilled: boolean;
  /** The process that a window that needs a daemon has started meanwhile. */
  successor: number | undefined;
}

const POLL_MS = 50;
/** Between two attempts to reach a daemon that starts, or does not answer. */
const RETRY_MS = SECOND_MS / 4;
const ASK_TIMEOUT_MS = 10 * SECOND_MS;
/** A daemon is asked for at least so long, however short the time is. */
const MIN_ASK_MS = SECOND_MS;
/** How long a daemon may take to close everything once its calls have ended. */
const CLOSE_MS = 15 * SECOND_MS;
/** How long one that does not answer is waited for. */
const SILENT_MS = 20 * SECOND_MS;
const KILLED_MS = 5 * SECOND_MS;

/**
 * Stops the daemon: it ends its calls, and is waited for until its process has ended and the state directory is free.
 *
 * @returns undefined when none runs
 * @throws {ExaiError} `TIMEOUT` when it has not ended in time; `DAEMON_UNAVAILABLE` when what answers is no daemon of ours
 */
export async function stopDaemon(
  settings: Settings,
  options: StopOptions,
): Promise<StoppedDaemon | undefined> {
  const paths = statePaths(settings);
  const begunAt = performance.now();
  const leftMs = (ownMs: number) => begunAt + (options.timeoutMs ?? ownMs) - performance.now();
  const asked = await askToStop(settings, paths, {
    leftMs: () => leftMs(SILENT_MS),
    progress: options.progress,
  });
  if (asked === undefined) return undefined;
  const { pid, calls, drainMs } = asked;
  options.progress.step(
    calls > 0 ? `waiting for ${counted(calls, "call")} to end` : "waiting for the daemon to end",
  );
  const hasEnded = () => isGone(settings, pid);
  let isKilled = false;
  if (!await isSoon(hasEnded, leftMs(drainMs + CLOSE_MS))) {
    if (!options.force || pid === undefined) throw stillThere(asked, performance.now() - begunAt);
    options.progress.step(`ending process ${pid}`);
    kill(pid, "SIGKILL");
    isKilled = true;
    if (!await isSoon(hasEnded, KILLED_MS)) throw stillThere(asked, performance.now() - begunAt);
  }
  return { pid, calls, isKilled, successor: await successorOf(pid, paths) };
}

/** What is known of a daemon that is to end. */
interface AskedDaemon {
  pid: number | undefined;
  calls: number;
  drainMs: number;
  /** Whether it has not answered. */
  isSilent: boolean;
}

/** Asks until a daemon has answered, none is there, or the time is over. */
async function askToStop(
  settings: Settings,
  paths: StatePaths,
  { leftMs, progress }: { leftMs(): number; progress: CommandProgress },
): Promise<AskedDaemon | undefined> {
  progress.step("asking the daemon to stop");
  const path = isLocal(settings.host)
    ? `/stop?${new URLSearchParams({ home: await realHome(paths) })}`
    : "/stop";
  for (;;) {
    try {
      const timeoutMs = Math.min(ASK_TIMEOUT_MS, Math.max(MIN_ASK_MS, leftMs()));
      const answer = await withDeadline(askDaemon(settings, path, "POST", timeoutMs), {
        timeoutMs,
        late: new ExaiError("DAEMON_UNAVAILABLE", "the daemon does not answer"),
      });
      return {
        pid: isLocal(settings.host) ? Number(answer.pid) : undefined,
        calls: Number(answer.calls),
        drainMs: Number(answer.drain_timeout_ms),
        isSilent: false,
      };
    } catch (thrown) {
      const holder = await HomeLock.holder(paths);
      if (holder === undefined) {
        if (isNoDaemonError(thrown)) return undefined;
        throw thrown;
      }
      const pid = holder.pid ?? await writtenPid(paths);
      const silent = { pid, calls: 0, drainMs: settings.drainTimeoutMs, isSilent: true };
      // A daemon of a version before this command knows signals alone.
      if (thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND" && pid !== undefined) {
        kill(pid, "SIGTERM");
        return { ...silent, isSilent: false };
      }
      if (leftMs() <= 0) return silent;
      progress.step(`waiting for an answer of the daemon${describeOwner(holder)}`);
      await delay(RETRY_MS);
    }
  }
}

/** Another daemon may listen at the port of the settings: it is told which one is meant. */
async function realHome({ home }: StatePaths): Promise<string> {
  return await Deno.realPath(home).catch(() => resolve(home));
}

/** Whether nothing listens where the daemon would. */
export function isNoDaemonError(thrown: unknown): boolean {
  const { cause } = ExaiError.from(thrown);
  return cause instanceof LinkError && isNoDaemon(cause);
}

/** The process id in `daemon.json`: the lock file cannot be read on Windows while it is locked. */
async function writtenPid(paths: StatePaths): Promise<number | undefined> {
  const { text } = await readOwnFile(paths.endpoint);
  const pid = text === undefined ? undefined : parseObject(text)?.pid;
  return typeof pid === "number" ? pid : undefined;
}

async function isGone(settings: Settings, pid: number | undefined): Promise<boolean> {
  return pid === undefined ? !await isDaemonRunning(settings) : !await isAlive(pid);
}

async function isSoon(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (performance.now() < end) {
    if (await resolvedWithin(condition(), timeoutMs)) return true;
    await delay(POLL_MS);
  }
  return await condition();
}

/** On Windows every signal ends the process at once. */
function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended, or is another user's: its end is waited for either way.
  }
}

/** Another process that has the state directory by now. */
async function successorOf(pid: number | undefined, paths: StatePaths): Promise<number | undefined> {
  const holder: HomeOwner | undefined = await HomeLock.holder(paths);
  const next = holder && (holder.pid ?? await writtenPid(paths));
  return next === pid ? undefined : next;
}

function stillThere({ pid, isSilent }: AskedDaemon, waitedMs: number): ExaiError {
  const which = pid === undefined ? "the daemon" : `the daemon (process ${pid})`;
  const what = isSilent ? "does not answer, and has not ended" : "was asked to stop, and has not ended";
  return new ExaiError(
    "TIMEOUT",
    `${which} ${what} within ${Math.round(waitedMs / SECOND_MS)} s; exai-daemon stop --force kills it, ` +
      "which loses the calls that run",
  );
}
