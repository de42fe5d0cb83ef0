import type { Call, Caller } from "../../lib/call/call.ts";
import { ownerOf } from "../../lib/call/owner.ts";
import { SOMEBODY } from "./threads.ts";

/** One session for all calls, so that its state persists between them. */
const NOBODY: Caller = {
  id: "session-1",
  client: undefined,
  revision: undefined,
  capabilities: {},
  server: undefined,
  notify: () => {},
  ask: () => Promise.reject(new Error("nobody is there to be asked")),
  roots: () => Promise.resolve(undefined),
  identity: () => Promise.resolve(SOMEBODY),
  privateOwner: () => Promise.resolve(ownerOf(SOMEBODY)),
  belonging: { owner: () => Promise.resolve(ownerOf(SOMEBODY)) },
  cwd: undefined,
  namedDirs: "read",
  logLevel: undefined,
};

/** A call of the tool `probe` by an arbitrary caller, with some of its parts replaced. */
export function call(parts: Partial<Call> = {}): Call {
  return {
    method: "tools/call",
    params: { name: "probe" },
    caller: NOBODY,
    signal: new AbortController().signal,
    progressToken: undefined,
    notify: () => {},
    ask: () => Promise.reject(new Error("nobody to ask")),
    ...parts,
  };
}
