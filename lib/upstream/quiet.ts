import { untilAborted } from "../base/abort.ts";
import type { Instance } from "./instance/instance.ts";

/** Resolves when nothing runs on `instance` and nobody wants the result of a task of it, or when `signal` aborts. */
export async function quiet(instance: Instance, signal: AbortSignal): Promise<void> {
  const { tasks } = instance;
  while ((instance.inflight > 0 || tasks.remainingMs() > 0) && !signal.aborted) {
    await untilAborted(instance.idle(), signal).catch(() => {});
    // A server that knows our session no more cannot be asked for its tasks.
    if (instance.alive) await tasks.allFetched(signal);
    else tasks.clear();
  }
}
