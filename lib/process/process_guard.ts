import { type ChildProcess, spawn } from "node:child_process";
import { getLogger } from "@logtape/logtape";
import { WATCHDOG_SCRIPT } from "./process_guard_script.ts";

const log = getLogger(["exai", "upstream"]);

/**
 * Ends the process groups of a daemon that was killed and could not do so itself. One small shell for each daemon,
 * started with the first group, reads the groups from a pipe; when the daemon is gone the system closes the pipe, and
 * the shell sends SIGTERM to what is left, a second later SIGKILL.
 */
export class ProcessGuard implements AsyncDisposable {
  readonly #groups = new Set<number>();
  #shell: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** Guards the group `pgid`. */
  add(pgid: number): void {
    this.#groups.add(pgid);
    if (this.#shell) this.#tell(`+${pgid}`);
    else this.#start();
  }

  /** Forgets the group `pgid`, which has ended: its number may be used again. */
  remove(pgid: number): void {
    if (this.#groups.delete(pgid)) this.#tell(`-${pgid}`);
  }

  /** Process id of the shell, while it runs. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  /** Ends the shell, which ends the groups that are still guarded. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#shell?.ref();
    this.#shell?.stdin?.end();
    await this.#exited;
  }

  #start(): void {
    const shell = spawn("/bin/sh", ["-c", WATCHDOG_SCRIPT, "exai-watchdog"], {
      cwd: "/",
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["pipe", "ignore", "ignore"],
      // Its own session: signals to the daemon's terminal or group must not reach it.
      detached: true,
    });
    this.#shell = shell;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exited = promise;
    shell.on("error", (error) => {
      log.error("no watchdog ({reason}); servers may outlive a daemon that is killed", {
        reason: error.message,
      });
      resolve();
    });
    shell.on("exit", () => {
      resolve();
      if (this.#shell !== shell) return;
      this.#shell = undefined;
      if (!this.#isClosed && this.#groups.size > 0) this.#start();
    });
    shell.stdin?.on("error", () => {});
    // The shell does not keep the daemon running.
    shell.unref();
    for (const pgid of this.#groups) this.#tell(`+${pgid}`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(`${line}\n`);
  }
}
