import { getLogger } from "@logtape/logtape";
import { MINUTE_MS } from "./units.ts";

const log = getLogger(["exai", "faults"]);

/** When each handler last logged an error. */
const lastSaidMs = new Map<string, number>();

/**
 * Logs that handling a message threw, once a minute at most: a peer that can cause it once can cause it for each
 * message.
 *
 * @param what whose message it was
 */
export function logHandlerError(what: string, thrown: unknown, nowMs = performance.now()): void {
  const lastMs = lastSaidMs.get(what);
  if (lastMs !== undefined && nowMs - lastMs < MINUTE_MS) return;
  lastSaidMs.set(what, nowMs);
  log.error("{what} could not be handled: {thrown}", { what, thrown });
}

/** Wraps `handle` so that it logs what it throws: the messages after it must still be read. */
export function loggingErrors<T extends unknown[]>(
  what: string,
  handle: (...message: T) => void,
): (...message: T) => void {
  return (...message) => {
    try {
      handle(...message);
    } catch (thrown) {
      logHandlerError(what, thrown);
    }
  };
}
