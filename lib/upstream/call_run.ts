import type { Call } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import type { Instance } from "./instance/instance.ts";
import type { Slot } from "./slot.ts";
import { isTaskMethod } from "./method_kind.ts";

/** Where a call is about to run. */
interface Where {
  slot: Slot;
  instance: Instance;
  isWork: boolean;
  /** Whether its server may run but so many calls at once. */
  isLimited: boolean;
}

/** Runs a call when it may; undefined when its process has ended by then. */
export function runOn(call: Call, where: Where): Promise<Result | undefined> {
  const { slot, instance, isWork, isLimited } = where;
  if (isTaskMethod(call.method)) {
    call.begin?.();
    return instance.call(call);
  }
  if (!isWork) return instance.call(call);
  return isLimited ? runInPlace(call, where) : slot.admission.run(call, instance);
}

async function runInPlace(call: Call, { slot, instance }: Where): Promise<Result | undefined> {
  const place = slot.admission.place(call);
  using _place = place instanceof Promise ? await place : place;
  return await slot.admission.run(call, instance);
}
