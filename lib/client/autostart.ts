import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { messageOf } from "../base/errors.ts";
import type { StatePaths } from "../config/paths.ts";
import { DAEMON_START_TIMEOUT_MS, SETTINGS_EXIT_CODE } from "../config/settings.ts";
import { FileLock } from "../state/file_lock.ts";
import { Backoff } from "../base/backoff.ts";
import type { ServiceStart } from "./installed_service.ts";
import type { Link } from "./link.ts";
import { hasDaemon } from "./address.ts";
import { daemonCommand } from "./daemon_program.ts";
import { isNoDaemon, LinkError, type LinkFault } from "./link_target.ts";
import { readOwnFile } from "./own_files.ts";
import { type DetachedProgram, startDetached } from "./start_detached.ts";

const log = getLogger(["exai", "shim"]);

/** Interval between attempts to connect to the daemon being started. */
const POLL_MS = 25;
/** As above while another window starts it. */
const LOCKED_POLL_MS = 100;

/** How long a service manager may take, which may say that it starts a program and does not. */
const SERVICE_START_TIMEOUT_MS = 15_000;

const NO_ANSWER = `has not answered within ${DAEMON_START_TIMEOUT_MS / 1000} s`;

/** Starts the daemon; of many shims at the same moment only one does. */
export class DaemonStarter {
  readonly #environment: Record<string, string>;
  readonly #paths: StatePaths;
  readonly #backoff = new Backoff({ minMs: 3000, maxMs: 30_000 });
  readonly #start: typeof startDetached;
  #notBefore = 0;
  #lastError: LinkError | undefined;

  /**
   * @param environment all variables of the daemon; it inherits none of this process
   * @param options `start`: starts a program; another in tests
   */
  constructor(
    environment: Record<string, string>,
    paths: StatePaths,
    options: { start?: typeof startDetached } = {},
  ) {
    this.#environment = environment;
    this.#paths = paths;
    this.#start = options.start ?? startDetached;
  }

