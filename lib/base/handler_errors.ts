import { getLogger } from "@logtape/logtape";
import { MINUTE_MS } from "./units.ts";

const log = getLogger(["exai", "faults"]);

/** When each place last said that something went wrong there. */
const lastSaidMs = new Map<string, number>();

/**
 * Says that handling one message of a peer (`what`: whose) threw, once a minute at most: whoever can make it happen once
 * can make it happen for every message. It is caught where messages are read, so that the next ones are still read.
 */
export function logHandlerError(what: string, thrown: unknown, nowMs = performance.now()): void {
  const lastMs = lastSaidMs.get(what);
  if (lastMs !== undefined && nowMs - lastMs < MINUTE_MS) return;
  lastSaidMs.set(what, nowMs);
  log.error("{what} could not be handled: {thrown}", { what, thrown });
}

/** `handle` without throwing: whoever reads messages has more to read, and those belong to others too. */
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
