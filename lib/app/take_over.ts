import { delay } from "@std/async/delay";
import type { JsonObject } from "../base/json.ts";
import { isNewer, OWN_RELEASE } from "../base/release.ts";
import { SECOND_MS } from "../base/units.ts";
import { daemonCommand } from "../client/daemon_program.ts";
import { readInstalledService, runsProgram } from "../client/installed_service.ts";
import { requestHandover } from "../client/request_handover.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { FileLock } from "../state/file_lock.ts";
import { HomeLock } from "../state/home_lock.ts";
import { claimHome } from "./claim_home.ts";
import { passToService } from "./pass_to_service.ts";
import type { RunningDaemon } from "./running_daemon.ts";

/** Between questions to a daemon that cannot answer them. */
const RETRY_MS = SECOND_MS;
/** Questions in a row without an answer, after which the older daemon is no longer asked. */
const MAX_FAILURES = 10;

/** How long a daemon that has said that it ends may take for that: its servers end first. */
const STOP_WAIT_MS = 30 * SECOND_MS;

/** The state directory, taken over from an older daemon. */
export class Succession implements Disposable {
  readonly lock: HomeLock;
  readonly #startLock: FileLock;

  constructor(lock: HomeLock, startLock: FileLock) {
    this.lock = lock;
    this.#startLock = startLock;
  }

  /** Lets shims start daemons again: this one listens, or cannot. */
  [Symbol.dispose](): void {
    this.#startLock[Symbol.dispose]();
  }
}

interface TakeOverOptions {
  settings: Settings;
  paths: StatePaths;
  /** Called with what the older daemon finishes first, when that is something else than before. */
  onWait(waitsFor: string): void;
  /** Whether a window has started this process, and no person: when the older daemon is stopped, none is wanted. */
  isUnattended: boolean;
}

/** Whether this program is to take the place of `running`. */
export function isSuccessorOf({ version = "", committedAt, handsOver }: RunningDaemon): boolean {
  return handsOver === true && isNewer(OWN_RELEASE, { version, committedAt });
}

/**
 * Has `running`, which is older, end at a moment when that loses nothing, and takes its state directory. No shim starts a
 * daemon meanwhile, which might be the older one again: they find `start.lock` taken, and wait for this one. Where the
 * daemon is installed as a service, that takes the place, by its manager.
 *
 * @param options `isService`: whether a service manager has started this process
 * @returns the daemon that has the directory, when that is not this one's to take
 */
export async function takeOver(
  running: RunningDaemon,
  { isService, ...options }: TakeOverOptions & { isService: boolean },
): Promise<Succession | RunningDaemon> {
  const { paths } = options;
  const service = isService ? undefined : await readInstalledService(paths);
  // It is for the service to say which program the daemon is, and its manager may have the address.
  if (service && !runsProgram(service, daemonCommand())) return running;
  using locks = new DisposableStack();
  const startLock = locks.use(await FileLock.tryTake(paths.startLock));
  // Another newer daemon is about to take over, or a shim starts one.
  if (!startLock) return running;
  const found = await succeed(running, options);
  const kept = service && found instanceof HomeLock ? await passToService(found, options) : found;
  if (!(kept instanceof HomeLock)) return kept;
  locks.move();
  return new Succession(kept, startLock);
}

/** Asks until the daemon ends, another has the directory, or it does not answer. */
async function succeed(
  running: RunningDaemon,
  { settings, paths, onWait, isUnattended }: TakeOverOptions,
): Promise<HomeLock | RunningDaemon> {
  let toldOf = "";
  for (let failures = 0;;) {
    const { state, waits_for } = await ask(settings);
    // It may still answer for a moment.
    if (state === "stopping") return await HomeLock.take(paths, STOP_WAIT_MS);
    if (state === "waiting") {
      failures = 0;
      if (waits_for !== toldOf) onWait(toldOf = String(waits_for));
      continue;
    }
    if (state === "stopped") {
      if (isUnattended) return running;
      failures = 0;
    }
    const found = await claimHome(settings, paths);
    if (found instanceof HomeLock || !isSuccessorOf(found) || ++failures >= MAX_FAILURES) return found;
    await delay(RETRY_MS);
  }
}

async function ask(settings: Settings): Promise<JsonObject> {
  try {
    return await requestHandover(settings, OWN_RELEASE);
  } catch {
    // It may be ending, or have been killed: who has the directory shows.
    return { state: "unknown" };
  }
}
