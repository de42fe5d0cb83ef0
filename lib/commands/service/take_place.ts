import { SECOND_MS } from "../../base/units.ts";
import { hasDaemon } from "../../client/address.ts";
import { requestHandover } from "../../client/request_handover.ts";
import { statePaths } from "../../config/paths.ts";
import { HomeLock } from "../../state/home_lock.ts";
import type { Invocation } from "../command.ts";

/** How long a daemon that runs may go on with what an end would cut off. */
const QUIET_WAIT_MS = 60 * SECOND_MS;

/** How long it may take to end then: its servers end first. */
const END_WAIT_MS = 30 * SECOND_MS;

/**
 * Has the daemon that runs end at a moment when that loses nothing, so that the service can take its place.
 *
 * @returns what it goes on with, in words, when there is no such moment in time; undefined when none runs any more
 * @throws {ExaiError} `CONFIG` when it does not end, though it has said that it does
 */
export async function endRunningDaemon(
  { settings, progress }: Pick<Invocation, "settings" | "progress">,
): Promise<string | undefined> {
  const paths = statePaths(settings);
  // By what it has written: to connect may start the service.
  if (!await hasDaemon(paths)) return undefined;
  const deadlineMs = performance.now() + QUIET_WAIT_MS;
  for (;;) {
    const { state, waits_for } = await requestHandover(settings, "service");
    if (state !== "waiting") break;
    if (performance.now() > deadlineMs) return String(waits_for);
    progress.step(`waiting for ${waits_for}`);
  }
  progress.step("waiting for the daemon that runs to end");
  const lock = await HomeLock.take(paths, END_WAIT_MS);
  lock[Symbol.dispose]();
  return undefined;
}
