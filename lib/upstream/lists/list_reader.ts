import { ExaiError } from "../../base/errors.ts";
import type { Caller } from "../../call/call.ts";

const READER_ID = "exai-lists";

/**
 * On whose behalf servers are started only to read their lists while no window is there: nobody can be asked anything,
 * or told.
 *
 * @param dir where they run
 */
export function listReader(dir: string): Caller {
  const nobody = () => Promise.reject(new ExaiError("CANCELLED", "no window is there"));
  return {
    id: READER_ID,
    client: undefined,
    revision: undefined,
    capabilities: {},
    cwd: dir,
    namedDirs: "start",
    belonging: { owner: nobody },
    logLevel: undefined,
    server: undefined,
    notify: () => {},
    ask: nobody,
    roots: () => Promise.resolve(undefined),
    identity: nobody,
    privateOwner: nobody,
  };
}

/** Whether `caller` is no window, so that a process bound to it is of no use to any. */
export function isListReader({ id }: Caller): boolean {
  return id === READER_ID;
}
