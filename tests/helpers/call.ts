import type { Call } from "../../lib/call/call.ts";
import { ownerOf } from "../../lib/call/owner.ts";
import { SOMEBODY } from "./threads.ts";

/** A call of the tool `probe` by nobody in particular, with some of its parts replaced. */
export function call(parts: Partial<Call> = {}): Call {
  return {
    method: "tools/call",
    params: { name: "probe" },
    caller: {
      id: "session-1",
      client: undefined,
      revision: undefined,
      capabilities: {},
      server: undefined,
      notify: () => {},
      ask: () => Promise.reject(new Error("nobody is there to be asked")),
      roots: () => Promise.resolve(undefined),
      identity: () => Promise.resolve(SOMEBODY),
      belonging: { owner: () => Promise.resolve(ownerOf(SOMEBODY)) },
      cwd: undefined,
      namedDirs: "read",
      logLevel: undefined,
    },
    signal: new AbortController().signal,
    progressToken: undefined,
    notify: () => {},
    ask: () => Promise.reject(new Error("nobody to ask")),
    ...parts,
  };
}
