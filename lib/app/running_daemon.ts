import { ExaiError } from "../base/errors.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { locateDaemon } from "../client/address.ts";
import { probeDaemon } from "../client/probe.ts";
import { describeOwner, type HomeOwner } from "../state/home_lock.ts";

/** How long a daemon may take to accept a connection, and again to answer. */
const PROBE_TIMEOUT_MS = 1000;

/** A daemon that runs: of this state directory, or another one's at the address. */
export interface RunningDaemon extends HomeOwner {
  url: string;
  /** Its state directory, as far as it tells. */
  home?: string;
  /** When the commit it was built from was made, as far as it tells. */
  committedAt?: string;
  /** Whether it ends in favour of a newer daemon that asks it to. */
  handsOver?: boolean;
  /** Whether it has accepted a connection and not answered in time. */
  isBusy?: boolean;
}

/** The daemon that listens where the settings say, by its answer: a file with a process id would not prove it. */
export async function findDaemonAt(
  settings: Settings,
  paths: StatePaths,
): Promise<RunningDaemon | undefined> {
  const url = `${settings.tlsCert ? "wss" : "ws"}://${settings.host}:${settings.port}/`;
  const { socket, usesToken, allowsAnyUser, readToken, readTls } = await locateDaemon(settings, paths);
  const options = { usesToken, allowsAnyUser, readToken, timeoutMs: PROBE_TIMEOUT_MS };
  // By the socket first, which requires no certificate.
  if (socket?.startsWith("/")) {
    const found = await probeDaemon("ws://localhost/", { ...options, socket });
    if (found.kind === "exai") return { ...found, url };
  }
  const found = await probeDaemon(url, { ...options, tls: await readTls?.() });
  return found.kind === "exai" ? { ...found, url } : undefined;
}

/** That `running` runs, in a sentence without an end. */
export function describeRunning(running: RunningDaemon): string {
  const home = running.home === undefined ? "" : ` and uses the state directory ${running.home}`;
  const busy = running.isBusy ? "; it is busy, and does not answer at once" : "";
  return `an EXAI daemon already runs at ${running.url}${describeOwner(running)}${home}${busy}`;
}

/** The error of a start beside `running`; `home` is the state directory of the program that was started. */
export function alreadyRuns(running: RunningDaemon, home: string): ExaiError {
  const isSame = running.home === home;
  const advice = isSame
    ? "use it, stop it first, or set EXAI_HOME and EXAI_WS_PORT to run another beside it"
    : `this one has the state directory ${home}: set EXAI_WS_PORT (--port) to another port, or to 0, to run both, ` +
      "use the other, or stop it first";
  return new ExaiError("CONFIG", `${describeRunning(running)}; ${advice}`);
}
