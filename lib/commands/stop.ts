import { UsageError } from "../base/errors.ts";
import { counted, quoteName } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Action, CommandFlag, CommandResult, Invocation } from "./command.ts";
import { stopDaemon, type StoppedDaemon } from "./stop_daemon.ts";

/** How long `--force` waits before it kills, unless `--timeout` says so. */
const FORCE_AFTER_MS = 5 * SECOND_MS;
const MAX_TIMEOUT_S = 86_400;

/** The flags of the commands that stop the daemon. */
export const STOP_FLAGS: readonly CommandFlag[] = [
  { name: "force", help: "Kill the daemon if it has not ended in time, five seconds without --timeout" },
  {
    name: "timeout",
    value: "SECONDS",
    help:
      "How long to wait for its end; as long as its calls may take to end (EXAI_DRAIN_TIMEOUT) by default",
  },
];

export const stopCommand: Action = {
  summary: "Stop the daemon once its calls have ended",
  about: [
    "A window that needs a daemon afterwards starts one, unless EXAI_WS_AUTOSTART is false.",
  ],
  forms: [{
    args: "",
    does: "stops the daemon: calls that run may end, and the command waits until its process has ended",
  }],
  flags: STOP_FLAGS,
  exits: {
    0: "the daemon has ended, or none ran",
    1: "it has not ended in time",
    3: "what answers is not the daemon of this state directory, or refuses the command",
  },
  run: stop,
};

async function stop(invocation: Invocation): Promise<CommandResult> {
  const stopped = await stopDaemon(invocation.settings, stopOptions(invocation));
  if (stopped === undefined) return { text: "No daemon runs.", json: { stopped: false } };
  return { text: describeStopped(stopped), json: { stopped: true, ...stoppedJson(stopped) } };
}

/**
 * How the flags say that the daemon is stopped.
 *
 * @throws {UsageError} for a time that is none
 */
export function stopOptions({ switches, options, progress }: Invocation) {
  const force = switches.has("force");
  const given = options.get("timeout")?.at(-1);
  if (given === undefined) return { progress, force, timeoutMs: force ? FORCE_AFTER_MS : undefined };
  const seconds = /^\d{1,5}(\.\d{1,3})?$/.test(given) ? Number(given) : NaN;
  if (seconds <= MAX_TIMEOUT_S) return { progress, force, timeoutMs: seconds * SECOND_MS };
  throw new UsageError(`--timeout is ${quoteName(given)}; allowed: seconds, 0 to ${MAX_TIMEOUT_S}`);
}

/** What became of the daemon, in sentences. */
export function describeStopped({ pid, calls, isKilled, successor }: StoppedDaemon): string {
  const which = pid === undefined ? "" : ` (process ${pid})`;
  const how = isKilled ? "did not end in time and was killed" : "has stopped";
  const after = calls === 0 || isKilled ? "" : ` after ${counted(calls, "call")}`;
  const next = successor === undefined
    ? ""
    : `\nA window that needs a daemon has started another: process ${successor}.`;
  return `The daemon${which} ${how}${after}.${next}`;
}

export function stoppedJson({ pid, calls, isKilled, successor }: StoppedDaemon) {
  return { pid, calls, killed: isKilled, successor_pid: successor };
}
