import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { extname } from "@std/path/extname";
import { join } from "@std/path/join";
import { messageOf } from "../base/errors.ts";
import { isCompiled, programDir, type StatePaths } from "../config/paths.ts";
import { DAEMON_START_TIMEOUT_MS, SETTINGS, type Settings } from "../config/settings.ts";
import { FileLock } from "../state/file_lock.ts";
import { Backoff } from "./backoff.ts";
import { type Link, LinkError } from "../client/link.ts";

const log = getLogger(["exai", "shim"]);

/** The settings a started daemon must share with us, wherever we have them from. */
const SHARED = [
  "home",
  "host",
  "port",
  "token",
  "peers",
  "socket",
  "config",
  "envFile",
  "logLevel",
  "logFormat",
] as const;

export type StartSettings = Pick<Settings, (typeof SHARED)[number]>;

const POLL_MS = 25;
/** How often a window looks whether the one that starts the daemon has done so. */
const TURN_POLL_MS = 100;

const SILENT = `has not answered within ${DAEMON_START_TIMEOUT_MS / 1000} s`;

/** Starts the daemon, once however many shims want it at the same moment. */
export class DaemonStarter {
  readonly #settings: StartSettings;
  readonly #paths: StatePaths;
  readonly #pauses = new Backoff({ minMs: 3000, maxMs: 30_000 });
  #notBefore = 0;
  #lastFault: LinkError | undefined;

  constructor(settings: StartSettings, paths: StatePaths) {
    this.#settings = settings;
    this.#paths = paths;
  }

  /**
   * Starts the daemon unless another has in the meantime, and connects to it.
   *
   * @param dial makes one try to connect
   * @throws {LinkError} the daemon could not be started, ended at once, or does not answer
   */
  async start(dial: () => Promise<Link>): Promise<Link> {
    // A daemon that cannot start must not be started again with every request.
    if (this.#lastFault && performance.now() < this.#notBefore) throw this.#lastFault;
    try {
      const link = await this.#startAsOne(dial);
      this.#pauses.reset();
      this.#lastFault = undefined;
      return link;
    } catch (thrown) {
      this.#lastFault = thrown instanceof LinkError
        ? thrown
        : new LinkError("refused", `the daemon cannot be started: ${messageOf(thrown)}`);
      this.#notBefore = performance.now() + this.#pauses.next();
      throw this.#lastFault;
    }
  }

  /** Of all windows that want the daemon one starts it; the others look for it meanwhile. */
  async #startAsOne(dial: () => Promise<Link>): Promise<Link> {
    await makeHome(this.#paths.home);
    const deadline = performance.now() + DAEMON_START_TIMEOUT_MS;
    do {
      using lock = await tryLock(this.#paths.startLock);
      const link = await tryDial(dial) ?? (lock && await this.#spawnAndDial(dial));
      if (link) return link;
      await delay(TURN_POLL_MS);
    } while (performance.now() < deadline);
    throw this.#fault(`by another window ${SILENT}`);
  }

  async #spawnAndDial(dial: () => Promise<Link>): Promise<Link> {
    const { command, args } = daemonCommand();
    log.info("no daemon answers; starting {command}", { command: [command, ...args].join(" ") });
    const child = new Deno.Command(command, {
      args,
      cwd: this.#paths.home,
      env: this.#environment(),
      stdin: "null",
      stdout: "null",
      stderr: "null",
      // A session of its own: what ends the client's process group must not end the daemon.
      detached: true,
    }).spawn();
    child.unref();
    let exitCode: number | undefined;
    child.status.then(({ code }) => exitCode = code);
    const deadline = performance.now() + DAEMON_START_TIMEOUT_MS;
    while (performance.now() < deadline) {
      await delay(POLL_MS);
      const link = await tryDial(dial);
      if (link) return link;
      // Exit code 0 means that another daemon was faster; it will answer.
      if (exitCode) throw this.#fault(`ended at once with exit code ${exitCode}`);
    }
    throw this.#fault(SILENT);
  }

  #fault(what: string): LinkError {
    const { command, args } = daemonCommand();
    const shown = [command, ...args].join(" ");
    return new LinkError(
      "refused",
      `the daemon that was started ${what}; its log is in ${this.#paths.logs}, ` +
        `or run it in a terminal to see why: ${shown}`,
    );
  }

  // What is empty here is left to the daemon's own default, not set to an empty text.
  #environment(): Record<string, string> {
    const values = SHARED.map((name) => [SETTINGS[name].env, String(this.#settings[name])]);
    return Object.fromEntries(values.filter(([, value]) => value !== ""));
  }
}

/** The daemon's command line: the executable beside ours, or the source beside our own entry point. */
export function daemonCommand(): { command: string; args: string[] } {
  const start = "--if-not-running";
  if (!isCompiled()) {
    // daemon.ts beside shim.ts, daemon.js beside a bundled shim.js.
    // A bundle has no deno.json beside it that would allow the daemon to hold its port (lib/edge/port_reservation.ts).
    const program = join(programDir(), `daemon${extname(Deno.mainModule)}`);
    return { command: Deno.execPath(), args: ["run", "-A", "--unstable-net", program, start] };
  }
  const name = Deno.build.os === "windows" ? "exai-daemon.exe" : "exai-daemon";
  return { command: join(programDir(), name), args: [start] };
}

async function tryDial(dial: () => Promise<Link>): Promise<Link | undefined> {
  try {
    return await dial();
  } catch (thrown) {
    if (thrown instanceof LinkError && thrown.fault === "refused") return undefined;
    throw thrown;
  }
}

/** @throws {LinkError} naming the setting when there cannot be such a directory */
async function makeHome(home: string): Promise<void> {
  try {
    await Deno.mkdir(home, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const why = `the state directory cannot be made: ${messageOf(thrown)}`;
    throw new LinkError("refused", `${why}; set EXAI_HOME (--home) to another directory`);
  }
}

/** The lock; undefined while another window has it. */
async function tryLock(path: string): Promise<Disposable | undefined> {
  try {
    return await FileLock.tryTake(path);
  } catch (thrown) {
    // As on a state directory that cannot be written. More than one daemon may be started then; all but the first find
    // the address taken and end.
    log.warning("cannot lock {path}: {reason}", { path, reason: messageOf(thrown) });
    return { [Symbol.dispose]: () => {} };
  }
}
