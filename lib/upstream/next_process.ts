import { ExaiError } from "../base/errors.ts";

/**
 * The daemon has stopped a process that was waited for, or asked something it has not run. A window is not told: the next
 * process serves it, see {@linkcode onNextProcess}.
 */
export class ProcessStoppedError extends ExaiError {
  constructor(server: string) {
    const details = { server, outcome: "not_run" };
    super("UPSTREAM_UNAVAILABLE", `server "${server}": it was stopped`, { details });
  }
}

/** A person has stopped the process: what could be made again on the next is not, as that would start it again. */
export class HaltedError extends ExaiError {
  constructor(server: string) {
    const why = `server "${server}": it was stopped by its user; a call that comes later starts it again`;
    super("UPSTREAM_UNAVAILABLE", why, { details: { server } });
  }
}

/** Resolves when all of `work` has settled, in whatever way; rejects when a process was stopped under some of it. */
export async function settledUnlessStopped(work: readonly Promise<unknown>[]): Promise<void> {
  for (const one of await Promise.allSettled(work)) {
    if (one.status === "rejected" && one.reason instanceof ProcessStoppedError) throw one.reason;
  }
}

/**
 * `work`, which looks for a process each time: done again when the process is stopped under it. It ends with the session
 * or the server, as there is no process for them then.
 */
export async function onNextProcess<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof ProcessStoppedError)) throw thrown;
    }
  }
}
