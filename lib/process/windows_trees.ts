import { execFile } from "node:child_process";
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { type Job, JobObjects } from "./job_object.ts";
import type { ProcessTrees } from "./process_trees.ts";

const log = getLogger(["exai", "upstream"]);

/**
 * Process trees as job objects: descendants are in the job of their root, and the system ends the job with the
 * daemon. If jobs are not available, `taskkill` follows the parent ids.
 */
export class WindowsTrees implements ProcessTrees {
  readonly #jobs = new Map<number, Job>();
  #objects: JobObjects | undefined;

  constructor() {
    try {
      this.#objects = new JobObjects();
    } catch (thrown) {
      const reason = messageOf(thrown);
      log.warning("no job objects ({reason}); servers may outlive a daemon that is killed", { reason });
    }
  }

  adopt(pid: number): void {
    const job = this.#objects?.create(pid);
    if (job) this.#jobs.set(pid, job);
  }

  // A console program without a window cannot be asked to end, except by closing its stdin, which was done.
  terminate(pid: number): Promise<void> {
    return this.kill(pid);
  }

  async kill(pid: number): Promise<void> {
    if (this.#jobs.get(pid)?.terminate()) return;
    await new Promise<void>((resolve) =>
      execFile("taskkill.exe", ["/pid", String(pid), "/t", "/f"], { windowsHide: true }, () => resolve())
    );
  }

  sweep(pid: number): Promise<void> {
    const job = this.#jobs.get(pid);
    this.#jobs.delete(pid);
    job?.terminate();
    job?.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const job of this.#jobs.values()) job.close();
    this.#jobs.clear();
    this.#objects?.close();
    return Promise.resolve();
  }
}
