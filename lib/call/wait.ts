import { ExaiError } from "../base/errors.ts";
import type { Call, Whereabouts } from "./call.ts";
import type { CallSpan } from "./span.ts";
import type { CallTrace, Wait } from "./trace.ts";

const NO_WAIT: Disposable = { [Symbol.dispose]() {} };

/**
 * Notes that `call` waits for `what`, until the returned object is disposed. Does nothing for a call without a trace. Its
 * span is told of each thing in turn where `what` changes meanwhile.
 *
 * @param options `asBegun`: the span is told what was true at the beginning, as `what` holds a number that counts down
 */
export function beginWait(
  { trace }: Pick<Call, "trace">,
  what: string | (() => string),
  { asBegun = false }: { asBegun?: boolean } = {},
): Disposable {
  if (!trace) return NO_WAIT;
  const read = typeof what === "string" ? () => what : what;
  const wait: Wait = { sinceMs: performance.now(), what: read };
  const waits = trace.waits ??= [];
  waits.push(wait);
  const { span } = trace;
  const told = span && tellWaits(span, read, typeof what === "string" || asBegun);
  return {
    [Symbol.dispose]() {
      const at = waits.indexOf(wait);
      if (at === -1) return;
      waits.splice(at, 1);
      told?.[Symbol.dispose]();
    },
  };
}

/** How much longer a wait gets before it is looked at again: what it says is right to this part of its time. */
const LOOK_AGAIN = 0.25;

/** Tells `span` of a wait that begins now, and of what comes in its place. */
function tellWaits(span: CallSpan, what: () => string, isFixed: boolean): Disposable {
  const beganMs = performance.now();
  let [text, sinceMs] = [what(), beganMs];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const lookLater = () => {
    timer = setTimeout(look, Math.max(1, (performance.now() - beganMs) * LOOK_AGAIN));
  };
  const look = () => {
    const now = what();
    if (now !== text) {
      span.waited(text, sinceMs);
      [text, sinceMs] = [now, performance.now()];
    }
    lookLater();
  };
  if (!isFixed) lookLater();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      span.waited(text, sinceMs);
    },
  };
}

/** Settles as `work` does; until then `call` is shown as waiting for `what`. */
export async function waitingFor<T>(
  call: Pick<Call, "trace">,
  what: string | (() => string),
  work: Promise<T>,
): Promise<T> {
  using _wait = beginWait(call, what);
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
