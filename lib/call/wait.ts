import { ExaiError } from "../base/errors.ts";
import type { Call, Whereabouts } from "./call.ts";
import type { CallTrace, Wait } from "./trace.ts";

const NO_WAIT: Disposable = { [Symbol.dispose]() {} };

/** Notes that `call` waits for `what`, until the returned object is disposed. Does nothing for a call without a trace. */
export function beginWait({ trace }: Pick<Call, "trace">, what: () => string): Disposable {
  if (!trace) return NO_WAIT;
  const wait: Wait = { sinceMs: performance.now(), what };
  const waits = trace.waits ??= [];
  waits.push(wait);
  const { span } = trace;
  // As it was when the wait began: who is before it, and the like.
  const text = span && what();
  return {
    [Symbol.dispose]() {
      const at = waits.indexOf(wait);
      if (at === -1) return;
      waits.splice(at, 1);
      span?.waited(text!, wait.sinceMs);
    },
  };
}

/** Settles as `work` does; until then `call` is shown as waiting for `what`. */
export async function waitingFor<T>(
  call: Pick<Call, "trace">,
  what: string | (() => string),
  work: Promise<T>,
): Promise<T> {
  using _wait = beginWait(call, typeof what === "string" ? () => what : what);
  return await work;
}

/** Shown while the client is asked for its roots. */
export const ROOTS_WAIT = "its client to tell its roots";

/** The directories of the caller of `call`, which is shown as waiting while its client is asked for them. */
export function whereaboutsOf(call: Call): Whereabouts {
  const { caller } = call;
  return {
    cwd: caller.cwd,
    namedDirs: caller.namedDirs,
    roots: () => waitingFor(call, ROOTS_WAIT, caller.roots()),
    identity: () => waitingFor(call, ROOTS_WAIT, caller.identity()),
  };
}

/** The latest wait of a call; undefined while it runs. */
export function currentWait(trace: CallTrace | undefined): Wait | undefined {
  return trace?.waits?.at(-1);
}

/** Shown while the client is sent a request of `method`. */
export function waitForClient(method: string): string {
  switch (method) {
    case "elicitation/create":
      return "the person at its client";
    case "sampling/createMessage":
      return "its client's model";
    default:
      return `its client to answer ${method}`;
  }
}

/** Why nobody waits for a call: its client's time was up, or its session has ended. */
type GivenUpCause = "timed_out" | "session_ended";

/**
 * The reason of a call that was aborted because nobody waits for it any more, though nobody asked to stop it either.
 * Work that has been paid for may go on, so that its result is found later.
 */
export class GivenUp extends ExaiError {
  readonly why: GivenUpCause;

  constructor(why: GivenUpCause, message: string) {
    super("CANCELLED", message);
    this.why = why;
  }
}
