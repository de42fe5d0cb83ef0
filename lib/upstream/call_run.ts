import type { Call } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import type { Instance } from "./instance.ts";
import type { Slot } from "./slot.ts";
import { namesItsTask } from "./work.ts";

/** Where a call is about to run. */
interface Where {
  slot: Slot;
  instance: Instance;
  isWork: boolean;
}

/** Runs a call when it may; undefined when its process has ended by then. */
export function runOn(call: Call, where: Where): Promise<Result | undefined> {
  const { slot, instance, isWork } = where;
  if (namesItsTask(call.method)) {
    call.begin?.();
    return instance.call(call);
  }
  return isWork ? slot.admission.run(call, instance) : instance.call(call);
}
