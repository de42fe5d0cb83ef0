import { type ChildProcess, spawn } from "node:child_process";
import { getLogger } from "@logtape/logtape";
import { WATCHDOG_SCRIPT } from "./process_guard_script.ts";

const log = getLogger(["exai", "upstream"]);

/**
 * Ends the process groups of a daemon that was killed outright and could not do so itself. One tiny shell for each
 * daemon, started with the first group, reads from a pipe which groups there are; the system closes the pipe when the
 * daemon is gone, however it went, and the shell ends what is left: SIGTERM, a second later SIGKILL.
 */
export class ProcessGuard implements AsyncDisposable {
  readonly #groups = new Set<number>();
  #shell: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** Guards the group `pgid` from now on. */
  add(pgid: number): void {
    this.#groups.add(pgid);
    if (this.#shell) this.#tell(`+${pgid}`);
    else this.#start();
  }

  /** The group is gone: its number may soon be another's. */
  remove(pgid: number): void {
    if (this.#groups.delete(pgid)) this.#tell(`-${pgid}`);
  }

  /** Process id of the shell, while there is one. */
  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  /** Lets the shell go, which ends what is still guarded. */
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
      // A session of its own: what ends the daemon's terminal or group must not end it.
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
    // The shell alone does not keep the daemon running.
    shell.unref();
    for (const pgid of this.#groups) this.#tell(`+${pgid}`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(`${line}\n`);
  }
}