  /**
   * Starts the daemon, unless another process has done so, and connects to it.
   *
   * @param dial makes one attempt to connect
   * @param why `isOccupied`: another program has the port, which is not dialled before a daemon has written its address
   * @throws {LinkError} `refused` when the daemon cannot be started, ends at once, or does not answer
   */
  async start(dial: () => Promise<Link>, { isOccupied }: { isOccupied?: boolean } = {}): Promise<Link> {
    // A daemon that cannot start is not started again for each request.
    if (this.#lastError && performance.now() < this.#notBefore) throw this.#lastError;
    try {
      const link = await this.#startOnce(async () =>
        isOccupied && !await hasDaemon(this.#paths) ? undefined : await tryDial(dial)
      );
      this.#backoff.reset();
      this.#lastError = undefined;
      return link;
    } catch (thrown) {
      this.#lastError = thrown instanceof LinkError
        ? thrown
        : new LinkError("refused", `the daemon cannot be started: ${messageOf(thrown)}`);
      this.#notBefore = performance.now() + this.#backoff.next();
      throw this.#lastError;
    }
  }

  /** The window that holds the lock starts the daemon; the others poll for it. */
  async #startOnce(dial: () => Promise<Link | undefined>): Promise<Link> {
    await makeHome(this.#paths.home);
    const deadline = performance.now() + DAEMON_START_TIMEOUT_MS;
    do {
      using lock = await tryLock(this.#paths.startLock);
      const link = await dial() ?? (lock && await this.#spawnAndDial(dial));
      if (link) return link;
      await delay(LOCKED_POLL_MS);
    } while (performance.now() < deadline);
    throw this.#fault(`by another window ${NO_ANSWER}`);
  }

  async #spawnAndDial(dial: () => Promise<Link | undefined>): Promise<Link> {
    const service = await this.#startService();
    const ofService = service && await this.#dialService(service, dial);
    if (ofService) return ofService;
    const program = await this.#program();
    log.info("no daemon answers; starting {command}", { command: shown(program) });
    using daemon = await this.#start({ ...program, cwd: this.#paths.home, env: this.#environment });
    const deadline = performance.now() + DAEMON_START_TIMEOUT_MS;
    while (performance.now() < deadline) {
      await delay(POLL_MS);
      const link = await dial();
      if (link) return link;
      // Exit code 0: another daemon was started first and is about to answer.
      if (daemon.exitCode) throw await this.#endedAtOnce(daemon.exitCode);
    }
    throw this.#fault(NO_ANSWER);
  }

  /** The daemon beside this program, or that which ran last, if it is newer. */
  async #program(): Promise<ReturnType<typeof daemonCommand>> {
    if (!await exists(this.#paths.program)) return daemonCommand();
    const { newerProgram } = await import("./last_program.ts");
    return await newerProgram(this.#paths) ?? daemonCommand();
  }

  /** Starts the daemon as the service it is installed as; undefined when it is none, or its manager does not start it. */
  async #startService(): Promise<ServiceStart | undefined> {
    if (!await exists(this.#paths.service)) return undefined;
    await Deno.remove(this.#paths.startFailure).catch(() => {});
    const { ServiceStart } = await import("./installed_service.ts");
    const service = new ServiceStart(this.#paths);
    const { fault } = await service.attempt();
    if (fault === undefined) return service;
    log.warning("the service does not start the daemon: {fault}", { fault });
    return undefined;
  }

  /** The link to the daemon of the service; undefined when its manager has started none. */
  async #dialService(
    service: ServiceStart,
    dial: () => Promise<Link | undefined>,
  ): Promise<Link | undefined> {
    log.info("no daemon answers; the service starts it");
    const deadline = performance.now() + SERVICE_START_TIMEOUT_MS;
    while (performance.now() < deadline) {
      await delay(POLL_MS);
      const link = await dial();
      if (link) return link;
      const { text } = await readOwnFile(this.#paths.startFailure);
      if (text !== undefined) throw this.#fault(`as a service cannot start: ${text.trim()}`);
      await service.attempt();
    }
    log.warning("the service has not started the daemon");
    return undefined;
  }

  /** The daemon has written why it cannot start, as a terminal would have shown it. */
  async #endedAtOnce(exitCode: number): Promise<LinkError> {
    const { text } = await readOwnFile(this.#paths.startFailure);
    const why = text === undefined ? "" : `: ${text.trim()}`;
    // Waiting does not mend the settings, so the client's requests are answered at once.
    const fault = exitCode === SETTINGS_EXIT_CODE ? "rejected" : "refused";
    return this.#fault(`ended at once with exit code ${exitCode}${why}`, fault);
  }

  #fault(what: string, fault: LinkFault = "refused"): LinkError {
    return new LinkError(
      fault,
      `the daemon that was started ${what}; its log is in ${this.#paths.logs}, ` +
        `or run it in a terminal to see why: ${shown(daemonCommand())}`,
    );
  }
}

/**
 * Starts the daemon as a process of its own that outlives this one.
 *
 * @param environment all its variables; it inherits none of this process
 */
export function spawnDaemon(
  environment: Record<string, string>,
  { home }: StatePaths,
): Promise<DetachedProgram> {
  return startDetached({ ...daemonCommand(), cwd: home, env: environment });
}

function shown({ command, args }: ReturnType<typeof daemonCommand>): string {
  return [command, ...args].join(" ");
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

async function tryDial(dial: () => Promise<Link>): Promise<Link | undefined> {
  try {
    return await dial();
  } catch (thrown) {
    if (thrown instanceof LinkError && isNoDaemon(thrown)) return undefined;
    throw thrown;
  }
}

/** @throws {LinkError} `refused`, naming the setting, when the directory cannot be made */
async function makeHome(home: string): Promise<void> {
  try {
    await Deno.mkdir(home, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const why = `the state directory cannot be made: ${messageOf(thrown)}`;
    throw new LinkError("refused", `${why}; set EXAI_HOME (--home) to another directory`);
  }
}

/** The lock; undefined while another window holds it. */
async function tryLock(path: string): Promise<Disposable | undefined> {
  try {
    return await FileLock.tryTake(path);
  } catch (thrown) {
    // The state directory may be read-only. Several windows may then start a daemon; all but the first find the
    // address in use and exit.
    log.warning("cannot lock {path}: {reason}", { path, reason: messageOf(thrown) });
    return { [Symbol.dispose]: () => {} };
  }
}
