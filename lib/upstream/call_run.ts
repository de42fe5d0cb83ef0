import { ANY_PLACE } from "../call/admission.ts";
import type { Call } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import type { Instance } from "./instance.ts";
import type { Slot } from "./slot.ts";
import { namesItsTask } from "./work.ts";

/** Where a call is about to run. */
export interface Where {
  slot: Slot;
  instance: Instance;
  isWork: boolean;
  /** Whether its server may run but so many calls at once. */
  isLimited: boolean;
}

/** Runs a call when it may; undefined when its process has ended by then. */
export function runOn(call: Call, where: Where): Promise<Result | undefined> {
  const { slot, instance, isWork, isLimited } = where;
  if (namesItsTask(call.method)) {
    call.begin?.();
    return instance.call(call);
  }
  const isFree = isWork && !slot.takesTurns && !isLimited;
  return isFree ? slot.admission.run(call, instance) : inTurn(call, where);
}

async function inTurn(call: Call, { slot, instance, isWork }: Where): Promise<Result | undefined> {
  // The turn first: with a place in hand, those who wait for a turn would hold up everybody behind them in vain.
  using _turn = slot.takesTurns ? await slot.turn(call) : undefined;
  const wanted = isWork ? slot.admission.place(call) : ANY_PLACE;
  using _place = wanted instanceof Promise ? await wanted : wanted;
  return await (isWork ? slot.admission.run(call, instance) : instance.call(call));
}
