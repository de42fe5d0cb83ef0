import type { Policy } from "../call/call.ts";

/** Notes that a call begins, now that it is admitted: until here it has done nothing, and may be made anew. */
export function noteBegin(): Policy {
  return (next) => (call) => {
    call.begin?.();
    return next(call);
  };
}
