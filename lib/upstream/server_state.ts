import { visible } from "../base/visible.ts";
import { monotonicNow } from "../base/time.ts";
import { clipRedacted } from "../base/text.ts";
import { adviceOnFailure, type ServerTrouble } from "../call/server_trouble.ts";
import { type ConfigFault, formatFault } from "../config/config_fault.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Caller } from "../call/call.ts";
import type { FaultyEntry } from "../config/servers_watch.ts";
import type { ProcessRecord } from "./process_records.ts";
import { DIRECTORY_ADVICE, whyNotStarted } from "./sharing/required_workspace.ts";
import { loginToolName } from "../config/account_choice.ts";

/** Longest cause shown, in characters: a server's last words on stderr are part of it. */
const MAX_CAUSE_CHARS = 600;

/** A process that has failed and not started since. */
interface FailedState {
  /** `failed`: the next call starts it again. */
  is: "failed" | "backing off" | "crash limit reached";
  /** Failures in a row. */
  failures: number;
  retryAt: Date;
  lastError: string;
  /** The window's situation made the start fail, such as a missing directory. */
  isCallersFault: boolean;
  /** Whether the server is behind a URL. */
  isRemote: boolean;
  /** The program is not there, which concerns every window. */
  isProgramMissing: boolean;
}

/**
 * The state of one configured server, or of one of its processes. `ps`, health, the instructions of a window, its log
 * notifications and the errors of its calls are all made of it.
 */
export type ServerState =
  | { is: "running" }
  | { is: "starting" }
  /** Not needed yet, or stopped. */
  | { is: "not started" }
  | FailedState
  /** `isKept`: the server still runs as it was before the entry became faulty. */
  | { is: "faulty entry"; faults: readonly ConfigFault[]; isKept: boolean }
  | { is: "variable not set"; variables: readonly string[]; faults: readonly ConfigFault[]; isKept: boolean }
  /** Nobody is signed in to it. */
  | { is: "needs a login"; why: string }
  /** No window that is open has a directory it may be given, and its entry needs one. */
  | { is: "needs a directory"; why: string }
  | { is: "disabled" };

/** The state of an entry that no server can be made of as it stands. */
export function stateOfEntry({ faults, isKept }: FaultyEntry): ServerState {
  const variables = [...new Set(faults.flatMap(({ unset }) => unset ?? []))];
  if (variables.length === 0) return { is: "faulty entry", faults, isKept };
  return { is: "variable not set", variables, faults, isKept };
}

/** The state of a process that does not run. */
export function stateOfStopped(
  { supervisor: { failureState, isRemote } }: Pick<ProcessRecord, "supervisor">,
): ServerState {
  if (!failureState) return { is: "not started" };
  const { crashLimitReached, retryAt, failures, lastError, isCallersFault, isProgramMissing } = failureState;
  if (failureState.isLoginRequired) return { is: "needs a login", why: lastError };
  const isBackingOff = retryAt.getTime() > monotonicNow();
  const is = crashLimitReached ? "crash limit reached" : isBackingOff ? "backing off" : "failed";
  return { is, failures, retryAt, lastError, isCallersFault, isRemote, isProgramMissing };
}

/** Whether the state is that of a process that has failed. */
export function hasFailed(state: ServerState): state is FailedState {
  return state.is === "failed" || state.is === "backing off" || state.is === "crash limit reached";
}

/** Whether a process cannot be started for any window, wherever it was tried. */
export function isProgramMissing(state: ServerState): boolean {
  return hasFailed(state) && state.isProgramMissing;
}

/**
 * Whether the server cannot be started for a window in the directory `workspace`, a real path, whose client has no roots;
 * undefined: it can.
 */
export function directoryTrouble(
  config: ServerConfig,
  workspace: string | undefined,
): ServerState | undefined {
  const why = whyNotStarted(config, workspace);
  return why === undefined ? undefined : { is: "needs a directory", why };
}

/** The state of a server none of whose processes was needed so far, while `windows` are open. */
export function stateOfUnused(
  config: ServerConfig,
  windows: readonly Pick<Caller, "cwd" | "capabilities">[],
): ServerState {
  // A client with roots may still name a directory.
  const troubles = windows.map(({ cwd, capabilities }) =>
    capabilities.roots === undefined ? directoryTrouble(config, cwd) : undefined
  );
  return troubles.every((trouble) => trouble !== undefined) && troubles[0] || { is: "not started" };
}

/** What is wrong with the server in this state, and what to do about it; undefined: nothing. */
export function troubleOf(server: string, state: ServerState): ServerTrouble | undefined {
  switch (state.is) {
    case "running":
    case "starting":
    case "not started":
      return undefined;
    case "failed":
    case "backing off":
    case "crash limit reached":
      return {
        server,
        cause: shortened(state.lastError),
        advice: state.isCallersFault
          ? "the next call tries again"
          : adviceOnFailure({ name: server, isRemote: state.isRemote }),
        namesServer: true,
      };
    case "faulty entry":
    case "variable not set":
      return { server, cause: causeOf(state.faults), advice: adviceOnEntry(state) };
    case "needs a login":
      return {
        server,
        cause: shortened(state.why),
        advice: `or have a window call ${loginToolName(server)}`,
        namesServer: true,
      };
    case "needs a directory":
      return { server, cause: state.why, advice: DIRECTORY_ADVICE };
    case "disabled":
      return {
        server,
        cause: "it is switched off in mcp.json",
        advice: 'take "disabled" (or "enabled": false) out of its entry there to use it',
      };
  }
}

/** `faults`, of one entry or of the file as a whole, in one line. */
export function causeOf(faults: readonly ConfigFault[]): string {
  return shortened(faults.map((fault) => formatFault({ ...fault, server: undefined })).join("; "));
}

function adviceOnEntry(state: Extract<ServerState, { isKept: boolean }>): string {
  const kept = state.isKept ? "; until then it runs as its entry was before" : "";
  // What to set where is part of the fault.
  return state.is === "variable not set"
    ? `after that, \`exai-daemon reload\` takes it over${kept}`
    : `correct the entry; mcp.json is read again when it is saved${kept}`;
}

function shortened(cause: string): string {
  return visible(
    cause.length > MAX_CAUSE_CHARS ? `${clipRedacted(cause, MAX_CAUSE_CHARS)}…` : cause,
    Infinity,
  );
}
