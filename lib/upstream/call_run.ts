import { ExaiError } from "../base/errors.ts";
import type { Call } from "../call/call.ts";
import { isIdempotent, isIdempotentTool } from "../wire/idempotency.ts";
import type { Result } from "../wire/rpc.ts";
import type { Instance } from "./instance/instance.ts";
import type { ListCache } from "./lists/list_cache.ts";
import { isTaskMethod } from "./method_kind.ts";
import type { Slot } from "./slot.ts";

/** Where a call is about to run. */
interface CallSite {
  slot: Slot;
  instance: Instance;
  isWork: boolean;
}

/** Runs a call once admission permits it; resolves with undefined if its process has ended by then. */
export function runOn(call: Call, site: CallSite): Promise<Result | undefined> {
  const { slot, instance, isWork } = site;
  if (isTaskMethod(call.method)) {
    call.begin?.();
    return instance.call(call);
  }
  return isWork ? slot.admission.run(call, instance) : instance.call(call);
}

/**
 * Whether `call`, which failed with `thrown`, may be made again on the next connection: it did not run, or it may have
 * run and running it twice does no harm.
 */
export async function mayRepeat(
  thrown: unknown,
  call: Call,
  lists: ListCache | undefined,
): Promise<boolean> {
  if (call.signal.aborted || !(thrown instanceof ExaiError)) return false;
  const outcome = thrown.details?.outcome;
  if (outcome === "not_run") return true;
  if (outcome !== "unknown") return false;
  if (call.method !== "tools/call") return isIdempotent(call.method);
  // The connection is gone: a list that is not cached cannot be read.
  const tools = await lists?.known("tools") ?? [];
  return isIdempotentTool(tools.find(({ name }) => name === call.params.name));
}
