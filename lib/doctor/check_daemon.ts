import { describeRelease, isNewer, OWN_RELEASE } from "../base/release.ts";
import { readOwnFile } from "../client/own_files.ts";
import { fault, type Finding, type Repair, warning } from "./finding.ts";
import type { Installation, RunningDaemonState } from "./installation.ts";

/** The daemon of the state directory: whether it answers, which version it is, what it says of itself. */
export async function checkDaemon({ daemon, paths, settings }: Installation): Promise<Finding[]> {
  const state = await daemon;
  switch (state.is) {
    case "running":
      return [...versionFindings(state), ...healthFindings(state)];
    case "silent":
      return [fault(
        "daemon-silent",
        `the daemon${processOf(state)} holds the state directory and does not answer: ${state.why}`,
        `end it: exai-daemon stop --force; logs/daemon.log in ${paths.home} may say what it does`,
      )];
    case "refusing":
      return [fault(
        "daemon-refuses",
        `the daemon${processOf(state)} does not let this program in: ${state.why}`,
        "give both the same token: write it, or auto, into exai.json, take EXAI_WS_TOKEN out of the environment, " +
          "and start the daemon again",
      )];
    case "stopped":
      return await stoppedFindings(paths.startFailure, settings.autostart);
  }
}

function processOf({ pid }: { pid?: number }): string {
  return pid === undefined ? "" : ` (process ${pid})`;
}

/** One that runs no call can be stopped: its windows start this version and go on. */
function versionFindings({ pid, release, handsOver, health }: RunningDaemonState): Finding[] {
  const shown = [describeRelease(release, OWN_RELEASE), describeRelease(OWN_RELEASE, release)];
  const both = `the daemon that runs (process ${pid}) is ${shown[0]}, and this program is ${shown[1]}`;
  if (isNewer(release, OWN_RELEASE)) {
    const remedy = "use the exai-daemon and exai-shim of the newer one, and update what editors start";
    return [warning("program-old", `${both}: this one is older`, remedy)];
  }
  if (!isNewer(OWN_RELEASE, release)) return [];
  const isIdle = health.inflight === 0 && health.queued === 0;
  const repairs: Repair[] = isIdle ? [{ kind: "stop daemon", pid }] : [];
  const when = isIdle ? "" : ", once its calls have ended";
  return handsOver
    ? [warning(
      "daemon-old",
      `${both}; the next window of this version has it replaced once no call runs`,
      `nothing has to be done; exai-daemon restart does it now${when}`,
      ...repairs,
    )]
    : [
      fault(
        "daemon-old",
        `${both}: it was not restarted since the update`,
        `exai-daemon restart${when}`,
        ...repairs,
      ),
    ];
}

function healthFindings({ health }: RunningDaemonState): Finding[] {
  const reasons = Array.isArray(health.reasons) ? health.reasons.map(String) : [];
  return reasons.map((reason) =>
    warning(
      "daemon-degraded",
      `the daemon says: ${reason}`,
      "exai-daemon ps shows more; docs/troubleshooting.md",
    )
  );
}

/** Why the daemon that a window started last could not start, unless another program has written that. */
async function stoppedFindings(startFailure: string, autostart: boolean): Promise<Finding[]> {
  const { text } = await readOwnFile(startFailure);
  const failed = text === undefined ? [] : [fault(
    "start-failed",
    `the daemon that a window started last could not start: ${text.trim()}`,
    "correct that, and run exai-daemon in a terminal to see whether it starts",
  )];
  return autostart ? failed : [
    ...failed,
    fault(
      "autostart-off",
      "no daemon runs, and windows are told not to start one (EXAI_WS_AUTOSTART)",
      "start exai-daemon, or set EXAI_WS_AUTOSTART to true",
    ),
  ];
}
